/** The suites of hostile inputs: how an input is made of a seed, and what is done with it. */

import { makeBackup, tryBackup } from './backups.ts';
import { mixed } from './dice.ts';
import { makeLog, tryLog } from './logs.ts';
import { makeRows, tryRows } from './rows.ts';
import { makeScenario, tryScenario } from './scenarios.ts';
import { makeTable, tryTable } from './tables.ts';

export interface Suite {
  /** Of 50 inputs. */
  readonly share: number;
  make(seed: number): Uint8Array;
  /** Says what came of the input: 'ok', or the code that it was refused with. Throws what should not be. */
  attempt(bytes: Uint8Array): Promise<string>;
}

export const SUITES: Readonly<Record<string, Suite>> = {
  scenario: { share: 1, make: makeScenario, attempt: tryScenario },
  table: { share: 37, make: makeTable, attempt: tryTable },
  log: { share: 8, make: makeLog, attempt: tryLog },
  backup: { share: 2, make: makeBackup, attempt: tryBackup },
  rows: { share: 2, make: makeRows, attempt: tryRows },
};

const turns = Object.entries(SUITES).flatMap(([name, { share }]) => new Array<string>(share).fill(name));

/** Longer than this an input may not take, nor more memory than this. */
export const INPUT_MS_MAX = 30_000;
export const INPUT_BYTES_MAX = 256 << 20;

export function inputAt(seed: number, index: number): { name: string; bytes: Uint8Array } {
  const name = turns[index % turns.length] ?? 'table';
  return { name, bytes: suiteOf(name).make(mixed(seed, index)) };
}

export function suiteOf(name: string): Suite {
  const suite = SUITES[name];
  if (suite === undefined) throw new Error(`there is no suite ${name}`);
  return suite;
}

/** Does with the input what its suite says, in the time and memory that it may take. */
export async function attempt(name: string, bytes: Uint8Array): Promise<string> {
  const [started, before] = [performance.now(), peakBytes()];
  const outcome = await suiteOf(name).attempt(bytes);
  const ms = performance.now() - started;
  if (ms > INPUT_MS_MAX) throw new Error(`it took ${ms.toFixed(0)} ms`);
  const grown = peakBytes() - before;
  if (grown > INPUT_BYTES_MAX) throw new Error(`it took ${grown} bytes of memory`);
  return outcome;
}

function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}
