/** CRC-32C (Castagnoli), eight bytes a step by eight tables. */

import { loadInt32 } from './js-mul64.ts';

const POLYNOMIAL = 0x82f63b78;

/** tables[256 × k + b]: byte b followed by k zero bytes. */
const tables = makeTables();

function makeTables(): Int32Array {
  const t = new Int32Array(8 * 256);
  for (let b = 0; b < 256; b++) {
    let crc = b;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    t[b] = crc;
  }
  for (let i = 256; i < t.length; i++) {
    const before = t[i - 256] as number;
    t[i] = (before >>> 8) ^ (t[before & 255] as number);
  }
  return t;
}

/** Signed. */
export function crc32c(bytes: Uint8Array, start: number, length: number): number {
  const t = tables;
  const end = start + length;
  let at = start;
  let crc = -1;
  for (; at + 8 <= end; at += 8) {
    const a = crc ^ loadInt32(bytes, at);
    const b = loadInt32(bytes, at + 4);
    crc =
      (t[1792 + (a & 255)] as number) ^
      (t[1536 + ((a >>> 8) & 255)] as number) ^
      (t[1280 + ((a >>> 16) & 255)] as number) ^
      (t[1024 + (a >>> 24)] as number) ^
      (t[768 + (b & 255)] as number) ^
      (t[512 + ((b >>> 8) & 255)] as number) ^
      (t[256 + ((b >>> 16) & 255)] as number) ^
      (t[b >>> 24] as number);
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (t[(crc ^ (bytes[at] as number)) & 255] as number);
  return ~crc;
}
