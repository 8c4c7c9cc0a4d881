/**
 * Memory of a thread for what is needed for a moment: index blocks while they are decoded, indexes of tables that are merged.
 * V8 lets 64 MiB of arrays that nobody uses pile up in every thread before it looks for them, and the process keeps them.
 */

const LEAST_BYTES = 65_536;
const IDLE_BYTES_MAX = 12 << 20;

const idle: ArrayBuffer[] = [];
let idleBytes = 0;

/** Of at least so many bytes, with whatever is in them. */
export function takeScratch(bytes: number): ArrayBuffer {
  let best: ArrayBuffer | undefined;
  for (const buffer of idle) {
    if (buffer.byteLength < bytes || (best !== undefined && buffer.byteLength >= best.byteLength)) continue;
    best = buffer;
  }
  if (best === undefined) return new ArrayBuffer(Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(bytes))));
  idle.splice(idle.indexOf(best), 1);
  idleBytes -= best.byteLength;
  return best;
}

/** REQUIRES: nobody uses it any more, and it is given back once. */
export function giveScratchBack(buffer: ArrayBuffer): void {
  if (idleBytes + buffer.byteLength > IDLE_BYTES_MAX) return;
  idle.push(buffer);
  idleBytes += buffer.byteLength;
}
