/** The exports of the module; ../wasm-kernels.ts wraps them. */

import { makeCrcTables } from './crc32c';
import { KEY_HASH_HIGH, TABLE } from './layout';
import { xxph3 } from './xxh3';

export { noteRecords, stageSorted } from './arena';
export { blockChecksum } from './block-checksum';
export { checkDataBlock } from './check-block';
export { decodeIndex } from './decode-index';
export { delimitedRecords } from './delimited-records';
export { encodeBlocks, storeBlocks } from './encode-blocks';
export { setFilterBits } from './filter-bits';
export { findByHeads, findInBlock } from './find-in-block';
export { gatherEntries } from './gather-entries';
export { lz4Compress, lz4Decompress } from './lz4';
export { beginMerge, mergeEntries } from './merge-entries';
export { sortRecords } from './sort-records';
export { stageBatch } from './stage-batch';
export { snappyCompress, snappyDecompress, snappyRawLength } from './snappy';

makeCrcTables();
// Static data must end below the scratch area.
if (__heap_base > TABLE) unreachable();

export function keyHash(start: usize, length: usize): u32 {
  const hash = xxph3(start, length);
  store<u32>(KEY_HASH_HIGH, <u32>(hash >> 32));
  return <u32>hash;
}
