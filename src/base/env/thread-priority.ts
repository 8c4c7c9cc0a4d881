/** Work that nobody waits for by the microsecond gives way to the event loop, where there are more threads than cores. */

import { getPriority, setPriority } from 'node:os';

/** Added to the nice value. */
const NICE = {
  /** About a third of the share of a thread without it: what writers wait for in the end, such as flushes. */
  third: 5,
  /**
   * For what can wait. More than a share of a core it decides when the thread gets off one: Linux lets a thread that wakes go first if
   * its slice ends sooner, and slices are stretched as shares shrink. At a third some of those that wake still wait for the tick, up
   * to 4 ms: enough to triple the p99 of durable puts. Pauses of the thread's own make it worse, as each begins a new slice.
   */
  thirtieth: 15,
};
const NICE_MAX = 19;

/** Of the calling thread alone, for good. Elsewhere than on Linux priorities are those of whole processes: nothing is done. */
export function giveWay(share: keyof typeof NICE = 'third'): void {
  if (process.platform === 'linux') setPriority(Math.min(NICE_MAX, getPriority() + NICE[share]));
}
