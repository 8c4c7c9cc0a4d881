/** Which engines can be measured here, and what is to be said about them. */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const HERE = import.meta.dirname;
const PEERS = join(HERE, 'peers');
const RELEASE = join(PEERS, 'node_modules/@harperfast/rocksdb-js-linux-x64-glibc/rocksdb-js.node');
/** Of RocksDB's branch 11.8.fb, those that our program includes; Apache-2.0, as their first lines say. */
const HEADERS = join(HERE, 'rocksdb/rocksdb-11.8.1-headers.tar.gz');

/**
 * Installs the packages of bench/peers unless they are there. RocksDB's release build is in a package that asks for a
 * newer Node than a program of ours that links it needs: hence --force.
 */
function installPeers() {
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(PEERS, 'package.json'), 'utf8'),
  );
  const wanted = Object.keys({ ...dependencies, ...optionalDependencies });
  if (wanted.every((name) => hasModule(`${name}/package.json`))) return;
  const args = ['ci', '--force', '--no-audit', '--no-fund', '--silent'];
  const { status } = spawnSync('npm', args, { cwd: PEERS, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) console.error(`npm ci in bench/peers ended with ${status}`);
}

const hasModule = (file) => existsSync(join(PEERS, 'node_modules', file));

/** Our C++ program, with RocksDB's release build where it can be linked, otherwise with the library of the system. */
function buildRocksdb(notes) {
  const build = (...more) => {
    const args = [join(HERE, '../scripts/build-rocksdb.mjs'), join(HERE, 'rocksdb/bench.cc'), ...more];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) return { problem: stderr.trim() };
    const program = stdout.trim();
    const version = spawnSync(program, ['version'], { encoding: 'utf8' });
    return version.status === 0
      ? { program, version: version.stdout.trim() }
      : { problem: version.stderr.trim() };
  };
  const release = existsSync(RELEASE) ? build(RELEASE, HEADERS) : { problem: 'its package is not installed' };
  if (release.program) {
    notes.rocksdb = `RocksDB is ${release.version}, a release build, with a C++ program of ours.`;
    return release.program;
  }
  const debug = build();
  if (debug.program) {
    notes.rocksdb = `RocksDB is ${debug.version} as Debian builds it, with assertions on: a release build is up to 25 % faster.`;
    return debug.program;
  }
  notes.rocksdb = `RocksDB was not measured: ${debug.problem}`;
  return undefined;
}

/** { found: engine names, rocksdb: path of the program, notes: { engine → text } }; `install`: what is missing. */
export function findEngines(wanted, install) {
  const notes = {};
  if (
    install &&
    wanted.some((engine) => ['better-sqlite3', 'duckdb', 'rocksdb', 'rocksdb-node'].includes(engine))
  )
    installPeers();
  const rocksdb = wanted.includes('rocksdb') ? buildRocksdb(notes) : undefined;
  const missing = (engine, text) => {
    notes[engine] = text;
    return false;
  };
  const found = wanted.filter((engine) => {
    switch (engine) {
      case 'sluice':
        return (
          existsSync(join(HERE, '../dist/index.js')) ||
          missing(engine, 'SluiceDB was not measured: run `npm run build` first.')
        );
      case 'better-sqlite3':
        return (
          hasModule('better-sqlite3/build/Release/better_sqlite3.node') ||
          missing(engine, 'better-sqlite3 was not measured: npm could neither fetch nor compile it.')
        );
      case 'rocksdb-node':
        if (!hasModule('@nxtedition/rocksdb/index.js'))
          return missing(engine, '@nxtedition/rocksdb was not measured: npm could not install it.');
        notes[engine] =
          'RocksDB in Node is @nxtedition/rocksdb 12.2 (RocksDB 9.7), whose build has ZSTD but no LZ4.';
        return true;
      case 'duckdb':
        if (!hasModule('@duckdb/node-api/package.json'))
          return missing(engine, 'DuckDB was not measured: npm could not install it.');
        notes[engine] = 'DuckDB has a table of columns without an index: it looks no key up.';
        return true;
      case 'rocksdb':
        return rocksdb !== undefined;
      default:
        return true;
    }
  });
  return { found, rocksdb, notes };
}
