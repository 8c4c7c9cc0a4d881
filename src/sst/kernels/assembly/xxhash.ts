const P32_1: u32 = 0x9e3779b1;
const P32_2: u32 = 0x85ebca77;
const P32_3: u32 = 0xc2b2ae3d;
const P32_4: u32 = 0x27d4eb2f;
const P32_5: u32 = 0x165667b1;

export function xxh32(start: usize, length: usize): u32 {
  const end = start + length;
  let at = start;
  let h: u32;
  if (length >= 16) {
    let v1: u32 = P32_1 + P32_2;
    let v2: u32 = P32_2;
    let v3: u32 = 0;
    let v4: u32 = 0 - P32_1;
    for (; at + 16 <= end; at += 16) {
      v1 = rotl<u32>(v1 + load<u32>(at) * P32_2, 13) * P32_1;
      v2 = rotl<u32>(v2 + load<u32>(at, 4) * P32_2, 13) * P32_1;
      v3 = rotl<u32>(v3 + load<u32>(at, 8) * P32_2, 13) * P32_1;
      v4 = rotl<u32>(v4 + load<u32>(at, 12) * P32_2, 13) * P32_1;
    }
    h = rotl<u32>(v1, 1) + rotl<u32>(v2, 7) + rotl<u32>(v3, 12) + rotl<u32>(v4, 18);
  } else {
    h = P32_5;
  }
  h += <u32>length;
  for (; at + 4 <= end; at += 4) h = rotl<u32>(h + load<u32>(at) * P32_3, 17) * P32_4;
  for (; at < end; at++) h = rotl<u32>(h + <u32>load<u8>(at) * P32_5, 11) * P32_1;
  h = (h ^ (h >> 15)) * P32_2;
  h = (h ^ (h >> 13)) * P32_3;
  return h ^ (h >> 16);
}

const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;
const P4: u64 = 0x85ebca77c2b2ae63;
const P5: u64 = 0x27d4eb2f165667c5;

// @ts-ignore: decorator
@inline
function round(v: u64, input: u64): u64 {
  return rotl<u64>(v + input * P2, 31) * P1;
}

export function xxh64(start: usize, length: usize): u64 {
  const end = start + length;
  let at = start;
  let h: u64;
  if (length >= 32) {
    let v1: u64 = P1 + P2;
    let v2: u64 = P2;
    let v3: u64 = 0;
    let v4: u64 = 0 - P1;
    for (; at + 32 <= end; at += 32) {
      v1 = round(v1, load<u64>(at));
      v2 = round(v2, load<u64>(at, 8));
      v3 = round(v3, load<u64>(at, 16));
      v4 = round(v4, load<u64>(at, 24));
    }
    h = rotl<u64>(v1, 1) + rotl<u64>(v2, 7) + rotl<u64>(v3, 12) + rotl<u64>(v4, 18);
    h = (h ^ round(0, v1)) * P1 + P4;
    h = (h ^ round(0, v2)) * P1 + P4;
    h = (h ^ round(0, v3)) * P1 + P4;
    h = (h ^ round(0, v4)) * P1 + P4;
  } else {
    h = P5;
  }
  h += <u64>length;
  for (; at + 8 <= end; at += 8) h = rotl<u64>(h ^ round(0, load<u64>(at)), 27) * P1 + P4;
  if (at + 4 <= end) {
    h = rotl<u64>(h ^ (<u64>load<u32>(at) * P1), 23) * P2 + P3;
    at += 4;
  }
  for (; at < end; at++) h = rotl<u64>(h ^ (<u64>load<u8>(at) * P5), 11) * P1;
  h = (h ^ (h >> 33)) * P2;
  h = (h ^ (h >> 29)) * P3;
  return h ^ (h >> 32);
}
