/** What who has entries, who builds blocks of them and who stores these tell each other (block-encoder.ts, table-builder.ts). */

import type { Version } from '../mvcc/version.ts';

/** Entries in key order as records (kernels/js-encode-blocks.ts), in [0, length) of `bytes`. */
export interface StagedRecords {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly entries: number;
  /** The internal key of the last one. */
  readonly lastAt: number;
  readonly lastLength: number;
}

/** Full blocks, each with its trailer; their index records; two words for each key's hash. */
export interface BuiltBlocks {
  /** False: blocks are raw, and what is in their trailers counts for nothing. */
  readonly sealed: boolean;
  readonly bytes: Uint8Array;
  readonly index: Uint8Array;
  readonly hashes: Uint32Array;
}

/** One raw block, with its last internal key, and the first one after it, if there is one. */
export interface CutBlock {
  readonly raw: Uint8Array;
  readonly last: Uint8Array;
  readonly next: Uint8Array | undefined;
}

/** Of all entries of a table. */
export interface TableTotals {
  readonly entries: number;
  readonly deletes: number;
  /** Of internal keys. */
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** User keys, inclusive; empty when there is no entry. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
  readonly minVersion: Version;
  readonly maxVersion: Version;
}
