/** XXH3 and its preview edition; see ../js-xxh3.ts for what differs. */

const SECRET = memory.data<u8>([
  0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
  0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
  0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
  0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
  0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
  0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
  0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
  0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
  0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
  0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
  0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
  0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
]);
const SECRET_BYTES: usize = 192;
const SECRET_BYTES_MIN: usize = 136;

const PRIME32_1: u64 = 0x9e3779b1;
const PRIME32_2: u64 = 0x85ebca77;
const PRIME32_3: u64 = 0xc2b2ae3d;
const PRIME64_1: u64 = 0x9e3779b185ebca87;
const PRIME64_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME64_3: u64 = 0x165667b19e3779f9;
const PRIME64_4: u64 = 0x85ebca77c2b2ae63;
const PRIME64_5: u64 = 0x27d4eb2f165667c5;
const PRIME_AVALANCHE: u64 = 0x165667919e3779f9;
const PRIME_RRMXMX: u64 = 0x9fb21c651e98df25;

// @ts-ignore: decorator
@inline
function secret(at: usize): u64 {
  return load<u64>(SECRET + at);
}

// @ts-ignore: decorator
@inline
function fold(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const low = aLow * bLow;
  const middle = aHigh * bLow;
  const cross = (low >> 32) + (middle & 0xffffffff) + aLow * bHigh;
  const high = (middle >> 32) + (cross >> 32) + aHigh * bHigh;
  return ((cross << 32) | (low & 0xffffffff)) ^ high;
}

// @ts-ignore: decorator
@inline
function mix16(at: usize, secretAt: usize): u64 {
  return fold(load<u64>(at) ^ secret(secretAt), load<u64>(at, 8) ^ secret(secretAt + 8));
}

// @ts-ignore: decorator
@inline
function avalanche(hash: u64, prime: u64): u64 {
  const mixed = (hash ^ (hash >> 37)) * prime;
  return mixed ^ (mixed >> 32);
}

export function xxh3(start: usize, length: usize): u64 {
  if (length > 240) return long(start, length, false);
  if (length > 16) return medium(start, length, PRIME_AVALANCHE);
  if (length > 8) {
    const a = load<u64>(start) ^ secret(24) ^ secret(32);
    const b = load<u64>(start + length - 8) ^ secret(40) ^ secret(48);
    return avalanche(<u64>length + bswap<u64>(a) + b + fold(a, b), PRIME_AVALANCHE);
  }
  if (length >= 4) {
    const word = <u64>load<u32>(start + length - 4) + (<u64>load<u32>(start) << 32);
    let h = word ^ secret(8) ^ secret(16);
    h ^= rotl<u64>(h, 49) ^ rotl<u64>(h, 24);
    h *= PRIME_RRMXMX;
    h ^= (h >> 35) + <u64>length;
    h *= PRIME_RRMXMX;
    return h ^ (h >> 28);
  }
  let h: u64;
  if (length > 0) {
    const combined =
      (<u32>load<u8>(start) << 16) |
      (<u32>load<u8>(start + (length >> 1)) << 24) |
      <u32>load<u8>(start + length - 1) |
      (<u32>length << 8);
    h = <u64>(combined ^ load<u32>(SECRET) ^ load<u32>(SECRET + 4));
  } else {
    h = secret(56) ^ secret(64);
  }
  h = (h ^ (h >> 33)) * PRIME64_2;
  h = (h ^ (h >> 29)) * PRIME64_3;
  return h ^ (h >> 32);
}

export function xxph3(start: usize, length: usize): u64 {
  if (length > 240) return long(start, length, true);
  if (length > 16) return medium(start, length, PRIME64_3);
  if (length > 8) {
    const a = load<u64>(start) ^ secret(0);
    const b = load<u64>(start + length - 8) ^ secret(8);
    return avalanche(<u64>length + a + b + fold(a, b), PRIME64_3);
  }
  if (length >= 4) {
    const word = <u64>load<u32>(start) | (<u64>load<u32>(start + length - 4) << 32);
    let h = word ^ secret(0);
    h = <u64>length + (h ^ (h >> 51)) * PRIME32_1;
    return avalanche((h ^ (h >> 47)) * PRIME64_2, PRIME64_3);
  }
  if (length > 0) {
    const combined =
      <u32>load<u8>(start) |
      (<u32>load<u8>(start + (length >> 1)) << 8) |
      (<u32>load<u8>(start + length - 1) << 16) |
      (<u32>length << 24);
    return avalanche(<u64>(combined ^ load<u32>(SECRET)) * PRIME64_1, PRIME64_3);
  }
  return fold(secret(0), PRIME64_2);
}

function medium(start: usize, length: usize, prime: u64): u64 {
  let h = <u64>length * PRIME64_1;
  const end = start + length;
  if (length > 128) {
    const rounds = length >> 4;
    for (let i: usize = 0; i < 8; i++) h += mix16(start + (i << 4), i << 4);
    h = avalanche(h, prime);
    for (let i: usize = 8; i < rounds; i++) h += mix16(start + (i << 4), ((i - 8) << 4) + 3);
    return avalanche(h + mix16(end - 16, SECRET_BYTES_MIN - 17), prime);
  }
  if (length > 32) {
    if (length > 64) {
      if (length > 96) h += mix16(start + 48, 96) + mix16(end - 64, 112);
      h += mix16(start + 32, 64) + mix16(end - 48, 80);
    }
    h += mix16(start + 16, 32) + mix16(end - 32, 48);
  }
  return avalanche(h + mix16(start, 0) + mix16(end - 16, 16), prime);
}

/** One 16-byte lane pair of a stripe. */
// @ts-ignore: decorator
@inline
function lanes(acc: v128, at: usize, secretAt: usize, preview: bool): v128 {
  const data = v128.load(at);
  const keyed = v128.xor(data, v128.load(SECRET + secretAt));
  const product = i64x2.extmul_low_i32x4_u(
    i32x4.shuffle(keyed, keyed, 0, 2, 0, 2),
    i32x4.shuffle(keyed, keyed, 1, 3, 1, 3),
  );
  const addend = preview ? data : i64x2.shuffle(data, data, 1, 0);
  return i64x2.add(i64x2.add(acc, addend), product);
}

// @ts-ignore: decorator
@inline
function scramble(acc: v128, secretAt: usize): v128 {
  const x = v128.xor(v128.xor(acc, i64x2.shr_u(acc, 47)), v128.load(SECRET + secretAt));
  return i64x2.mul(x, i64x2.splat(PRIME32_1));
}

// @ts-ignore: decorator
@inline
function mergeLanes(acc: v128, secretAt: usize): u64 {
  return fold(
    i64x2.extract_lane(acc, 0) ^ secret(secretAt),
    i64x2.extract_lane(acc, 1) ^ secret(secretAt + 8),
  );
}

// @ts-ignore: decorator
@inline
function long(start: usize, length: usize, preview: bool): u64 {
  let a = i64x2.replace_lane(i64x2.splat(PRIME32_3), 1, PRIME64_1);
  let b = i64x2.replace_lane(i64x2.splat(PRIME64_2), 1, PRIME64_3);
  let c = i64x2.replace_lane(i64x2.splat(PRIME64_4), 1, PRIME32_2);
  let d = i64x2.replace_lane(i64x2.splat(PRIME64_5), 1, PRIME32_1);
  const stripes = (preview ? length : length - 1) >> 6;
  let at = start;
  const end = start + (stripes << 6);
  let secretAt: usize = 0;
  while (at < end) {
    a = lanes(a, at, secretAt, preview);
    b = lanes(b, at + 16, secretAt + 16, preview);
    c = lanes(c, at + 32, secretAt + 32, preview);
    d = lanes(d, at + 48, secretAt + 48, preview);
    at += 64;
    secretAt += 8;
    if (secretAt == 128) {
      a = scramble(a, SECRET_BYTES - 64);
      b = scramble(b, SECRET_BYTES - 48);
      c = scramble(c, SECRET_BYTES - 32);
      d = scramble(d, SECRET_BYTES - 16);
      secretAt = 0;
    }
  }
  if (!preview || (length & 63) != 0) {
    at = start + length - 64;
    a = lanes(a, at, SECRET_BYTES - 71, preview);
    b = lanes(b, at + 16, SECRET_BYTES - 55, preview);
    c = lanes(c, at + 32, SECRET_BYTES - 39, preview);
    d = lanes(d, at + 48, SECRET_BYTES - 23, preview);
  }
  const h =
    <u64>length * PRIME64_1 + mergeLanes(a, 11) + mergeLanes(b, 27) + mergeLanes(c, 43) + mergeLanes(d, 59);
  return avalanche(h, preview ? PRIME64_3 : PRIME_AVALANCHE);
}
