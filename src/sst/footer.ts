/**
 * The last 53 bytes of a table.
 *
 *   format_version 2 to 5: u8 checksum type | metaindex handle | index handle (varints) | zero padding to 41 |
 *                          u32 format_version | u64 magic
 *   format_version 6, 7:   u8 checksum type | 3e 00 7a 00 | u32 footer checksum | u32 base context checksum |
 *                          u32 metaindex bytes | 24 zero bytes | u32 format_version | u64 magic
 *
 * From format_version 6 the index handle is in the metaindex, and each checksum is offset by a number made of the base
 * context checksum and the position, so that a block of another file or place is not taken for the right one.
 */

import { ByteReader, fixed32, putFixed32, putVarint } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';
import { BLOCK_TRAILER_BYTES, checksumModifier } from './checksum.ts';
import {
  type BlockHandle,
  CHECKSUM_NAMES,
  FOOTER_BYTES,
  FORMAT_VERSION_MAX,
  FORMAT_VERSION_MIN,
  LEGACY_MAGIC_HIGH,
  LEGACY_MAGIC_LOW,
  MAGIC_HIGH,
  MAGIC_LOW,
} from './format.ts';

const EXTENDED_MAGIC = 0x007a003e;
const HANDLES_END = 41;

export interface Footer {
  readonly formatVersion: number;
  readonly checksumType: number;
  readonly metaindex: BlockHandle;
  /** Undefined from format_version 6 on. */
  readonly index: BlockHandle | undefined;
  /** 0 when checksums do not depend on the position. */
  readonly baseContext: number;
}

/** Computes the stored checksum of `bytes` followed by its last byte as the type byte. */
export type ChecksumOf = (type: number, bytes: Uint8Array, length: number) => number;

/** `tail`: the last 53 bytes (or the whole file when shorter). */
export function decodeFooter(
  tail: Uint8Array,
  fileBytes: number,
  path: string,
  checksumOf: ChecksumOf,
): Footer {
  checkMagic(tail, path);
  if (tail.length < FOOTER_BYTES) throw corrupt(path, `is only ${fileBytes} bytes long`);
  const formatVersion = fixed32(tail, HANDLES_END);
  if (formatVersion > FORMAT_VERSION_MAX || formatVersion < FORMAT_VERSION_MIN) {
    throw new SluiceError(
      'UNSUPPORTED_FORMAT',
      `${path}: RocksDB format_version ${formatVersion}; ${FORMAT_VERSION_MIN} to ${FORMAT_VERSION_MAX} are read`,
    );
  }
  const checksumType = tail[0] as number;
  if (checksumType >= CHECKSUM_NAMES.length) {
    throw new SluiceError('UNSUPPORTED_FORMAT', `${path}: unknown checksum type ${checksumType}`);
  }
  const limit = fileBytes - FOOTER_BYTES;
  if (formatVersion >= 6) return decodeExtended(tail, limit, path, checksumOf);
  const reader = new ByteReader(tail, 1, HANDLES_END);
  const metaindex = readHandle(reader, limit, path, 'metaindex');
  const index = readHandle(reader, limit, path, 'index');
  return { formatVersion, checksumType, metaindex, index, baseContext: 0 };
}

function decodeExtended(tail: Uint8Array, limit: number, path: string, checksumOf: ChecksumOf): Footer {
  const checksumType = tail[0] as number;
  if (fixed32(tail, 1) !== EXTENDED_MAGIC) throw corrupt(path, 'has no extended magic in its footer');
  const stored = fixed32(tail, 5);
  const baseContext = fixed32(tail, 9);
  const metaindexBytes = fixed32(tail, 13);
  if (checksumType !== 0) {
    const zeroed = tail.slice();
    putFixed32(zeroed, 5, 0);
    const sum = checksumOf(checksumType, zeroed, FOOTER_BYTES - 1) + checksumModifier(baseContext, limit);
    if (sum >>> 0 !== stored) {
      throw new SluiceError('CHECKSUM_MISMATCH', `${path}: the footer does not match its checksum`);
    }
  }
  for (let i = 17; i < HANDLES_END; i++) {
    if (tail[i] !== 0) {
      throw new SluiceError('UNSUPPORTED_FORMAT', `${path}: unknown feature bits in the footer at byte ${i}`);
    }
  }
  const offset = limit - BLOCK_TRAILER_BYTES - metaindexBytes;
  if (offset < 0) throw corrupt(path, `says that its metaindex has ${metaindexBytes} bytes`);
  return {
    formatVersion: fixed32(tail, HANDLES_END),
    checksumType,
    metaindex: { offset, bytes: metaindexBytes },
    index: undefined,
    baseContext,
  };
}

function checkMagic(tail: Uint8Array, path: string): void {
  const n = tail.length;
  if (n >= 8) {
    const low = fixed32(tail, n - 8);
    const high = fixed32(tail, n - 4);
    if (low === MAGIC_LOW && high === MAGIC_HIGH) return;
    if (low === LEGACY_MAGIC_LOW && high === LEGACY_MAGIC_HIGH) {
      throw new SluiceError(
        'UNSUPPORTED_FORMAT',
        `${path}: a table of format_version 0 (legacy magic number); rewrite it with RocksDB 3 or later`,
      );
    }
  }
  const hex = Buffer.from(tail.subarray(Math.max(0, n - 8))).toString('hex');
  throw new SluiceError(
    'CORRUPTION',
    `${path}: not an SST file: it ends with ${n === 0 ? 'nothing (it is empty)' : `0x${hex}`} instead of the ` +
      'magic number f7cff485b741e288 of a RocksDB block-based table',
  );
}

/** Reads a handle and checks that its block with trailer lies before `limit`. */
export function readHandle(reader: ByteReader, limit: number, path: string, what: string): BlockHandle {
  const offset = reader.varint();
  const bytes = reader.varint();
  if (offset + bytes + BLOCK_TRAILER_BYTES > limit) {
    throw corrupt(path, `says that its ${what} block is ${bytes} bytes at ${offset}, beyond its end`);
  }
  return { offset, bytes };
}

function corrupt(path: string, what: string): SluiceError {
  return new SluiceError('CORRUPTION', `${path}: the table ${what}; it is truncated or damaged`);
}

/** Writes a footer of format_version 2 to 5 at `at`. */
export function putFooter(
  bytes: Uint8Array,
  at: number,
  footer: { formatVersion: number; checksumType: number; metaindex: BlockHandle; index: BlockHandle },
): void {
  bytes.fill(0, at, at + FOOTER_BYTES);
  bytes[at] = footer.checksumType;
  let p = putVarint(bytes, at + 1, footer.metaindex.offset);
  p = putVarint(bytes, p, footer.metaindex.bytes);
  p = putVarint(bytes, p, footer.index.offset);
  putVarint(bytes, p, footer.index.bytes);
  putFixed32(bytes, at + HANDLES_END, footer.formatVersion);
  putFixed32(bytes, at + HANDLES_END + 4, MAGIC_LOW);
  putFixed32(bytes, at + HANDLES_END + 8, MAGIC_HIGH);
}
