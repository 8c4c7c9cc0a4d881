/** Work that nobody waits for by the microsecond gives way to the event loop, where there are more threads than cores. */

import { getPriority, setPriority } from 'node:os';

/** Added to the nice value: about a third of the share of a thread without it. */
const NICE = 5;
const NICE_MAX = 19;

/** Of the calling thread alone, for good. Elsewhere than on Linux priorities are those of whole processes: nothing is done. */
export function giveWay(): void {
  if (process.platform === 'linux') setPriority(Math.min(NICE_MAX, getPriority() + NICE));
}
