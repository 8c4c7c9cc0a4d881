import { CRC_TABLES } from './layout';

export function makeCrcTables(): void {
  for (let b: u32 = 0; b < 256; b++) {
    let crc = b;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
    store<u32>(CRC_TABLES + (b << 2), crc);
  }
  for (let i: usize = 256; i < 2048; i++) {
    const before = load<u32>(CRC_TABLES + ((i - 256) << 2));
    store<u32>(CRC_TABLES + (i << 2), (before >> 8) ^ load<u32>(CRC_TABLES + ((before & 255) << 2)));
  }
}

// @ts-ignore: decorator
@inline
function table(k: usize, index: u64): u32 {
  return load<u32>(CRC_TABLES + (k << 10) + ((<usize>index & 255) << 2));
}

export function crc32c(start: usize, length: usize): u32 {
  const end = start + length;
  let at = start;
  let crc: u32 = 0xffffffff;
  for (; at + 8 <= end; at += 8) {
    const x = load<u64>(at) ^ <u64>crc;
    crc =
      table(7, x) ^
      table(6, x >> 8) ^
      table(5, x >> 16) ^
      table(4, x >> 24) ^
      table(3, x >> 32) ^
      table(2, x >> 40) ^
      table(1, x >> 48) ^
      table(0, x >> 56);
  }
  for (; at < end; at++) crc = (crc >> 8) ^ table(0, crc ^ load<u8>(at));
  return ~crc;
}
