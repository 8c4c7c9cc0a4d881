/** What `--help` prints. */

import { type Command, type Flag, HELP_FLAG } from './command.ts';
import { columns } from './text.ts';

const EXIT_CODES = `Exit codes
  0    done
  1    not found (get), damage found (verify), or something unexpected (scenario)
  2    the command line is wrong
  3    an error with a code; stderr says \`error CODE: message\`, with --json {"error":{"code","message"}}
  70   a bug of SluiceDB; stderr has code BUG and where it was, please report it
  130  interrupted (Ctrl-C); what was not committed is undone, an import is paused
A reader that closes the output early, as \`head\` does, is no error: 0.
`;

export function programHelp(commands: readonly Command[]): string {
  const rows = commands.map(({ name, usage, about }) => [`  sluice ${name} ${usage}`, about]);
  return `SluiceDB: an embedded, transactional key-value store in which attaching files is a step of a transaction.

Commands (\`sluice COMMAND --help\` says more)
${columns(rows).join('\n')}

  sluice --version

DB is a database directory. Commands that read take --readonly, to work beside a process that writes.
Keys and values are text; --hex takes and prints hex digits, --json prints one JSON value a line.

${EXIT_CODES}`;
}

export function commandHelp({ name, usage, about, flags, more }: Command): string {
  const rows = Object.entries({ ...flags, help: HELP_FLAG }).map(([flag, shape]) => flagRow(flag, shape));
  return `${about}

  sluice ${name} ${usage}

${columns(rows).join('\n')}

${more === undefined ? '' : `${more.trim()}\n\n`}${EXIT_CODES}`;
}

function flagRow(name: string, { type, value, short, about }: Flag): string[] {
  const spelled = `${short === undefined ? '' : `-${short}, `}--${name}`;
  return [`  ${type === 'string' ? `${spelled} ${value ?? 'TEXT'}` : spelled}`, about];
}
