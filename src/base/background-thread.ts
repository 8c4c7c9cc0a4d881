/** How threads of the process are started: with a small young generation, whatever they do. */

import { Worker } from 'node:worker_threads';

/**
 * What our threads work on is in heaps of their own; of objects they make few. By default V8 would let those fill 48 MiB
 * before it looks at them, and with them the arrays that they hold, which are outside.
 */
const YOUNG_GENERATION_MIB = 3;

/** `script`: beside the caller, in whichever language it is, compiled or not. */
export function startThread(script: URL): Worker {
  return new Worker(script, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB } });
}
