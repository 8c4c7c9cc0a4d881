/** Varints of 32 bits, as blocks have them. */

import { VARINT_END } from './layout';

/** `VARINT_END` then says where the next byte is; 0 there: damaged, or not ended before `limit`. */
export function varint32(at: usize, limit: usize): u32 {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 35 && at < limit; shift += 7) {
    const byte = <u64>load<u8>(at++);
    value |= (byte & 127) << shift;
    if (byte < 128) {
      store<u32>(VARINT_END, value > 0xffffffff ? 0 : <u32>at);
      return <u32>value;
    }
  }
  store<u32>(VARINT_END, 0);
  return 0;
}

// @ts-ignore: decorator
@inline
export function varintLength(value: usize): usize {
  return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : value < 268435456 ? 4 : 5;
}

export function putVarint(at: usize, value: usize): usize {
  for (; value >= 128; value >>= 7) store<u8>(at++, <u8>(value | 128));
  store<u8>(at++, <u8>value);
  return at;
}
