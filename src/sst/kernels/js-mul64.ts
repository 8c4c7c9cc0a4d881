/**
 * 64-bit arithmetic in signed 32-bit halves. BigInt costs 17 to 50 ns an operation and garbage; these compile to a few
 * machine instructions. A result of two halves goes to a register array, since returning an object would allocate.
 */

/** The high 32 bits of the unsigned product of two 32-bit numbers, as a signed number. */
export function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const t = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const w = (Math.imul(aLow, bHigh) + (t & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (t >>> 16) + (w >>> 16)) | 0;
}

/** 1 when the 32-bit addition that gave `sum` with `addend` wrapped around. */
export function carry(sum: number, addend: number): number {
  return sum >>> 0 < addend >>> 0 ? 1 : 0;
}

/** out[at], out[at + 1] = low and high half of (a × b) mod 2^64. */
export function multiply64(
  out: Int32Array,
  at: number,
  aLow: number,
  aHigh: number,
  bLow: number,
  bHigh: number,
): void {
  out[at] = Math.imul(aLow, bLow);
  out[at + 1] = mulHigh(aLow, bLow) + Math.imul(aLow, bHigh) + Math.imul(aHigh, bLow);
}

/** out[at], out[at + 1] = the low half xor the high half of the 128-bit product a × b. */
export function foldProduct(
  out: Int32Array,
  at: number,
  aLow: number,
  aHigh: number,
  bLow: number,
  bHigh: number,
): void {
  // Four times mulHigh, written out over shared 16-bit digits: as calls they exceed what V8 inlines.
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const a2 = aHigh & 0xffff;
  const a3 = aHigh >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const b2 = bHigh & 0xffff;
  const b3 = bHigh >>> 16;
  let t = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  let w = (Math.imul(a0, b1) + (t & 0xffff)) | 0;
  const high0 = (Math.imul(a1, b1) + (t >>> 16) + (w >>> 16)) | 0;
  t = (Math.imul(a3, b0) + (Math.imul(a2, b0) >>> 16)) | 0;
  w = (Math.imul(a2, b1) + (t & 0xffff)) | 0;
  const high1 = (Math.imul(a3, b1) + (t >>> 16) + (w >>> 16)) | 0;
  t = (Math.imul(a1, b2) + (Math.imul(a0, b2) >>> 16)) | 0;
  w = (Math.imul(a0, b3) + (t & 0xffff)) | 0;
  const high2 = (Math.imul(a1, b3) + (t >>> 16) + (w >>> 16)) | 0;
  t = (Math.imul(a3, b2) + (Math.imul(a2, b2) >>> 16)) | 0;
  w = (Math.imul(a2, b3) + (t & 0xffff)) | 0;
  const high3 = (Math.imul(a3, b3) + (t >>> 16) + (w >>> 16)) | 0;
  const low1 = Math.imul(aHigh, bLow);
  const low2 = Math.imul(aLow, bHigh);
  const low3 = Math.imul(aHigh, bHigh);
  const sum1 = (high0 + low1) | 0;
  const word1 = (sum1 + low2) | 0;
  const carry1 = carry(sum1, low1) + carry(word1, low2);
  const sum2 = (high1 + high2) | 0;
  const sum3 = (sum2 + low3) | 0;
  const word2 = (sum3 + carry1) | 0;
  const carry2 = carry(sum2, high1) + carry(sum3, low3) + carry(word2, carry1);
  out[at] = Math.imul(aLow, bLow) ^ word2;
  out[at + 1] = word1 ^ (high3 + carry2);
}

/** out[at], out[at + 1] += (low, high). */
export function add64(out: Int32Array, at: number, low: number, high: number): void {
  const sum = ((out[at] as number) + low) | 0;
  out[at] = sum;
  out[at + 1] = (out[at + 1] as number) + high + carry(sum, low);
}

export function loadInt32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}
