/**
 * Block checksums of the table format. The kernels compute them; here are their names, and what format version 6 adds.
 *
 * Block trailer: u8 compression type | u32 checksum over the block and that byte.
 */

import { SluiceError } from '../base/errors.ts';

/**
 * 0 none; 1 CRC-32C, rotated right by 15 and moved by a constant, so that a checksum of data with checksums in it stays
 * strong; 2 xxHash; 3 the low 32 bits of XXH64; 4 low32(XXH3_64(block)) ^ type byte × 0x6b9083d9.
 */
export type ChecksumType = 0 | 1 | 2 | 3 | 4;

export const BLOCK_TRAILER_BYTES = 5;

/** Throws UNSUPPORTED_FORMAT for a number that names no checksum we know. */
export function checksumType(value: number): ChecksumType {
  switch (value) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return value;
    default:
      throw new SluiceError(
        'UNSUPPORTED_FORMAT',
        `Checksum type ${value} is not known (0 none, 1 crc32c, 2 xxhash, 3 xxhash64, 4 xxh3 are)`,
      );
  }
}

/**
 * What format versions 6 and up add (mod 2^32) to each stored checksum, so that a block found at another offset or in
 * another file does not pass. 0 for files without a base context.
 */
export function checksumModifier(baseContextChecksum: number, blockOffset: number): number {
  if (baseContextChecksum === 0) return 0;
  const offsetSum = (blockOffset >>> 0) + Math.floor(blockOffset / 4294967296);
  return (baseContextChecksum ^ offsetSum) >>> 0;
}
