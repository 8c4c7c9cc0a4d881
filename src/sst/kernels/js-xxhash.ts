/** XXH32 and XXH64, seed 0: two of the older block checksums of RocksDB. */

import { add64, loadInt32, multiply64 } from './js-mul64.ts';

const P32_1 = 0x9e3779b1 | 0;
const P32_2 = 0x85ebca77 | 0;
const P32_3 = 0xc2b2ae3d | 0;
const P32_4 = 0x27d4eb2f | 0;
const P32_5 = 0x165667b1 | 0;

/** Signed. */
export function xxh32(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length;
  let at = start;
  let h: number;
  if (length >= 16) {
    let v1 = (P32_1 + P32_2) | 0;
    let v2 = P32_2;
    let v3 = 0;
    let v4 = -P32_1 | 0;
    for (; at + 16 <= end; at += 16) {
      v1 = round32(v1, loadInt32(bytes, at));
      v2 = round32(v2, loadInt32(bytes, at + 4));
      v3 = round32(v3, loadInt32(bytes, at + 8));
      v4 = round32(v4, loadInt32(bytes, at + 12));
    }
    h = (rotate32(v1, 1) + rotate32(v2, 7) + rotate32(v3, 12) + rotate32(v4, 18)) | 0;
  } else {
    h = P32_5;
  }
  h = (h + length) | 0;
  for (; at + 4 <= end; at += 4) {
    h = Math.imul(rotate32((h + Math.imul(loadInt32(bytes, at), P32_3)) | 0, 17), P32_4);
  }
  for (; at < end; at++) {
    h = Math.imul(rotate32((h + Math.imul(bytes[at] as number, P32_5)) | 0, 11), P32_1);
  }
  h = Math.imul(h ^ (h >>> 15), P32_2);
  h = Math.imul(h ^ (h >>> 13), P32_3);
  return h ^ (h >>> 16);
}

function round32(v: number, input: number): number {
  return Math.imul(rotate32((v + Math.imul(input, P32_2)) | 0, 13), P32_1);
}

function rotate32(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

const P1_LOW = 0x85ebca87 | 0;
const P1_HIGH = 0x9e3779b1 | 0;
const P2_LOW = 0x27d4eb4f | 0;
const P2_HIGH = 0xc2b2ae3d | 0;
const P3_LOW = 0x9e3779f9 | 0;
const P3_HIGH = 0x165667b1 | 0;
const P4_LOW = 0xc2b2ae63 | 0;
const P4_HIGH = 0x85ebca77 | 0;
const P5_LOW = 0x165667c5 | 0;
const P5_HIGH = 0x27d4eb2f | 0;

/** v1, v2, v3, v4 = P1 + P2, P2, 0, -P1; low half first. */
const LANES = Int32Array.of(
  ...[P1_LOW + P2_LOW, P1_HIGH + P2_HIGH + 0, P2_LOW, P2_HIGH],
  ...[0, 0, -P1_LOW, ~P1_HIGH],
);

const lanes = new Int32Array(8);
const hash = new Int32Array(2);
const term = new Int32Array(2);

/** The low 32 bits, signed. */
export function xxh64Low(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length;
  let at = start;
  hash[0] = P5_LOW;
  hash[1] = P5_HIGH;
  if (length >= 32) at = stripes64(bytes, start, end);
  add64(hash, 0, length | 0, 0);
  for (; at + 8 <= end; at += 8) {
    term[0] = 0;
    term[1] = 0;
    round64(term, 0, loadInt32(bytes, at), loadInt32(bytes, at + 4));
    hash[0] = (hash[0] as number) ^ (term[0] as number);
    hash[1] = (hash[1] as number) ^ (term[1] as number);
    rotateAndMultiply(27, P1_LOW, P1_HIGH);
    add64(hash, 0, P4_LOW, P4_HIGH);
  }
  if (at + 4 <= end) {
    multiply64(term, 0, loadInt32(bytes, at), 0, P1_LOW, P1_HIGH);
    hash[0] = (hash[0] as number) ^ (term[0] as number);
    hash[1] = (hash[1] as number) ^ (term[1] as number);
    rotateAndMultiply(23, P2_LOW, P2_HIGH);
    add64(hash, 0, P3_LOW, P3_HIGH);
    at += 4;
  }
  for (; at < end; at++) {
    multiply64(term, 0, bytes[at] as number, 0, P5_LOW, P5_HIGH);
    hash[0] = (hash[0] as number) ^ (term[0] as number);
    hash[1] = (hash[1] as number) ^ (term[1] as number);
    rotateAndMultiply(11, P1_LOW, P1_HIGH);
  }
  // h ^= h >> 33; h *= P2; h ^= h >> 29; h *= P3; h ^= h >> 32
  const high = hash[1] as number;
  multiply64(hash, 0, (hash[0] as number) ^ (high >>> 1), high, P2_LOW, P2_HIGH);
  const low2 = hash[0] as number;
  const high2 = hash[1] as number;
  const shifted = (low2 >>> 29) | (high2 << 3);
  multiply64(hash, 0, low2 ^ shifted, high2 ^ (high2 >>> 29), P3_LOW, P3_HIGH);
  return (hash[0] as number) ^ (hash[1] as number);
}

function stripes64(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  lanes.set(LANES);
  for (; at + 32 <= end; at += 32) {
    for (let i = 0; i < 4; i++) {
      round64(lanes, 2 * i, loadInt32(bytes, at + 8 * i), loadInt32(bytes, at + 8 * i + 4));
    }
  }
  hash.fill(0);
  for (let i = 0; i < 4; i++) {
    const bits = i === 0 ? 1 : i === 1 ? 7 : i === 2 ? 12 : 18;
    const low = lanes[2 * i] as number;
    const high = lanes[2 * i + 1] as number;
    add64(hash, 0, (low << bits) | (high >>> (32 - bits)), (high << bits) | (low >>> (32 - bits)));
  }
  for (let i = 0; i < 4; i++) {
    multiply64(term, 0, lanes[2 * i] as number, lanes[2 * i + 1] as number, P2_LOW, P2_HIGH);
    rotate31AndMultiply(term, 0);
    hash[0] = (hash[0] as number) ^ (term[0] as number);
    hash[1] = (hash[1] as number) ^ (term[1] as number);
    multiply64(hash, 0, hash[0] as number, hash[1] as number, P1_LOW, P1_HIGH);
    add64(hash, 0, P4_LOW, P4_HIGH);
  }
  return at;
}

const product = new Int32Array(2);

/** v = rotate(v + input × P2, 31) × P1 */
function round64(v: Int32Array, at: number, low: number, high: number): void {
  multiply64(product, 0, low, high, P2_LOW, P2_HIGH);
  add64(v, at, product[0] as number, product[1] as number);
  rotate31AndMultiply(v, at);
}

function rotate31AndMultiply(v: Int32Array, at: number): void {
  const low = v[at] as number;
  const high = v[at + 1] as number;
  multiply64(v, at, (low << 31) | (high >>> 1), (high << 31) | (low >>> 1), P1_LOW, P1_HIGH);
}

/** hash = rotate(hash, bits) × prime, for bits below 32 */
function rotateAndMultiply(bits: number, primeLow: number, primeHigh: number): void {
  const low = hash[0] as number;
  const high = hash[1] as number;
  multiply64(
    hash,
    0,
    (low << bits) | (high >>> (32 - bits)),
    (high << bits) | (low >>> (32 - bits)),
    primeLow,
    primeHigh,
  );
}
