/**
 * bench/results.json: by case what was measured, every sample, with the commit, the date, the command and the machine.
 *
 *   { CASE: { commit, date, command, machine, scale, runs, notes: { ENGINE: text },
 *             engines: { ENGINE: { rows: { ROW: [value…] }, facts?, notYet?, memoryBytes: […], writtenBytes: […] } } } }
 *
 * `npm run bench:report` remakes RESULTS.md and results.svg from it.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { draw } from './picture.mjs';
import { page } from './report.mjs';

const PATH = join(import.meta.dirname, 'results.json');

const read = () => (existsSync(PATH) ? JSON.parse(readFileSync(PATH, 'utf8')) : {});

function commit() {
  const git = (...args) =>
    execFileSync('git', args, {
      encoding: 'utf8',
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const changed = git('status', '--porcelain', '--', '../src', '../package.json').trim() !== '';
    return `${git('rev-parse', '--short', 'HEAD').trim()}${changed ? ' and changes' : ''}`;
  } catch {
    return 'none'; // a copy without history
  }
}

const machine = () =>
  `${cpus().length} x ${cpus()[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform} ${process.arch}`;

export function newRecord({ scale, runs, args, notes }) {
  const shown = args.filter((arg, i) => !arg.startsWith('--dir') && args[i - 1] !== '--dir');
  const head = {
    commit: commit(),
    date: new Date().toISOString().slice(0, 10),
    command: ['npm run bench --', ...shown].join(' '),
    machine: machine(),
    scale,
    runs,
  };
  const engines = {};
  return {
    add(engine, { rows = {}, facts, notYet, memoryBytes, writtenBytes }) {
      engines[engine] ??= { rows: {}, memoryBytes: [], writtenBytes: [] };
      const own = engines[engine];
      for (const [row, value] of Object.entries(rows)) {
        own.rows[row] ??= [];
        own.rows[row].push(Number(value.toPrecision(6)));
      }
      if (facts) own.facts = facts;
      if (notYet) own.notYet = notYet;
      own.memoryBytes.push(memoryBytes);
      own.writtenBytes.push(writtenBytes);
    },
    done: () => ({ ...head, notes: pick(notes, Object.keys(engines)), engines }),
  };
}

/** Notes on engines that took part, or that could not. */
const pick = (notes, engines) =>
  Object.fromEntries(
    Object.entries(notes).filter(
      ([engine, text]) => engines.includes(engine) || text.includes('not measured'),
    ),
  );

export function mergeResults(results) {
  writeFileSync(PATH, `${JSON.stringify({ ...read(), ...results }, null, 1)}\n`);
}

export function writeReport() {
  const results = read();
  writeFileSync(join(import.meta.dirname, 'RESULTS.md'), page(results));
  writeFileSync(join(import.meta.dirname, 'results.svg'), draw(results));
}

if (process.argv[1] === import.meta.filename) writeReport();
