import type { IngestOptions } from '../txn/ingest-options.ts';
import type { IngestResult } from '../txn/ingest-statement.ts';
import { type Arguments, type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG, withWritable } from './database.ts';
import { type Io, Output } from './io.ts';
import { columns, entriesText, plural } from './text.ts';

/** `sluice ingest` */
export const ingest: Command = {
  name: 'ingest',
  usage: 'DB FILE…',
  about: 'Attach SST files in one transaction',
  flags: {
    into: { type: 'string', value: 'KEYSPACE', about: 'where the entries go; `default` when absent' },
    mode: { type: 'string', value: 'copy|link|move', about: 'how the files get there; copy when absent' },
    verify: {
      type: 'string',
      value: 'blocks|checksums|footer|none',
      about: 'what is checked first; blocks when absent',
    },
    sha256: {
      type: 'string',
      value: 'HEX',
      multiple: true,
      about: 'digest of a file; once for each, in their order',
    },
    id: {
      type: 'string',
      value: 'ID',
      about: 'makes a retry safe: a second ingest of this id changes nothing',
    },
    'if-exists': {
      type: 'string',
      value: 'overwrite|keep|fail',
      about: 'what becomes of keys that exist; overwrite when absent',
    },
    behind: {
      type: 'boolean',
      about: 'keep what exists and what was deleted; the keyspace must be made for it, or new',
    },
    replace: { type: 'boolean', about: 'what the keyspace holds is deleted in the same commit' },
    'require-bottom': { type: 'boolean', about: 'fail unless all files go to the lowest level' },
    undoable: { type: 'boolean', about: 'keep what `sluice ingests undo` needs' },
    json: JSON_FLAG,
  },
  positionals: [2, Number.POSITIVE_INFINITY],
  more: `Files are SST files of SluiceDB (\`sluice sst build\`, SstWriter) or of RocksDB (SstFileWriter). All of them become
visible at once, or none. Where files hold the same key, the later one in the list wins. The database and the keyspace
are made where there is none. link shares the file's bytes: nobody may write to it afterwards.`,

  async run(args, io) {
    const files = args.positionals.slice(1);
    const options = ingestOptions(args, files.length, io);
    const started = performance.now();
    const result = await withWritable(args, true, (db) => db.ingest(files, options));
    await report(result, performance.now() - started, args, io);
    return EXIT_OK;
  },
};

function ingestOptions(args: Arguments, count: number, io: Io): IngestOptions {
  const into = args.text('into');
  const mode = args.choice('mode', ['copy', 'link', 'move']);
  const verify = args.choice('verify', ['blocks', 'checksums', 'footer', 'none']);
  const ifExists = args.choice('if-exists', ['overwrite', 'keep', 'fail']);
  const id = args.text('id');
  const sha256 = args.list('sha256').map((digest) => digest.toLowerCase());
  if (sha256.length > 0 && sha256.length !== count) {
    throw new UsageError(
      `--sha256 must be given once for each file: ${plural(count, 'file')}, ${sha256.length} given`,
    );
  }
  return {
    ...(into !== undefined && { into }),
    ...(mode !== undefined && { mode }),
    ...(verify !== undefined && { verify }),
    ...(id !== undefined && { id }),
    ...(sha256.length > 0 && { sha256 }),
    ...(ifExists !== undefined && { ifExists }),
    ...(args.flag('behind') && { behind: true }),
    ...(args.flag('replace') && { replace: true as const }),
    ...(args.flag('undoable') && { undoable: true }),
    ...(args.flag('require-bottom') && { requireBottom: true }),
    ...(io.signal && { signal: io.signal }),
  };
}

async function report(
  { version, ingested, replayed }: IngestResult,
  ms: number,
  args: Arguments,
  io: Io,
): Promise<void> {
  const out = new Output(io.stdout);
  const entries = ingested.reduce((sum, file) => sum + file.entries, 0);
  const skipped = ingested.reduce((sum, file) => sum + file.skipped, 0);
  if (args.flag('json')) {
    out.line(JSON.stringify({ version, replayed, entries, files: ingested }));
  } else {
    const rows = ingested.map(({ file, level, entries: count }) => [
      `  ${file}`,
      `level ${level}`,
      `${entriesText(count)}`,
    ]);
    for (const row of columns(rows, [2])) out.line(row);
    const left = skipped === 0 ? '' : `, ${skipped} left out that exist`;
    const files = `${plural(ingested.length, 'file')}, ${entriesText(entries)}${left}`;
    if (replayed) out.line(`Nothing to do: this id was ingested at version ${version} (${files})`);
    else out.line(`Ingested ${files} at version ${version} in ${ms.toFixed(0)} ms`);
  }
  await out.flush();
}
