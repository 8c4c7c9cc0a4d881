import type { StageProgress } from '../ingest/staging.ts';
import type { IngestResult } from '../txn/ingest-statement.ts';
import { type Arguments, type Command, EXIT_OK } from './command.ts';
import { JSON_FLAG, withWritable } from './database.ts';
import { INGEST_FLAGS, ingestOptions } from './ingest-flags.ts';
import { type Io, Output } from './io.ts';
import { checkedText, ProgressLine } from './progress-line.ts';
import { columns, entriesText, plural } from './text.ts';

/** `sluice ingest` */
export const ingest: Command = {
  name: 'ingest',
  usage: 'DB FILE…',
  about: 'Attach SST files in one transaction',
  flags: { ...INGEST_FLAGS, json: JSON_FLAG },
  positionals: [2, Number.POSITIVE_INFINITY],
  more: `Files are SST files of SluiceDB (\`sluice sst build\`, SstWriter) or of RocksDB (SstFileWriter). All of them become
visible at once, or none. Where files hold the same key, the later one in the list wins. The database and the keyspace
are made where there is none. link shares the file's bytes: nobody may write to it afterwards. With --strip-prefix a/ --prefix b/ the key
a/x of a file is read as b/x.`,

  async run(args, io) {
    const files = args.positionals.slice(1);
    const options = { ...ingestOptions(args, files.length), ...(io.signal && { signal: io.signal }) };
    const progress = new ProgressLine(io);
    const onProgress = ({ bytesDone, bytesTotal }: StageProgress): void =>
      progress.show(checkedText(bytesDone, bytesTotal));
    const started = performance.now();
    const ingesting = withWritable(args, true, (db) => db.ingest(files, { ...options, onProgress }));
    const result = await ingesting.finally(() => progress.end());
    await report(result, performance.now() - started, args, io);
    return EXIT_OK;
  },
};

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
