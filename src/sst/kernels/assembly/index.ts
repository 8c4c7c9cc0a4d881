/** The exports of the module; ../wasm-kernels.ts wraps them. */

import { crc32c, makeCrcTables } from './crc32c';
import { KEY_HASH_HIGH, TABLE } from './layout';
import { xxh3, xxph3 } from './xxh3';
import { xxh32, xxh64 } from './xxhash';

export { checkDataBlock } from './check-block';
export { encodeEntries } from './encode-entries';
export { findInBlock } from './find-in-block';
export { lz4Compress, lz4Decompress } from './lz4';
export { sortRecords } from './sort-records';
export { snappyCompress, snappyDecompress, snappyRawLength } from './snappy';

makeCrcTables();
// Static data must end below the scratch area.
if (__heap_base > TABLE) unreachable();

export function blockChecksum(type: u32, start: usize, length: usize): u32 {
  if (type == 4) return <u32>xxh3(start, length) ^ (<u32>load<u8>(start + length) * 0x6b9083d9);
  if (type == 1) return rotr<u32>(crc32c(start, length + 1), 15) + 0xa282ead8;
  if (type == 3) return <u32>xxh64(start, length + 1);
  if (type == 2) return xxh32(start, length + 1);
  return 0;
}

export function keyHash(start: usize, length: usize): u32 {
  const hash = xxph3(start, length);
  store<u32>(KEY_HASH_HIGH, <u32>(hash >> 32));
  return <u32>hash;
}
