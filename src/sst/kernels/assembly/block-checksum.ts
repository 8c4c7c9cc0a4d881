/** Checksums of blocks by the type that a table names; see ../../checksum.ts. */

import { crc32c } from './crc32c';
import { xxh3 } from './xxh3';
import { xxh32, xxh64 } from './xxhash';

export function blockChecksum(type: u32, start: usize, length: usize): u32 {
  if (type == 4) return <u32>xxh3(start, length) ^ (<u32>load<u8>(start + length) * 0x6b9083d9);
  if (type == 1) return rotr<u32>(crc32c(start, length + 1), 15) + 0xa282ead8;
  if (type == 3) return <u32>xxh64(start, length + 1);
  if (type == 2) return xxh32(start, length + 1);
  return 0;
}
