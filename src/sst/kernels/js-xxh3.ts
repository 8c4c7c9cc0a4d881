/**
 * XXH3 with 64 bits of output, seed 0, in two editions: the final one (xxHash 0.8), which RocksDB's block checksum is,
 * and the preview of xxHash 0.7.2 ("XXPH3"), which its filters hash keys by. They share the secret and the shape and
 * differ at every length, so no xxHash library yields the second.
 */

import { add64, carry, foldProduct, loadInt32, mulHigh, multiply64 } from './js-mul64.ts';

const SECRET_BYTES = 192;
const SECRET_BYTES_MIN = 136;
const STRIPE_BYTES = 64;
const STRIPES_PER_BLOCK = 16;

const SECRET = Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221' +
    'b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8' +
    'a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb' +
    '170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
  'hex',
);

/** The secret's int32 at every byte offset: it is read at odd ones too. */
const SECRET_AT = Int32Array.from({ length: SECRET_BYTES - 3 }, (_, i) => SECRET.readInt32LE(i));

const PRIME32_1 = 0x9e3779b1 | 0;
const PRIME64_1_LOW = 0x85ebca87 | 0;
const PRIME64_1_HIGH = 0x9e3779b1 | 0;
const PRIME64_2_LOW = 0x27d4eb4f | 0;
const PRIME64_2_HIGH = 0xc2b2ae3d | 0;
const PRIME64_3_LOW = 0x9e3779f9 | 0;
const PRIME64_3_HIGH = 0x165667b1 | 0;
const AVALANCHE_LOW = 0x9e3779f9 | 0;
const AVALANCHE_HIGH = 0x16566791 | 0;
const RRMXMX_LOW = 0x1e98df25 | 0;
const RRMXMX_HIGH = 0x9fb21c65 | 0;

/** The primes that the eight accumulators start with, low half first. */
const ACCUMULATORS = Int32Array.of(
  ...[0xc2b2ae3d, 0, 0x85ebca87, 0x9e3779b1, 0x27d4eb4f, 0xc2b2ae3d, 0x9e3779f9, 0x165667b1],
  ...[0xc2b2ae63, 0x85ebca77, 0x85ebca77, 0, 0x165667c5, 0x27d4eb2f, 0x9e3779b1, 0],
);

/** The running hash, low half first, and the term to add to it next. */
const hash = new Int32Array(2);
const term = new Int32Array(2);
const accumulators = new Int32Array(16);

/** The low 32 bits of XXH3_64bits, signed. */
export function xxh3Low(bytes: Uint8Array, start: number, length: number): number {
  if (length <= 16) hashShort(bytes, start, length);
  else hashOver16(bytes, start, length, false);
  return hash[0] as number;
}

/** Where `hashKey` leaves its result: two unsigned 32-bit halves. A Probe is one. */
export interface KeyHash {
  hashLow: number;
  hashHigh: number;
}

/** XXPH3 of a key anywhere: what a RocksDB filter, and ours, is asked about. */
export function hashKey(bytes: Uint8Array, start: number, length: number, out: KeyHash): void {
  if (length >= 9 && length <= 16) {
    previewOf9To16(bytes, start, length, out);
    return;
  }
  if (length < 9) previewShort(bytes, start, length);
  else hashOver16(bytes, start, length, true);
  out.hashLow = (hash[0] as number) >>> 0;
  out.hashHigh = (hash[1] as number) >>> 0;
}

/** The usual key length, so written out: registers only, no array in between. */
function previewOf9To16(bytes: Uint8Array, start: number, length: number, out: KeyHash): void {
  const aLow = loadInt32(bytes, start) ^ (SECRET_AT[0] as number);
  const aHigh = loadInt32(bytes, start + 4) ^ (SECRET_AT[4] as number);
  const bLow = loadInt32(bytes, start + length - 8) ^ (SECRET_AT[8] as number);
  const bHigh = loadInt32(bytes, start + length - 4) ^ (SECRET_AT[12] as number);
  foldProduct(term, 0, aLow, aHigh, bLow, bHigh);
  // length + a + b + fold(a × b)
  const sum1 = (aLow + bLow) | 0;
  const sum2 = (sum1 + length) | 0;
  const low = (sum2 + (term[0] as number)) | 0;
  const carries = carry(sum1, aLow) + carry(sum2, length) + carry(low, sum2);
  const high = (aHigh + bHigh + (term[1] as number) + carries) | 0;
  const mixed = low ^ (high >>> 5);
  const outLow = Math.imul(mixed, PRIME64_3_LOW);
  const outHigh =
    mulHigh(mixed, PRIME64_3_LOW) + Math.imul(mixed, PRIME64_3_HIGH) + Math.imul(high, PRIME64_3_LOW);
  out.hashLow = (outLow ^ outHigh) >>> 0;
  out.hashHigh = outHigh >>> 0;
}

function previewShort(bytes: Uint8Array, start: number, length: number): void {
  if (length >= 4) {
    const low = loadInt32(bytes, start) ^ (SECRET_AT[0] as number);
    const high = loadInt32(bytes, start + length - 4) ^ (SECRET_AT[4] as number);
    multiply64(hash, 0, low ^ (high >>> 19), high, PRIME32_1, 0);
    add64(hash, 0, length, 0);
    const mixed = (hash[0] as number) ^ ((hash[1] as number) >>> 15);
    multiply64(hash, 0, mixed, hash[1] as number, PRIME64_2_LOW, PRIME64_2_HIGH);
    avalanche(PRIME64_3_LOW, PRIME64_3_HIGH);
  } else if (length > 0) {
    const combined =
      (bytes[start] as number) |
      ((bytes[start + (length >> 1)] as number) << 8) |
      ((bytes[start + length - 1] as number) << 16) |
      (length << 24);
    multiply64(hash, 0, combined ^ (SECRET_AT[0] as number), 0, PRIME64_1_LOW, PRIME64_1_HIGH);
    avalanche(PRIME64_3_LOW, PRIME64_3_HIGH);
  } else {
    // RocksDB's own departure from the preview, whose hash of nothing was 0.
    foldProduct(hash, 0, SECRET_AT[0] as number, SECRET_AT[4] as number, PRIME64_2_LOW, PRIME64_2_HIGH);
  }
}

function hashShort(bytes: Uint8Array, start: number, length: number): void {
  if (length > 8) {
    const aLow = loadInt32(bytes, start) ^ secret(24) ^ secret(32);
    const aHigh = loadInt32(bytes, start + 4) ^ secret(28) ^ secret(36);
    const bLow = loadInt32(bytes, start + length - 8) ^ secret(40) ^ secret(48);
    const bHigh = loadInt32(bytes, start + length - 4) ^ secret(44) ^ secret(52);
    foldProduct(hash, 0, aLow, aHigh, bLow, bHigh);
    add64(hash, 0, length, 0);
    add64(hash, 0, swapBytes(aHigh), swapBytes(aLow));
    add64(hash, 0, bLow, bHigh);
    avalanche(AVALANCHE_LOW, AVALANCHE_HIGH);
  } else if (length >= 4) {
    const low = loadInt32(bytes, start + length - 4) ^ secret(8) ^ secret(16);
    const high = loadInt32(bytes, start) ^ secret(12) ^ secret(20);
    // x ^ rotate(x, 49) ^ rotate(x, 24)
    const x0 = low ^ ((high << 17) | (low >>> 15)) ^ ((low << 24) | (high >>> 8));
    const x1 = high ^ ((low << 17) | (high >>> 15)) ^ ((high << 24) | (low >>> 8));
    multiply64(hash, 0, x0, x1, RRMXMX_LOW, RRMXMX_HIGH);
    const l = hash[0] as number;
    const h = hash[1] as number;
    // h ^= (h >> 35) + length: at most 2^29 + 8, so no carry into the high half
    multiply64(hash, 0, l ^ ((h >>> 3) + length), h, RRMXMX_LOW, RRMXMX_HIGH);
    const high2 = hash[1] as number;
    hash[0] = (hash[0] as number) ^ (((hash[0] as number) >>> 28) | (high2 << 4));
    hash[1] = high2 ^ (high2 >>> 28);
  } else {
    if (length > 0) {
      const combined =
        ((bytes[start] as number) << 16) |
        ((bytes[start + (length >> 1)] as number) << 24) |
        (bytes[start + length - 1] as number) |
        (length << 8);
      hash[0] = combined ^ secret(0) ^ secret(4);
      hash[1] = 0;
    } else {
      hash[0] = secret(56) ^ secret(64);
      hash[1] = secret(60) ^ secret(68);
    }
    avalancheXxh64();
  }
}

function hashOver16(bytes: Uint8Array, start: number, length: number, preview: boolean): void {
  const primeHigh = preview ? PRIME64_3_HIGH : AVALANCHE_HIGH;
  // length × PRIME64_1
  multiply64(hash, 0, length, 0, PRIME64_1_LOW, PRIME64_1_HIGH);
  if (length > 240) {
    accumulateAll(bytes, start, length, preview);
    for (let i = 0; i < 4; i++) {
      const secretAt = 11 + 16 * i;
      foldProduct(
        term,
        0,
        (accumulators[4 * i] as number) ^ secret(secretAt),
        (accumulators[4 * i + 1] as number) ^ secret(secretAt + 4),
        (accumulators[4 * i + 2] as number) ^ secret(secretAt + 8),
        (accumulators[4 * i + 3] as number) ^ secret(secretAt + 12),
      );
      add64(hash, 0, term[0] as number, term[1] as number);
    }
  } else if (length > 128) {
    const rounds = length >>> 4;
    for (let i = 0; i < 8; i++) mix16(bytes, start + 16 * i, 16 * i);
    avalanche(PRIME64_3_LOW, primeHigh);
    for (let i = 8; i < rounds; i++) mix16(bytes, start + 16 * i, 16 * (i - 8) + 3);
    mix16(bytes, start + length - 16, SECRET_BYTES_MIN - 17);
  } else {
    for (let i = (length - 1) >>> 5; i >= 0; i--) {
      mix16(bytes, start + 16 * i, 32 * i);
      mix16(bytes, start + length - 16 * (i + 1), 32 * i + 16);
    }
  }
  avalanche(PRIME64_3_LOW, primeHigh);
}

function mix16(bytes: Uint8Array, at: number, secretAt: number): void {
  foldProduct(
    term,
    0,
    loadInt32(bytes, at) ^ secret(secretAt),
    loadInt32(bytes, at + 4) ^ secret(secretAt + 4),
    loadInt32(bytes, at + 8) ^ secret(secretAt + 8),
    loadInt32(bytes, at + 12) ^ secret(secretAt + 12),
  );
  add64(hash, 0, term[0] as number, term[1] as number);
}

function accumulateAll(bytes: Uint8Array, start: number, length: number, preview: boolean): void {
  accumulators.set(ACCUMULATORS);
  // The final edition always treats the last stripe apart; the preview only one that is not whole.
  const stripes = Math.floor((preview ? length : length - 1) / STRIPE_BYTES);
  let inBlock = 0;
  for (let i = 0; i < stripes; i++) {
    accumulate(bytes, start + i * STRIPE_BYTES, inBlock * 8, preview);
    if (++inBlock === STRIPES_PER_BLOCK) {
      scramble();
      inBlock = 0;
    }
  }
  if (!preview || length % STRIPE_BYTES !== 0) {
    accumulate(bytes, start + length - STRIPE_BYTES, SECRET_BYTES - STRIPE_BYTES - 7, preview);
  }
}

function accumulate(bytes: Uint8Array, at: number, secretAt: number, preview: boolean): void {
  const across = preview ? 0 : 2;
  for (let i = 0; i < 16; i += 2) {
    const low = loadInt32(bytes, at + 4 * i);
    const high = loadInt32(bytes, at + 4 * i + 4);
    const a = low ^ (SECRET_AT[secretAt + 4 * i] as number);
    const b = high ^ (SECRET_AT[secretAt + 4 * i + 4] as number);
    add64(accumulators, i ^ across, low, high);
    add64(accumulators, i, Math.imul(a, b), mulHigh(a, b));
  }
}

function scramble(): void {
  for (let i = 0; i < 16; i += 2) {
    const high = accumulators[i + 1] as number;
    const low = (accumulators[i] as number) ^ (high >>> 15);
    const at = SECRET_BYTES - STRIPE_BYTES + 4 * i;
    multiply64(accumulators, i, low ^ secret(at), high ^ secret(at + 4), PRIME32_1, 0);
  }
}

/** h ^= h >> 37; h *= prime; h ^= h >> 32 */
function avalanche(primeLow: number, primeHigh: number): void {
  const high = hash[1] as number;
  multiply64(hash, 0, (hash[0] as number) ^ (high >>> 5), high, primeLow, primeHigh);
  hash[0] = (hash[0] as number) ^ (hash[1] as number);
}

/** h ^= h >> 33; h *= PRIME64_2; h ^= h >> 29; h *= PRIME64_3; h ^= h >> 32 */
function avalancheXxh64(): void {
  const high = hash[1] as number;
  multiply64(hash, 0, (hash[0] as number) ^ (high >>> 1), high, PRIME64_2_LOW, PRIME64_2_HIGH);
  const low2 = hash[0] as number;
  const high2 = hash[1] as number;
  const shifted = (low2 >>> 29) | (high2 << 3);
  multiply64(hash, 0, low2 ^ shifted, high2 ^ (high2 >>> 29), PRIME64_3_LOW, PRIME64_3_HIGH);
  hash[0] = (hash[0] as number) ^ (hash[1] as number);
}

function secret(at: number): number {
  return SECRET_AT[at] as number;
}

function swapBytes(x: number): number {
  return (x >>> 24) | ((x >>> 8) & 0xff00) | ((x << 8) & 0xff0000) | (x << 24);
}
