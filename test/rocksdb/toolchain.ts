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

/** Fills `dir` as the head of `generate.cc` says. */
export async function generate(dir: string): Promise<void> {
  await output(await build('generate'), [dir]);
}

/** RocksDB ingests `file` into a new database at `db`, reads all of `expected` and dumps its scan; throws on any difference. */
export async function ingestCheck(db: string, expected: string, file: string, dump: string): Promise<void> {
  await output(await build('ingest-check'), [db, expected, file, dump]);
}

/** `sst_dump --command=verify`, which must say that the file is ok. (Without `--verify_checksum` it says so of any file.) */
export async function sstVerify(file: string): Promise<void> {
  const text = await output('sst_dump', [`--file=${file}`, '--command=verify', '--verify_checksum']);
  if (!text.includes('The file is ok')) throw new Error(`sst_dump does not accept ${file}:\n${text}`);
}

/** The lines of `sst_dump --command=scan --output_hex`: `'<KEY>' seq:<n>, type:<t> => <VALUE>`, in upper-case hex. */
export async function sstScan(file: string): Promise<string[]> {
  const text = await output('sst_dump', [
    `--file=${file}`,
    '--command=scan',
    '--output_hex',
    '--verify_checksum',
  ]);
  return text.split('\n').filter((line) => line.startsWith("'"));
}
