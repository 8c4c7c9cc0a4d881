/**
 * The format of a log segment, `DIR/wal/NNNNNN.wal`. All integers are little-endian.
 *
 *     header   8  magic "SLUICLOG"
 *              4  format version, 1
 *              8  segment id, as in the file's name
 *              8  id of the segment before this one, 0 for none: tells a lost segment from an unlinked one
 *             16  database id
 *              4  CRC-32 of the 44 bytes before
 *     frames, one after the other:
 *     record   4  payload bytes, 1 to 2^31 - 1
 *              4  CRC-32 of the payload ^ salt
 *              n  payload
 *     group    4  0xfffffffe             one before the records of each write
 *              4  CRC-32 of the next 8 bytes ^ salt
 *              8  how many bytes of this segment were durable when the write was made
 *     seal     4  0xffffffff             the last frame of a finished segment
 *              4  ~CRC-32 of the next 8 bytes ^ salt
 *              8  position of this frame
 *
 * The salt is the CRC-32 of database id and segment id, so no frame of another segment passes for one of this.
 *
 * A segment's length runs ahead of its frames, sparse, so that few appends change it; zeros follow the last frame. A
 * seal is written once everything before it is durable, and the next segment is made once the seal is: so each
 * segment but the newest must be sealed. In the newest, the first frame that is not whole ends the log, unless a later
 * group or seal proves that the place was durable before: that is damage, not a torn write. (A later *record* proves
 * nothing: of a write that was never synced, any part may survive a loss of power.)
 */

import { fixed32, fixed64, putFixed32, putFixed64 } from '../../base/codec.ts';
import { crc32 } from './crc32.ts';

export const HEADER_BYTES = 48;
/** What a disk writes whole, at most. */
export const SECTOR_BYTES = 512;
/** Length and CRC before a payload. */
export const FRAME_BYTES = 8;
/** A group or seal frame. */
export const MARK_BYTES = 16;
export const RECORD_BYTES_MAX = 0x7fffffff;
export const GROUP = 0xfffffffe;
export const SEAL = 0xffffffff;

const MAGIC = Uint8Array.from('SLUICLOG', (c) => c.charCodeAt(0));
const FORMAT_VERSION = 1;
const CRC_AT = HEADER_BYTES - 4;

export interface SegmentHeader {
  readonly formatVersion: number;
  readonly segmentId: number;
  readonly previousId: number;
  /** 32 hex digits. */
  readonly databaseId: string;
}

export function encodeHeader(segmentId: number, previousId: number, databaseId: string): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(MAGIC);
  putFixed32(bytes, 8, FORMAT_VERSION);
  putFixed64(bytes, 12, segmentId);
  putFixed64(bytes, 20, previousId);
  bytes.set(Buffer.from(databaseId, 'hex'), 28);
  putFixed32(bytes, CRC_AT, crc32(bytes, 0, CRC_AT));
  return bytes;
}

/**
 * Of the first sector of a segment. 'absent': its header never reached the disk, or not whole: then it begins as one, and
 * zeros follow. Nothing in such a segment was ever synced.
 */
export function decodeHeader(bytes: Uint8Array): SegmentHeader | 'absent' | 'damaged' {
  if (bytes.length < HEADER_BYTES) return 'absent';
  if (fixed32(bytes, CRC_AT) !== crc32(bytes, 0, CRC_AT)) return isTornHeader(bytes) ? 'absent' : 'damaged';
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) return 'damaged';
  return {
    formatVersion: fixed32(bytes, 8),
    segmentId: fixed64(bytes, 12),
    previousId: fixed64(bytes, 20),
    databaseId: Buffer.from(bytes.subarray(28, CRC_AT)).toString('hex'),
  };
}

function isTornHeader(bytes: Uint8Array): boolean {
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  return end < HEADER_BYTES && MAGIC.every((byte, i) => i >= end || bytes[i] === byte);
}

export function isSupported(header: SegmentHeader): boolean {
  return header.formatVersion === FORMAT_VERSION;
}

export function saltOf(databaseId: string, segmentId: number): number {
  const bytes = new Uint8Array(24);
  bytes.set(Buffer.from(databaseId, 'hex'));
  putFixed64(bytes, 16, segmentId);
  return crc32(bytes, 0, bytes.length);
}

function markCrc(kind: number, bytes: Uint8Array, at: number, salt: number): number {
  const crc = crc32(bytes, at + FRAME_BYTES, at + MARK_BYTES) ^ salt;
  return (kind === SEAL ? ~crc : crc) >>> 0; // so that one flipped bit does not make a seal of a group
}

export function putMark(bytes: Uint8Array, at: number, kind: number, position: number, salt: number): void {
  putFixed32(bytes, at, kind);
  putFixed64(bytes, at + FRAME_BYTES, position);
  putFixed32(bytes, at + 4, markCrc(kind, bytes, at, salt));
}

/** The position in the mark at bytes[at …), which lies at `position` of its segment; -1 when it is damaged. */
export function markAt(bytes: Uint8Array, at: number, position: number, salt: number): number {
  const kind = fixed32(bytes, at);
  if (fixed32(bytes, at + 4) !== markCrc(kind, bytes, at, salt)) return -1;
  if (fixed32(bytes, at + 12) > 0x1fffff) return -1;
  const value = fixed64(bytes, at + FRAME_BYTES);
  return kind === SEAL ? (value === position ? value : -1) : value <= position ? value : -1;
}

export function segmentName(id: number): string {
  return `${String(id).padStart(6, '0')}.wal`;
}

/** undefined for a file that is not a segment. */
export function segmentIdOf(name: string): number | undefined {
  const digits = /^(\d{6,15})\.wal$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
