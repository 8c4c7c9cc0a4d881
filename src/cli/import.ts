import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { Db } from '../db.ts';
import { open } from '../import/open.ts';
import type { ImportProgress, ImportResult, ImportTask } from '../import-options.ts';
import { type Arguments, type Command, EXIT_INTERRUPTED, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { IMPORT_FLAGS, importOptions } from './import-arguments.ts';
import { dryRun } from './import-dry-run.ts';
import { type Io, Output, write } from './io.ts';
import { ProgressLine } from './progress-line.ts';
import { bytesText, columns, countText, plural } from './text.ts';

const STDIN = '-';

/** `sluice import` */
export const importFiles: Command = {
  name: 'import',
  usage: 'DB FILE…',
  about: 'Load rows of any order from files, in one commit',
  flags: {
    ...IMPORT_FLAGS,
    'dry-run': { type: 'boolean', about: 'read all rows, load none, and tell what would become of them' },
    resume: {
      type: 'string',
      value: 'ID',
      about: 'go on with an import; files only if it reads standard input',
    },
    json: JSON_FLAG,
  },
  positionals: [1, Number.POSITIVE_INFINITY],
  more: `FILE is a path, a pattern, a directory, an http(s) URL or - for standard input, in gzip or ZSTD too. Columns are named by the
header, by their place from 0, or in JSON Lines by a path as user.id. Without a value, the other columns are: one as it is, more as
JSON. Rows become visible all at once, or not at all. Ctrl-C pauses: the import then goes on with --resume, and does not read again
what it has sorted. With --json, lines of {"progress"} and at last one of {"result"}, or of {"paused"}. \`sluice tasks\` lists imports.`,

  async run(args, io) {
    const files = args.positionals.slice(1);
    const resume = args.text('resume');
    if (args.flag('dry-run')) {
      if (resume !== undefined) throw new UsageError('--dry-run and --resume exclude each other');
      return dryRun(args, needFiles(files), importOptions(args), io);
    }
    const create = resume === undefined;
    const db = await open(args.at(0, 'DB'), { compaction: 'off', createIfMissing: create });
    try {
      return await finish(db, begin(db, args, files, resume, io), args, io);
    } finally {
      await db.close();
    }
  },
};

function needFiles(files: readonly string[]): readonly string[] {
  if (files.length === 0) throw new UsageError('FILE is missing: paths, patterns, directories, URLs or -');
  return files;
}

function begin(
  db: Db,
  args: Arguments,
  files: readonly string[],
  resume: string | undefined,
  io: Io,
): ImportTask {
  const takesInput = files.length === 1 && files[0] === STDIN;
  if (files.includes(STDIN) && !takesInput) throw new UsageError('- cannot stand beside other files');
  if (resume !== undefined) {
    if (files.length > 0 && !takesInput)
      throw new UsageError('--resume reads the files that the import was given; leave them out');
    return db.resumeImport(resume, takesInput ? { source: input(io) } : {});
  }
  const options = importOptions(args);
  if (!takesInput) return db.import(needFiles(files), options);
  if (options.format === undefined) throw new UsageError('--format must be given with -');
  return db.import(input(io), options);
}

/** Standard input. Ctrl-C closes it, which must not be taken for its end or for a failure: the import is being paused. */
async function* input({ stdin, signal }: Io): AsyncGenerator<Uint8Array> {
  try {
    yield* stdin;
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
  if (signal?.aborted === true) await new Promise<never>(() => undefined);
}

async function finish(db: Db, task: ImportTask, args: Arguments, io: Io): Promise<number> {
  const out = new Output(io.stdout);
  const line = new ProgressLine(io);
  const json = args.flag('json');
  const stopTelling = task.on((progress) => {
    if (!json) line.show(progressText(progress));
    else write(io.stdout, `${JSON.stringify({ progress })}\n`).catch(() => undefined);
  });
  let result: ImportResult | undefined;
  try {
    result = await doneUnlessPaused(task, io.signal);
  } catch (error) {
    throw withAdvice(error, db, task, args);
  } finally {
    stopTelling();
    line.end();
  }
  if (result === undefined) {
    const { id } = task;
    const { rowsRead } = task.progress();
    if (json) out.line(JSON.stringify({ paused: { id, rowsRead } }));
    else out.line(`Paused after ${plural(rowsRead, 'row')}. To go on: ${resumeCommand(args, id)}`);
  } else if (json) out.line(JSON.stringify({ result }));
  else for (const row of resultLines(result, args)) out.line(row);
  await out.flush();
  return result === undefined ? EXIT_INTERRUPTED : EXIT_OK;
}

/** Undefined: Ctrl-C came, and it is paused. */
async function doneUnlessPaused(
  task: ImportTask,
  signal: AbortSignal | undefined,
): Promise<ImportResult | undefined> {
  let interrupted: (() => void) | undefined;
  const paused = new Promise<undefined>((resolve, reject) => {
    interrupted = () => {
      task.pause().then(() => {
        // Once the commit has begun, there is nothing to be paused.
        if (task.state === 'paused') resolve(undefined);
      }, reject);
    };
    if (signal?.aborted === true) interrupted();
    else signal?.addEventListener('abort', interrupted, { once: true });
  });
  try {
    return await Promise.race([task.done, paused]);
  } finally {
    if (interrupted !== undefined) signal?.removeEventListener('abort', interrupted);
  }
}

function resumeCommand(args: Arguments, id: string): string {
  const words = ['sluice', 'import', args.at(0, 'DB'), '--resume', id];
  const quoted = words.map((word) =>
    /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return args.positionals[1] === STDIN ? `${quoted.join(' ')} - (with the same input)` : quoted.join(' ');
}

/** The library's messages speak to programmers; and a failure that something is kept of can be gone on with. */
function withAdvice(error: unknown, db: Db, task: ImportTask, args: Arguments): unknown {
  if (!isSluiceError(error)) return error;
  const kept = db.tasks().find(({ id }) => id === task.id);
  const goesOn = kept?.state === 'failed' && kept.runs > 0;
  const said = error.message.replace("options.onBadRow: 'skip'", '--reject FILE or --max-bad-rows');
  const message = goesOn
    ? `${said}. What was sorted is kept; to go on: ${resumeCommand(args, task.id)}`
    : said;
  return new SluiceError(error.code, message, { cause: error, keys: error.keys, keyCount: error.keyCount });
}

const BAR_CHARS = 24;
const DOING = { read: 'reading', merge: 'merging', commit: 'committing', done: 'done' } as const;

export function progressText(progress: ImportProgress): string {
  const { phase, bytesRead, bytesTotal, rowsRead, rowsSorted, rowsWritten, rowsBad, rowsPerSecond, etaMs } =
    progress;
  const share =
    phase === 'read'
      ? bytesTotal === undefined || bytesTotal === 0
        ? undefined
        : bytesRead / bytesTotal
      : rowsSorted === 0
        ? 1
        : rowsWritten / rowsSorted;
  const filled = Math.round(BAR_CHARS * Math.min(1, share ?? 0));
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_CHARS - filled)}]`;
  const percent = share === undefined ? '' : `${Math.floor(100 * Math.min(1, share))} % `;
  const parts = [
    `${bar} ${percent}${DOING[phase]}`,
    plural(phase === 'read' ? rowsRead : rowsWritten, 'row'),
    ...(rowsBad > 0 ? [`${countText(rowsBad)} bad`] : []),
    `${countText(rowsPerSecond)}/s`,
    ...(etaMs === undefined ? [] : [`${Math.ceil(etaMs / 1000)} s left`]),
  ];
  return parts.join(', ');
}

function resultLines(result: ImportResult, args: Arguments): string[] {
  const { replayed, version, rowsRead, rowsLoaded, rowsDuplicate, rowsBad, tables, bytesWritten, elapsedMs } =
    result;
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const rows = [
    ['rows read', countText(rowsRead), `${countText(Math.round(rowsRead / seconds))}/s`],
    ['rows loaded', countText(rowsLoaded), result.path === 'put' ? 'put' : `in ${plural(tables, 'table')}`],
    ['rows with the key of another', countText(rowsDuplicate), ''],
    ['bad rows', countText(rowsBad), result.rejectFile === undefined ? '' : `told in ${result.rejectFile}`],
    ['written', bytesText(bytesWritten), ''],
    ['time', `${seconds.toFixed(seconds < 10 ? 2 : 0)} s`, ''],
  ];
  const dataset = args.text('dataset');
  const where =
    result.datasetVersion === undefined || dataset === undefined
      ? `at version ${version}`
      : `as version ${result.datasetVersion} of ${dataset}, at version ${version}`;
  const what = replayed ? 'Nothing to do: this id was imported' : 'Imported';
  return [...columns(rows, [1]), `${what} ${where} (id ${result.id})`];
}
