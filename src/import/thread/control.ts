/** What the main thread tells the threads of an import, and what they count, in shared memory. */

import type { Clock } from '../../base/env/env.ts';
import { SluiceError } from '../../base/errors.ts';

/** Words: what they are to do; how many rows all of them found bad; 1: they are the thread that tells them, and must not wait for it. */
export const COMMAND = 0;
export const BAD_ROWS = 1;
export const IS_INLINE = 2;
export const CONTROL_WORDS = 3;

/** Of who looks again whether it may go on. */
const PAUSED_NAP_MS = 20;

export const GO_ON = 0;
export const PAUSE = 1;
export const STOP = 2;

/** Doubles of one thread, which alone writes them. */
export const ROWS_READ = 0;
export const ROWS_BAD = 1;
export const BYTES_READ = 2;
export const ROWS_SORTED = 3;
export const ROWS_DUPLICATE = 4;
export const BYTES_WRITTEN = 5;
export const COUNTERS = 6;

/** Stops this thread while it is to pause. @throws SluiceError ABORTED when it is to stop */
export function obey(control: Int32Array): void {
  for (;;) {
    const command = Atomics.load(control, COMMAND);
    if (command === GO_ON) return;
    if (command === STOP) throw new SluiceError('ABORTED', 'The import was stopped');
    if (Atomics.load(control, IS_INLINE) === 1) return;
    Atomics.wait(control, COMMAND, PAUSE);
  }
}

/** As `obey`, for the main thread, which must not wait. */
export async function obeyLater(control: Int32Array, clock: Clock): Promise<void> {
  for (;;) {
    const command = Atomics.load(control, COMMAND);
    if (command === GO_ON) return;
    if (command === STOP) throw new SluiceError('ABORTED', 'The import was stopped');
    await clock.sleep(PAUSED_NAP_MS);
  }
}

export function command(control: Int32Array, word: number): void {
  Atomics.store(control, COMMAND, word);
  Atomics.notify(control, COMMAND);
}

export function count(counters: Float64Array, counter: number, n: number): void {
  counters[counter] = (counters[counter] ?? 0) + n;
}
