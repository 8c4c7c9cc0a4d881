/**
 * The real RocksDB: Debian's `sst_dump`, and our C++ programs built against its library on demand.
 *
 * Where RocksDB is missing, every call throws what to install: a check that did not run counts as failed.
 */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const SOURCES = import.meta.dirname;
const BUILD = join(SOURCES, '../../scripts/build-rocksdb.mjs');
const OUTPUT_BYTES_MAX = 1 << 28;

/** The path of the program `<name>.cc`. */
async function build(name: string): Promise<string> {
  return (await output(process.execPath, [BUILD, join(SOURCES, `${name}.cc`)])).trim();
}

async function output(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(program, args, { maxBuffer: OUTPUT_BYTES_MAX })).stdout;
  } catch (error) {
    const { code, stderr = '', stdout = '' } = error as { code?: unknown; stderr?: string; stdout?: string };
    const why = code === 'ENOENT' ? 'not found: run `apt-get install rocksdb-tools`' : stderr + stdout;
    throw new Error(`${program} ${args.join(' ')}\n${why}`, { cause: error });
  }
}

/** Fills `dir` as the head of `generate.cc` says; of the tables, `only` one. */
export async function generate(dir: string, only?: string): Promise<void> {
  await output(await build('generate'), only === undefined ? [dir] : [dir, only]);
}

export interface Judged {
  /** Of a database of RocksDB that is made for it. */
  readonly db: string;
  /** What the file must hold, and where to put what a scan shows: in the form of `entries.ts`. */
  readonly expected: string;
  readonly file: string;
  readonly dump: string;
}

/** RocksDB ingests each file into a new database, reads all that is expected and dumps its scan; throws on any difference. */
export async function ingestCheck(...all: readonly Judged[]): Promise<void> {
  const args = all.flatMap(({ db, expected, file, dump }) => [db, expected, file, dump]);
  await output(await build('ingest-check'), args);
}

/** `sst_dump` of a file, or of all of a directory: the lines that it prints of each, by path. One process does them all. */
async function sstDump(path: string, ...args: readonly string[]): Promise<Map<string, string[]>> {
  const text = await output('sst_dump', [`--file=${path}`, '--verify_checksum', ...args]);
  const files = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of text.split('\n')) {
    const file = /^Process (.*)$/.exec(line)?.[1];
    if (file === undefined) lines.push(line);
    else {
      lines = [];
      files.set(file, lines);
    }
  }
  return files;
}

/** `sst_dump --command=verify`, which must say of each file that it is ok. (Without `--verify_checksum` it says so of any.) */
export async function sstVerify(path: string): Promise<string[]> {
  const files = await sstDump(path, '--command=verify');
  for (const [file, lines] of files) {
    if (!lines.includes('The file is ok'))
      throw new Error(`sst_dump does not accept ${file}:\n${lines.join('\n')}`);
  }
  return [...files.keys()];
}

/** By file, the lines of `sst_dump --command=scan --output_hex`: `'<KEY>' seq:<n>, type:<t> => <VALUE>`, in upper-case hex. */
export async function sstScan(path: string): Promise<Map<string, string[]>> {
  const files = await sstDump(path, '--command=scan', '--output_hex');
  return new Map([...files].map(([file, lines]) => [file, lines.filter((line) => line.startsWith("'"))]));
}
