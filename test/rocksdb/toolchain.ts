/**
 * The real RocksDB: Debian's `sst_dump`, and our C++ programs built against its library on demand.
 *
 * Where RocksDB is missing, every call throws what to install: a check that did not run counts as failed.
 */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const SOURCES = import.meta.dirname;
const CACHE = join(SOURCES, '../../node_modules/.cache/sluicedb/rocksdb');
const OUTPUT_BYTES_MAX = 1 << 28;

const MISSING =
  'RocksDB is not installed, so its interop was not checked: ' +
  'run `apt-get install rocksdb-tools librocksdb-dev g++` (Debian 12 has 7.8)';

function missing(cause: unknown): Error {
  return new Error(MISSING, { cause });
}

/** The path of the program `<name>.cc`, compiled unless these sources have been compiled before. */
async function build(name: string): Promise<string> {
  const source = join(SOURCES, `${name}.cc`);
  const digest = createHash('sha256')
    .update(readFileSync(source))
    .update(readFileSync(join(SOURCES, 'entries.h')));
  const program = join(CACHE, `${name}-${digest.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  try {
    await run('g++', ['-O1', '-std=c++17', '-Wall', '-Wextra', source, '-lrocksdb', '-o', unfinished]);
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    // A compiler's own complaint about our source is not a missing RocksDB.
    const absent = stderr === '' || /rocksdb\/\S+: No such file|cannot find -lrocksdb/.test(stderr);
    throw absent ? missing(error) : error;
  }
  renameSync(unfinished, program); // a test in another process may be building the same one
  return program;
}

async function output(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(program, args, { maxBuffer: OUTPUT_BYTES_MAX })).stdout;
  } catch (error) {
    const { code, stderr = '', stdout = '' } = error as { code?: unknown; stderr?: string; stdout?: string };
    if (code === 'ENOENT') throw missing(error);
    throw new Error(`${program} ${args.join(' ')}\n${stderr}${stdout}`, { cause: error });
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
