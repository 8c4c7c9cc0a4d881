/** Copies and match lengths that the LZ4 and Snappy twins share. */

/** Below this length a loop beats the call of copyWithin. */
const LOOP_BYTES = 24;

export function copyForward(bytes: Uint8Array, to: number, from: number, length: number): void {
  if (length > LOOP_BYTES) bytes.copyWithin(to, from, from + length);
  else for (let i = 0; i < length; i++) bytes[to + i] = bytes[from + i] as number;
}

/** Copies from `offset` bytes back, byte after byte, so that a copy longer than `offset` repeats itself. */
export function copyMatch(bytes: Uint8Array, to: number, offset: number, length: number): void {
  if (length > LOOP_BYTES && offset >= length) bytes.copyWithin(to, to - offset, to - offset + length);
  else for (let i = to, end = to + length; i < end; i++) bytes[i] = bytes[i - offset] as number;
}

/** The number of equal bytes from `a` < `b` on, `b` not reaching `end`. */
export function matchLength(bytes: Uint8Array, a: number, b: number, end: number): number {
  const start = b;
  while (b < end && bytes[a] === bytes[b]) {
    a++;
    b++;
  }
  return b - start;
}
