/**
 * `npm run bench [-- --runs 5 --scale 1 --cases get,scan --engines sluice,lmdb --dir DIR --write]`
 * `npm run bench -- --smoke`: shows in seconds that all of it works, and measures nothing.
 *
 * Runs every case (cases.mjs) for every engine in fresh processes, engines interleaved within each round, and prints
 * medians, ratios and targets. `--write` also merges them, case by case, into bench/results.json and remakes RESULTS.md
 * and results.svg from it, which `npm run bench:report` does by itself. `--dir` is where the data goes (a directory is
 * made in it and removed): it must be on a real disk for the durable cases to mean anything.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ENGINES, makeCases } from './cases.mjs';
import { writeData } from './data.mjs';
import { findEngines } from './peers.mjs';
import { describe } from './report.mjs';
import { mergeResults, newRecord, writeReport } from './results.mjs';

const HERE = import.meta.dirname;

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    cases: { type: 'string', default: '' },
    engines: { type: 'string', default: Object.keys(ENGINES).join(',') },
    dir: { type: 'string', default: tmpdir() },
    write: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
  },
});
const runs = options.smoke ? 1 : Number(options.runs);
const scale = options.smoke ? 0.002 : Number(options.scale);
if (!(runs >= 1 && scale > 0)) throw new TypeError('--runs and --scale are positive numbers');
if (options.smoke && options.write) throw new TypeError('--smoke measures nothing that could be written');
/** Where a smoke run has all engines; elsewhere it has SluiceDB and RocksDB's C++, and one case of each sort. */
const SMOKE_ALL = ['load', 'get', 'scan', 'commit-1', 'random-load', 'loop'];

const root = mkdtempSync(join(options.dir, 'sluice-bench-'));
const { count, cases } = makeCases({ root, scale });
const chosen =
  options.cases === '' ? (options.smoke ? oneOfEachSort() : cases) : options.cases.split(',').map(caseNamed);
const engines = findEngines(options.engines.split(',').map(engineNamed), !options.smoke);

function oneOfEachSort() {
  const sort = ({ kind, missing, warm }) => `${kind} ${missing} ${warm}`;
  const sorts = cases.map((one) => sort(one.task('sluice')));
  return cases.filter((_, i) => sorts.indexOf(sorts[i]) === i);
}

function caseNamed(name) {
  const found = cases.find((one) => one.name === name);
  if (!found) throw new TypeError(`no case ${name}: ${cases.map((one) => one.name).join(', ')}`);
  return found;
}

function engineNamed(name) {
  if (!(name in ENGINES)) throw new TypeError(`no engine ${name}: ${Object.keys(ENGINES).join(', ')}`);
  return name;
}

/** { set: { dir } } → ["set.dir=…"] */
function flatten(task, prefix = '') {
  return Object.entries(task).flatMap(([name, value]) =>
    typeof value === 'object' ? flatten(value, `${prefix}${name}.`) : [`${prefix}${name}=${value}`],
  );
}

function measure(engine, task) {
  const [program, args] =
    engine === 'rocksdb'
      ? [engines.rocksdb, [task.kind, ...flatten(task)]]
      : [process.execPath, [join(HERE, 'child.mjs'), JSON.stringify({ engine, ...task })]];
  const output = execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(output.trim().split('\n').at(-1));
}

/** What a case needs and no earlier case has left behind. Files that engines share are SluiceDB's, where it is there. */
function prepare(one, engine) {
  for (const need of one.needs ?? []) {
    const { path, task, engine: own } = need(engine);
    if (existsSync(path)) continue;
    const maker = own ?? (engines.found.includes('sluice') ? 'sluice' : 'rocksdb');
    measure(maker, { ...task, hurry: options.smoke });
  }
}

function runCase(one) {
  const record = newRecord({ scale, runs, args: process.argv.slice(2), notes: engines.notes });
  const some = options.smoke && !SMOKE_ALL.includes(one.name) ? ['sluice', 'rocksdb'] : engines.found;
  const contenders = one.engines.filter((engine) => engines.found.includes(engine) && some.includes(engine));
  for (const engine of contenders) prepare(one, engine);
  for (let run = 0; run < runs; run++) {
    for (const engine of contenders) {
      record.add(engine, measure(engine, { ...one.task(engine), hurry: options.smoke }));
      rmSync(join(root, 'scratch'), { recursive: true, force: true });
      mkdirSync(join(root, 'scratch'));
    }
    process.stderr.write(`${one.name} ${run + 1}/${runs}\n`);
  }
  return record.done();
}

try {
  for (const name of ['data', 'scratch', 'store', 'files']) mkdirSync(join(root, name));
  writeData(join(root, 'data'), count);
  const results = {};
  for (const one of chosen) {
    results[one.name] = runCase(one);
    if (options.write) mergeResults({ [one.name]: results[one.name] }); // what is measured is kept, whatever comes
  }
  console.log(describe(results));
} finally {
  rmSync(root, { recursive: true, force: true });
}
if (options.write) writeReport();
