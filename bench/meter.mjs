/** Clocks and counters of this process. */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const statusBytes = (field) =>
  Number(/\d+/.exec(new RegExp(`${field}:.*`).exec(readFileSync('/proc/self/status', 'utf8'))[0])) * 1024;

export const peakMemoryBytes = () => statusBytes('VmHWM');
export const writtenBytes = () =>
  Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))[1]);
export const seconds = (since) => (performance.now() - since) / 1000;
export const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
export const quantile = (list, q) =>
  list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))];

let baseBytes = 0;

/** Memory is counted above what the process holds at this moment. */
export function inputIsRead() {
  baseBytes = statusBytes('VmRSS');
}

export const memoryBytes = () => peakMemoryBytes() - baseBytes;

const POLL_MS = 20;
let quietMs = 400;

/** For runs that only show that everything works. */
export function hurry() {
  quietMs = 40;
}

/**
 * Waits until no thread of this process has computed or written anything to speak of for a while, whatever engine
 * the threads belong to. Resolves with the moment at which the last work was seen, on the clock of performance.now().
 */
export async function untilQuiet() {
  let lastWork = performance.now();
  let cpu = process.cpuUsage();
  let written = writtenBytes();
  let at = lastWork;
  while (performance.now() - lastWork < quietMs) {
    await sleep(POLL_MS);
    const used = process.cpuUsage(cpu);
    const now = performance.now();
    const busy = (used.user + used.system) / 1000 / (now - at);
    const bytes = writtenBytes();
    if (busy > 0.3 || bytes !== written) lastWork = now;
    cpu = process.cpuUsage();
    written = bytes;
    at = now;
  }
  return lastWork;
}
