/**
 * The kernels' own area at the start of the memory. Static data lies below TABLE; the tables are scratch.
 * KERNEL_RESERVED_BYTES in ../wasm-kernels.ts is the end of it.
 */

/** Hash table of the compressors: 16,384 u32 at most. */
export const TABLE: usize = 0x10000;
/** Eight tables of 256 u32 for CRC-32C, filled when the module starts. */
export const CRC_TABLES: usize = 0x20000;
/** The high half of the last key hash, u32. */
export const KEY_HASH_HIGH: usize = 0x22000;
/** Where the varint read last ended, u32. */
export const VARINT_END: usize = 0x22004;
/** Written so that what was read only to have it near is not left out, u32. */
export const TOUCHED: usize = 0x22008;
/** What `findInBlock` found: version f64, then type, value start and value length as u32. */
export const FOUND_VERSION: usize = 0x22010;
export const FOUND_TYPE: usize = 0x22018;
export const FOUND_VALUE_START: usize = 0x2201c;
export const FOUND_VALUE_LENGTH: usize = 0x22020;
/** What `checkDataBlock` says of a sound block: six u32, see check-block.ts. */
export const SHAPE: usize = 0x22030;
/** The least and the greatest version of that block, f64 each, where rules for entries were asked. */
export const VERSIONS: usize = 0x22048;
/** The state of `gatherEntries`: nineteen u32, see gather-entries.ts. */
export const GATHER: usize = 0x22080;
/** The key that `findInBlock` looks for or `gatherEntries` stops at, and eight bytes of anything after it. */
export const KEY: usize = 0x23000;
/** The last key of the block checked last, or of the entry gathered last, with its trailer, and the most that it can have. */
export const LAST_KEY: usize = 0x24000;
export const LAST_KEY_BYTES: usize = 0x11000;
