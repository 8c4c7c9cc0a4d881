/** The text of a scenario with what its statements really gave. What is right already stays as it was typed. */

import { expectationOf, sameLines, sameWords } from './outcome.ts';
import type { Played } from './play.ts';
import type { Scenario, Step } from './syntax.ts';

/** Where expectations begin that nobody has placed yet. */
const EXPECTATION_COLUMN = 40;

export function rewriteScenario({ lines, scenes }: Scenario, { outcomes }: Played): string {
  const steps = new Map<number, Step>();
  const add = (step: Step): void => {
    steps.set(step.place.line, step);
    if (step.statement.kind !== 'transaction') return;
    for (const inner of step.statement.body) add(inner);
    if (step.statement.end !== undefined) add(step.statement.end);
  };
  for (const scene of scenes) for (const step of scene.steps) add(step);

  const written: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const step = steps.get(i + 1);
    if (step === undefined) {
      written.push(line);
      continue;
    }
    const { expected } = step;
    const actual = expectationOf(outcomes.get(step) ?? []);
    written.push(sameWords(expected.inline, actual.inline) ? line : rewriteLine(line, step, actual.inline));
    const given = lines.slice(i + 1, i + 1 + expected.lines.length);
    if (sameLines(expected.lines, actual.lines)) written.push(...given);
    else written.push(...actual.lines.map((text) => `| ${text}`));
    i += given.length;
  }
  return written.join('\n');
}

function rewriteLine(line: string, step: Step, inline: string): string {
  const { statementEnd, expectationAt, commentAt } = step;
  const statement = line.slice(0, statementEnd).trimEnd();
  const column = expectationAt === -1 ? EXPECTATION_COLUMN : expectationAt;
  const comment = commentAt === -1 ? '' : `  ${line.slice(commentAt)}`;
  const padded = inline === '' ? statement : `${statement.padEnd(column - 1)} ${inline}`;
  return `${padded}${comment}`.trimEnd();
}
