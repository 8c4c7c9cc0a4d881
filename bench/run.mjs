/**
 * `npm run bench [-- --runs 5 --scale 1 --cases get,scan --engines sluice,lmdb --dir DIR --write]`
 *
 * Runs every case (cases.mjs) for every engine in fresh processes, engines interleaved within each round, and prints
 * medians and ratios. `--write` also puts them into bench/RESULTS.md. `--dir` is where the data goes (a directory is
 * made in it and removed): it must be on a real disk for the durable cases to mean anything.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCases } from './cases.mjs';
import { writeData } from './data.mjs';
import { describe, writeResults } from './report.mjs';

const HERE = import.meta.dirname;

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    cases: { type: 'string', default: '' },
    engines: { type: 'string', default: 'sluice,lmdb,classic-level,rocksdb' },
    dir: { type: 'string', default: tmpdir() },
    write: { type: 'boolean', default: false },
  },
});
const runs = Number(options.runs);
const scale = Number(options.scale);
if (!(runs >= 1 && scale > 0)) throw new TypeError('--runs and --scale are positive numbers');

/** Engines that can run here; says why one cannot. */
function findEngines() {
  const notes = [];
  let rocksdb;
  const found = options.engines.split(',').filter((engine) => {
    if (engine === 'sluice' && !existsSync(join(HERE, '../dist/index.js'))) {
      notes.push('SluiceDB was not measured: run `npm run build` first.');
      return false;
    }
    if (engine !== 'rocksdb') return true;
    const build = spawnSync(process.execPath, [
      join(HERE, '../scripts/build-rocksdb.mjs'),
      join(HERE, 'rocksdb/bench.cc'),
    ]);
    if (build.status === 0) rocksdb = build.stdout.toString().trim();
    else notes.push(`RocksDB was not measured: ${build.stderr.toString().trim()}`);
    return build.status === 0;
  });
  if (rocksdb)
    notes.push(
      "RocksDB is Debian's build of librocksdb, which has assertions on: a release build is up to 25 % faster.",
    );
  return { found, rocksdb, notes };
}

const engines = findEngines();
const root = mkdtempSync(join(options.dir, 'sluice-bench-'));

function measure(engine, task) {
  const [program, args] =
    engine === 'rocksdb'
      ? [engines.rocksdb, [task.kind, ...Object.entries(task).map(([name, value]) => `${name}=${value}`)]]
      : [process.execPath, [join(HERE, 'child.mjs'), JSON.stringify({ engine, ...task })]];
  const output = execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(output.trim().split('\n').at(-1));
}

/** What a case needs and no earlier case has left behind. */
function prepare(one, engine) {
  if (one.loaded) {
    const load = cases.find((other) => other.name === 'load').task(engine);
    if (!existsSync(load.dir)) measure(engine, load);
  }
  if (one.set && !existsSync(one.set.files[0])) {
    const maker = engines.found.includes('sluice') ? 'sluice' : 'rocksdb';
    measure(maker, { kind: 'files', ...one.set });
  }
}

const { count, cases } = makeCases({ root, scale });
const wanted = options.cases === '' ? undefined : new Set(options.cases.split(','));
const results = [];
try {
  mkdirSync(join(root, 'data'));
  mkdirSync(join(root, 'scratch'));
  mkdirSync(join(root, 'store'));
  writeData(join(root, 'data'), count);
  for (const one of cases) {
    if (wanted && !wanted.has(one.name)) continue;
    const contenders = one.engines.filter((engine) => engines.found.includes(engine));
    for (const engine of contenders) prepare(one, engine);
    for (let run = 0; run < runs; run++) {
      for (const engine of contenders)
        results.push({ case: one.name, engine, ...measure(engine, one.task(engine)) });
      process.stderr.write(`${one.name} ${run + 1}/${runs}\n`);
    }
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}

const text = describe(results, { engines: engines.found, notes: engines.notes, count, runs });
console.log(text);
if (options.write) writeResults(join(HERE, 'RESULTS.md'), text, process.argv.slice(2));
