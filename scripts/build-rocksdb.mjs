/**
 * `node scripts/build-rocksdb.mjs PROGRAM.cc [LIBRARY HEADERS.tar.gz]` compiles one of our C++ programs against RocksDB,
 * unless it was compiled before from the same sources, and prints the path of the result. Against the library of the
 * system, or against the shared object LIBRARY, whose headers are in the archive.
 *
 * Exits 3 and says what to install where there is no compiler or no RocksDB.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const FLAGS = ['-O2', '-DNDEBUG', '-Wall', '-Wextra', '-pthread'];
const CACHE = join(import.meta.dirname, '../node_modules/.cache/sluicedb');

const [source, library, headers] = process.argv.slice(2);
const flags = [...FLAGS, library ? '-std=c++20' : '-std=c++17'];
const dir = dirname(source);
const digest = createHash('sha256').update(flags.join(' ')).update(readFileSync(source));
for (const name of readdirSync(dir).sort())
  if (name.endsWith('.h')) digest.update(readFileSync(join(dir, name)));
if (library) digest.update(resolve(library)).update(readFileSync(library));
const program = join(CACHE, `${basename(source, '.cc')}-${digest.digest('hex').slice(0, 16)}`);

/** How to find headers and library. The shared object is an addon of Node's: what it wants of Node is never called. */
function linking() {
  if (!library) return ['-lrocksdb'];
  const include = join(CACHE, basename(headers, '.tar.gz'));
  mkdirSync(include, { recursive: true });
  const { status, stderr } = spawnSync('tar', ['-xzf', headers, '-C', include], { encoding: 'utf8' });
  if (status !== 0) {
    console.error(`${headers} cannot be unpacked: ${stderr}`);
    process.exit(1);
  }
  const where = dirname(resolve(library));
  return ['-I', include, resolve(library), `-Wl,-rpath,${where}`, '-Wl,--allow-shlib-undefined'];
}

if (!existsSync(program)) {
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const args = [...flags, source, ...linking(), '-o', unfinished];
  const { status, error, stderr } = spawnSync('g++', args, { encoding: 'utf8' });
  if (error || /rocksdb\/\S+: No such file|cannot find -lrocksdb/.test(stderr)) {
    console.error(
      'RocksDB or g++ is missing: run `apt-get install g++ librocksdb-dev` (Debian 12 has RocksDB 7.8)',
    );
    process.exit(3);
  }
  if (status !== 0) {
    console.error(stderr);
    process.exit(1);
  }
  renameSync(unfinished, program); // another process may be building the same one
}
console.log(program);
