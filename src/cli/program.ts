/** The `sluice` program: finds the command, runs it, and turns what went wrong into an exit code and a line. */

import { createRequire } from 'node:module';
import { isSluiceError, type SluiceError } from '../base/errors.ts';
import { backup } from './backup.ts';
import { backups } from './backups.ts';
import { checkpoint } from './checkpoint.ts';
import { clusterCompare } from './cluster-compare.ts';
import { clusterForget } from './cluster-forget.ts';
import { clusterMembers } from './cluster-members.ts';
import { clusterRepair } from './cluster-repair.ts';
import { clusterStatus } from './cluster-status.ts';
import {
  type Command,
  EXIT_BUG,
  EXIT_ERROR,
  EXIT_INTERRUPTED,
  EXIT_OK,
  EXIT_USAGE,
  parseArguments,
  UsageError,
} from './command.ts';
import { compact } from './compact.ts';
import { datasetActivate, datasetDrop, datasetLs, datasetPublish, datasetRollback } from './dataset.ts';
import { datasetDiff } from './dataset-diff.ts';
import { datasetWatch } from './dataset-watch.ts';
import { del } from './del.ts';
import { explain } from './explain.ts';
import { get } from './get.ts';
import { commandHelp, programHelp } from './help.ts';
import { importFiles } from './import.ts';
import { ingest } from './ingest.ts';
import { ingests } from './ingests.ts';
import { type Io, OutputClosed, write } from './io.ts';
import { keyspaces } from './keyspaces.ts';
import { put } from './put.ts';
import { restore } from './restore.ts';
import { scan } from './scan.ts';
import { scenario } from './scenario.ts';
import { serve } from './serve.ts';
import { sstBuild } from './sst-build.ts';
import { sstDump } from './sst-dump.ts';
import { sstInspect } from './sst-inspect.ts';
import { stat } from './stat.ts';
import { tasks } from './tasks.ts';
import { verify } from './verify.ts';

const COMMANDS: readonly Command[] = [
  ingest,
  importFiles,
  tasks,
  get,
  put,
  del,
  scan,
  stat,
  ingests,
  keyspaces,
  datasetLs,
  datasetPublish,
  datasetActivate,
  datasetRollback,
  datasetDiff,
  datasetDrop,
  datasetWatch,
  verify,
  compact,
  checkpoint,
  backup,
  backups,
  restore,
  explain,
  serve,
  clusterStatus,
  clusterMembers,
  clusterForget,
  clusterCompare,
  clusterRepair,
  scenario,
  sstBuild,
  sstInspect,
  sstDump,
];

/**
 * Runs one command line.
 *
 * @param argv without `node` and the script
 * @returns the exit code; nothing is thrown
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(argv, io);
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT_OK;
    try {
      return await report(error, argv, io);
    } catch (failure) {
      // Nobody reads our errors either.
      if (failure instanceof OutputClosed) return EXIT_ERROR;
      throw failure;
    }
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = argv;
  if (first === '--version' || first === '-V') {
    await write(io.stdout, `${version()}\n`);
    return EXIT_OK;
  }
  if (
    first === undefined ||
    first === '--help' ||
    first === '-h' ||
    (first === 'help' && rest.length === 0)
  ) {
    await write(first === undefined ? io.stderr : io.stdout, programHelp(COMMANDS));
    return first === undefined ? EXIT_USAGE : EXIT_OK;
  }
  if (first === 'help') return help(rest, io);
  const { command, args } = find(argv);
  const parsed = parseArguments(command, args);
  if (parsed.flag('help')) return help([command.name], io);
  return command.run(parsed, io);
}

async function help(argv: readonly string[], io: Io): Promise<number> {
  const { command } = find(argv.flatMap((word) => word.split(' ')));
  await write(io.stdout, commandHelp(command));
  return EXIT_OK;
}

function find(argv: readonly string[]): { command: Command; args: readonly string[] } {
  for (const command of COMMANDS) {
    const words = command.name.split(' ');
    if (words.every((word, i) => argv[i] === word)) return { command, args: argv.slice(words.length) };
  }
  const [first = '', second] = argv;
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
  if (group.length > 0 && (second === undefined || second.startsWith('-'))) {
    throw new UsageError(`sluice ${first} needs one of: ${group.join(', ')}`);
  }
  const typed = group.length > 0 ? `${first} ${second}` : first;
  throw new UsageError(`there is no command ${JSON.stringify(typed)}; \`sluice --help\` lists them`);
}

async function report(error: unknown, argv: readonly string[], io: Io): Promise<number> {
  const { code, message, exit } = describe(error);
  const text = argv.includes('--json')
    ? JSON.stringify({ error: { code, message } })
    : `error ${code}: ${message}`;
  await write(io.stderr, `${text}\n`);
  return exit;
}

function describe(error: unknown): { code: string; message: string; exit: number } {
  if (error instanceof UsageError) return { code: 'USAGE', message: error.message, exit: EXIT_USAGE };
  if (isSluiceError(error)) {
    const exit = error.code === 'ABORTED' ? EXIT_INTERRUPTED : EXIT_ERROR;
    return { code: error.code, message: advised(error), exit };
  }
  // Arguments that the library refuses: the user's, too.
  if (
    error instanceof TypeError &&
    /^(options\.[\w.]+|range\.\w+|source|files|each of \S+|dir|name|path|version|before|after) must /.test(
      error.message,
    )
  ) {
    return { code: 'USAGE', message: error.message, exit: EXIT_USAGE };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'BUG', message, exit: EXIT_BUG };
}

/** The library's messages speak to programmers; what the command line can do about some of them is added here. */
function advised(error: SluiceError): string {
  if (error.code !== 'LOCKED') return error.message;
  return `${error.message}. Commands that read work beside it with --readonly`;
}

function version(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  return version;
}
