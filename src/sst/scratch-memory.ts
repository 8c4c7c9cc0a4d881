/**
 * Memory of a thread for what is needed for a moment: index blocks while they are decoded, indexes of tables that are merged.
 * V8 lets 64 MiB of arrays that nobody uses pile up in every thread before it looks for them, and the process keeps them.
 */

const LEAST_BYTES = 65_536;
/** A size has so many steps between two powers of 2: few enough for a buffer to fit others, and little of it too much. */
const STEPS = 4;
/** More than a merge of many large tables has at a time: what is not kept would be garbage that piles up. */
const IDLE_BYTES_MAX = 24 << 20;

const idle: ArrayBuffer[] = [];
let idleBytes = 0;

/** Of at least so many bytes, with whatever is in them. */
export function takeScratch(bytes: number): ArrayBuffer {
  let best: ArrayBuffer | undefined;
  for (const buffer of idle) {
    if (buffer.byteLength < bytes || (best !== undefined && buffer.byteLength >= best.byteLength)) continue;
    best = buffer;
  }
  if (best === undefined) return new ArrayBuffer(roomFor(bytes));
  idle.splice(idle.indexOf(best), 1);
  idleBytes -= best.byteLength;
  return best;
}

function roomFor(bytes: number): number {
  if (bytes <= LEAST_BYTES) return LEAST_BYTES;
  const step = 2 ** Math.floor(Math.log2(bytes)) / STEPS;
  return Math.ceil(bytes / step) * step;
}

/** REQUIRES: nobody uses it any more, and it is given back once. */
export function giveScratchBack(buffer: ArrayBuffer): void {
  if (idleBytes + buffer.byteLength > IDLE_BYTES_MAX) return;
  idle.push(buffer);
  idleBytes += buffer.byteLength;
}
