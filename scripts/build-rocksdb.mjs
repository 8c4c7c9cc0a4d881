/**
 * `node scripts/build-rocksdb.mjs PROGRAM.cc` compiles one of our C++ programs against RocksDB's library, unless it
 * was compiled before from the same sources, and prints the path of the result.
 *
 * Exits 3 and says what to install where there is no compiler or no RocksDB.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const FLAGS = ['-O2', '-DNDEBUG', '-std=c++17', '-Wall', '-Wextra', '-pthread'];
const CACHE = join(import.meta.dirname, '../node_modules/.cache/sluicedb');

const source = process.argv[2];
const dir = dirname(source);
const digest = createHash('sha256').update(FLAGS.join(' ')).update(readFileSync(source));
for (const name of readdirSync(dir).sort())
  if (name.endsWith('.h')) digest.update(readFileSync(join(dir, name)));
const program = join(CACHE, `${basename(source, '.cc')}-${digest.digest('hex').slice(0, 16)}`);

if (!existsSync(program)) {
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const args = [...FLAGS, source, '-lrocksdb', '-o', unfinished];
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
