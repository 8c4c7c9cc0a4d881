// Tries hostile inputs (test/fuzz/suites.ts) in processes of their own:
//   npm run fuzz -- --inputs 200000 --minutes 5 [--seed 1] [--processes 2]
// Whichever of the two limits comes first ends it. An input that failed, or that a process died or hung at, is kept in
// test/regressions/fuzz/, whose files `npm test` tries first. A tenth of the inputs run with the TypeScript kernels.

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '200000' },
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    processes: { type: 'string', default: String(Math.min(8, availableParallelism())) },
  },
});
const [inputs, minutes, seed, processes] = ['inputs', 'minutes', 'seed', 'processes'].map((name) => {
  const value = Number(values[name]);
  if (!(value >= 0)) throw new TypeError(`--${name} must be a number; got ${values[name]}`);
  return value;
});

const HOOKS = new URL('../test/base/typescript-hooks.mjs', import.meta.url).href;
const CHILD = new URL('../test/fuzz/fuzz-child.ts', import.meta.url).pathname;
const KEPT = new URL('../test/regressions/fuzz/', import.meta.url);
/** Of the JavaScript heap; what is outside of it an input's own limit watches. */
const FLAGS = ['--max-old-space-size=256', '--import', HOOKS];
const SILENT_MS_MAX = 60_000;
/** Inputs of one process: memory that it lost would add up. */
const BATCH = 20_000;

const end = performance.now() + minutes * 60_000;
const outcomes = {};
let failures = 0;
let [next, tried] = [0, 0];

await Promise.all(Array.from({ length: processes }, (_, i) => work(i)));
report();

async function work(lane) {
  while (next < inputs && performance.now() < end) {
    const from = next;
    const to = Math.min(inputs, from + BATCH);
    next = to;
    await batch(from, to, lane);
  }
}

/** Goes on behind an input at which a process ended. */
async function batch(from, to, lane) {
  for (let at = from; at < to && performance.now() < end; ) {
    const last = await runChild(at, to, lane);
    if (last === to) return;
    if (performance.now() >= end) return;
    const culprit = await findCulprit(last, to);
    at = culprit + 1;
  }
}

/** Resolves with the first index that it says nothing of; `to` when it came to its end. */
function runChild(from, to, lane) {
  return new Promise((resolve) => {
    const env = { ...process.env, ...(lane === 0 && (from / BATCH) % 5 === 4 && { SLUICE_KERNELS: 'js' }) };
    const child = spawn(process.execPath, [...FLAGS, CHILD, seed, from, to].map(String), {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [reached, ended] = [from, false];
    let silence = setTimeout(() => child.kill('SIGKILL'), SILENT_MS_MAX);
    const limit = setTimeout(() => child.kill('SIGKILL'), Math.max(0, end - performance.now()));
    child.stderr.resume();
    const lines = createInterface(child.stdout);
    lines.on('line', (text) => {
      clearTimeout(silence);
      silence = setTimeout(() => child.kill('SIGKILL'), SILENT_MS_MAX);
      const line = JSON.parse(text);
      if (line === 'end') ended = true;
      else if (line.failed !== undefined) keep(line.failed, line, line.what);
      else {
        for (const [outcome, count] of Object.entries(line.outcomes)) {
          outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
          tried += count;
        }
        reached = line.index;
      }
    });
    child.on('close', () => {
      clearTimeout(silence);
      clearTimeout(limit);
      resolve(ended ? to : reached);
    });
  });
}

/** The first input from `from` on at which a process of its own does not come to its end. */
async function findCulprit(from, to) {
  for (let index = from; index < Math.min(to, from + 64); index++) {
    const { last, what } = await alone([seed, index, index + 1]);
    if (last === 'end') continue;
    const { lines } = await alone(['--make', seed, index]);
    keep(index, lines[0], what);
    return index;
  }
  keep(
    from,
    undefined,
    `a process ended between input ${from} and ${from + 64}, each of which alone does no harm`,
  );
  return from + 63;
}

function alone(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...FLAGS, CHILD, ...args.map(String)]);
    const out = [];
    const errors = [];
    const timer = setTimeout(() => child.kill('SIGKILL'), SILENT_MS_MAX);
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (chunk) => errors.push(chunk));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const text = Buffer.concat(out).toString().trim();
      const lines = text === '' ? [] : text.split('\n').map((line) => JSON.parse(line));
      const what = `ended with ${code ?? signal}: ${Buffer.concat(errors).toString().slice(0, 2000)}`;
      resolve({ lines, last: lines.at(-1), what });
    });
  });
}

function keep(index, input, what) {
  failures++;
  if (failures <= 20) console.error(`input ${index} of seed ${seed} (${input?.name}): ${what}\n`);
  if (input === undefined || failures > 20) return;
  mkdirSync(KEPT, { recursive: true });
  writeFileSync(new URL(`${input.name}-${seed}-${index}.bin`, KEPT), Buffer.from(input.base64, 'base64'));
}

function report() {
  for (const [outcome, count] of Object.entries(outcomes).sort())
    console.log(`${String(count).padStart(9)}  ${outcome}`);
  console.log(`${tried} inputs of seed ${seed}, ${failures} failed`);
  if (failures > 0) process.exitCode = 1;
}
