/**
 * The soak command: npm run soak -- [--minutes N] [--suite NAME]… [--seed N]
 *
 * Runs all suites of `suites/`, or those named, one after the other, each in a process of its own and with its share of
 * the minutes. Prints each one's seed and figures; exits with 1 if any failed.
 */

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Suite } from './suite.ts';

const SUITES = new URL('./suites/', import.meta.url);
const HOOKS = new URL('../base/typescript-hooks.mjs', import.meta.url).href;
const MINUTE_MS = 60_000;
const PROGRESS_MS = 30_000;

const tell = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const names = readdirSync(SUITES)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort();

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    suite: { type: 'string', multiple: true },
    seed: { type: 'string' },
  },
});
const chosen = values.suite ?? names;
const unknown = chosen.find((name) => !names.includes(name));
if (unknown !== undefined) throw new TypeError(`--suite ${unknown}: there are ${names.join(', ')}`);
const minutes = positive('minutes', values.minutes);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : positive('seed', values.seed);

const [only] = chosen;
if (chosen.length === 1 && only !== undefined) await runOne(only);
else await runEach();

function positive(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new TypeError(`--${name} must be a positive number; got ${text}`);
  return number;
}

async function runOne(name: string): Promise<void> {
  const { suite } = (await import(new URL(`${name}.ts`, SUITES).href)) as { suite: Suite };
  const started = performance.now();
  const elapsed = (): string => `${((performance.now() - started) / MINUTE_MS).toFixed(1)} min`;
  let told = started;
  tell(`${name}: seed ${seed}, ${minutes.toFixed(1)} min: ${suite.shows}`);
  try {
    const figures = await suite.run({
      seed,
      timeIsUp: () => performance.now() - started > minutes * MINUTE_MS,
      progress: (line) => {
        if (performance.now() - told < PROGRESS_MS) return;
        told = performance.now();
        tell(`${name}: ${elapsed()}, ${line}`);
      },
    });
    const list = Object.entries(figures).map(([what, figure]) => `${what} ${figure.toLocaleString('en')}`);
    tell(`${name}: passed, seed ${seed}, ${elapsed()}: ${list.join('; ')}`);
  } catch (error) {
    tell(
      `${name}: FAILED, seed ${seed}, ${elapsed()}: ${error instanceof Error ? error.stack : String(error)}`,
    );
    process.exitCode = 1;
  }
}

/** A suite that takes its process down with it has failed, and the others run all the same. */
async function runEach(): Promise<void> {
  const ends: string[] = [];
  for (const name of chosen) {
    const { status, last } = await runApart(name);
    ends.push(last.startsWith(`${name}: `) ? last : `${name}: FAILED, its process ended with ${status}`);
    if (status !== 0) process.exitCode = 1;
  }
  tell(`\n${ends.join('\n')}`);
}

async function runApart(name: string): Promise<{ status: number | string; last: string }> {
  const share = String(minutes / chosen.length);
  const args = ['--suite', name, '--minutes', share, '--seed', String(seed)];
  const child = spawn(process.execPath, ['--import', HOOKS, fileURLToPath(import.meta.url), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk);
    said += chunk.toString();
  });
  const status = await new Promise<number | string>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'nothing'));
  });
  const last = said.split('\n').findLast((line) => new RegExp(`^${name}: (passed|FAILED),`).test(line));
  return { status, last: last ?? '' };
}
