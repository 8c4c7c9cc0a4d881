/** A data block of one entry, for what no block being built has room for. */

import { putFixed32, putVarint } from '../base/codec.ts';

/** Three lengths, a restart and their count. */
const BESIDES_BYTES_MAX = 40;

export function loneBlock(key: Uint8Array, value: Uint8Array): Uint8Array {
  const room = new Uint8Array(BESIDES_BYTES_MAX + key.length + value.length);
  let p = putVarint(room, 0, 0);
  p = putVarint(room, p, key.length);
  p = putVarint(room, p, value.length);
  room.set(key, p);
  p += key.length;
  room.set(value, p);
  p += value.length;
  putFixed32(room, p, 0);
  putFixed32(room, p + 4, 1);
  return room.subarray(0, p + 8);
}
