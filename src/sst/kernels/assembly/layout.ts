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
