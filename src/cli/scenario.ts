import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { systemError } from '../base/env/system-error.ts';
import { type Command, EXIT_NOT_FOUND, EXIT_OK, UsageError } from './command.ts';
import { type Io, Output } from './io.ts';
import { agrees, expectationOf, type Outcome } from './scenario/outcome.ts';
import { parseScenario } from './scenario/parse.ts';
import { playScenario } from './scenario/play.ts';
import { rewriteScenario } from './scenario/rewrite.ts';
import { ScenarioError, type Step } from './scenario/syntax.ts';
import { plural } from './text.ts';

const FILE_BYTES_MAX = 1 << 20;

/** `sluice scenario` */
export const scenario: Command = {
  name: 'scenario',
  usage: 'FILE…',
  about: 'Play conflict scenarios in temporary databases, and hold them against what they expect',
  flags: {
    rewrite: { type: 'boolean', about: 'write into the files what really happened as what is expected' },
    quiet: { type: 'boolean', short: 'q', about: 'show only what differs' },
  },
  positionals: [1, Number.POSITIVE_INFINITY],
  more: 'Exits with 1 when something differs from what is expected. docs/scenarios.md has the language, test/scenarios/ examples.',

  async run(args, io) {
    const [quiet, rewrite] = [args.flag('quiet'), args.flag('rewrite')];
    let differences = 0;
    for (const file of args.positionals) {
      try {
        differences += await playFile(file, { quiet, rewrite }, io);
      } catch (error) {
        if (!(error instanceof ScenarioError)) throw error;
        const { line, column } = error.place;
        throw new UsageError(`${file}:${line}:${column}: ${error.message}`);
      }
    }
    return differences === 0 ? EXIT_OK : EXIT_NOT_FOUND;
  },
};

function read(file: string): string {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw new UsageError(`${file} is not a file`);
    if (stat.size > FILE_BYTES_MAX) throw new UsageError(`${file} has more than ${FILE_BYTES_MAX} bytes`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw systemError(error, 'read', file);
  }
}

function rewriteFile(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw systemError(error, 'rewrite', file);
  }
}

/** @returns how many differences there are; with `rewrite`, only those that cannot be written down as expected */
async function playFile(
  file: string,
  { quiet, rewrite }: { quiet: boolean; rewrite: boolean },
  io: Io,
): Promise<number> {
  const text = read(file);
  const scenario = parseScenario(text);
  const out = new Output(io.stdout);
  out.line(file);
  const played = await playScenario(scenario, {
    signal: io.signal,
    onScene: ({ title }) => {
      if (!quiet && title !== '') out.line(`\n== ${title}`);
    },
    onStep: async (step, outcomes) => {
      const agreed = rewrite || agrees(step, outcomes);
      if (agreed && quiet) return;
      const line = scenario.lines[step.place.line - 1] ?? '';
      for (const shown of agreed
        ? agreedLines(line, step, outcomes)
        : differenceLines(line, step, outcomes)) {
        out.line(shown);
      }
      await out.flush();
    },
  });
  for (const problem of played.problems) out.line(`the database is not sound: ${problem}`);
  const left = played.problems.length + (rewrite ? 0 : played.failed.length);
  const rewritten = rewrite ? rewriteScenario(scenario, played) : text;
  if (rewritten !== text) rewriteFile(file, rewritten);
  const verdict = left > 0 ? plural(left, 'difference') : rewritten === text ? 'as expected' : 'rewritten';
  out.line(quiet ? `  ${verdict}` : `\n${verdict}\n`);
  await out.flush();
  return left;
}

function numbered(line: number, text: string): string {
  return `${String(line).padStart(4)}  ${text}`.trimEnd();
}

function agreedLines(line: string, step: Step, outcomes: readonly Outcome[]): string[] {
  const { inline, lines } = expectationOf(outcomes);
  const statement = line.slice(0, step.statementEnd).trimEnd();
  return [
    numbered(step.place.line, inline === '' ? statement : `${statement.padEnd(40)} ${inline}`),
    ...lines.map((text) => `      | ${text}`),
  ];
}

/** What was expected with a minus, what happened with a plus, and what an error said. */
function differenceLines(line: string, step: Step, outcomes: readonly Outcome[]): string[] {
  const { expected } = step;
  const actual = expectationOf(outcomes);
  const minus = [expected.inline, ...expected.lines.map((text) => `| ${text}`)];
  const plus = [actual.inline, ...actual.lines.map((text) => `| ${text}`)];
  const messages = outcomes.flatMap((outcome) => (outcome.kind === 'error' ? [outcome.message] : []));
  return [
    numbered(step.place.line, line.slice(0, step.statementEnd).trimEnd()),
    ...minus.filter((text) => text !== '').map((text) => `    - ${text}`),
    ...(plus.join('') === '' ? ['    + done, with nothing to tell'] : []),
    ...plus.filter((text) => text !== '').map((text) => `    + ${text}`),
    ...messages.map((text) => `      (${text})`),
  ];
}
