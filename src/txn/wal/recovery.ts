/** Reading the log back: at open, by the writer; and at any time, by a second process beside it. */

import { assert } from '../../base/assert.ts';
import type { File, FileSystem } from '../../base/env/file-system.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import {
  decodeHeader,
  HEADER_BYTES,
  isSupported,
  MARK_BYTES,
  putMark,
  SEAL,
  SECTOR_BYTES,
  saltOf,
  segmentIdOf,
  segmentName,
} from './format.ts';
import { type OnRecord, type WalkEnd, walkSegment, wasDurable } from './segment-reader.ts';

export interface SegmentInfo {
  readonly id: number;
  readonly bytes: number;
}

/** Ids of the segments in `dir`, ascending. */
export function listSegments(fs: FileSystem, dir: string): number[] {
  return fs
    .readdirSync(dir)
    .map(segmentIdOf)
    .filter((id) => id !== undefined)
    .sort((a, b) => a - b);
}

/**
 * Replays every record of every segment and makes durable what it replayed: the newest segment is cut behind its last
 * whole record, sealed and synced; one without records is removed.
 *
 * Throws CORRUPTION, naming file and offset, for damage that no crash explains; nothing is changed on disk then.
 */
export function recoverSegments(
  fs: FileSystem,
  dir: string,
  databaseId: string,
  onRecord: OnRecord,
): SegmentInfo[] {
  const ids = listSegments(fs, dir);
  const chain = new Chain(ids);
  const segments: SegmentInfo[] = [];
  const empty: string[] = [];
  for (const id of ids) {
    const newest = id === ids.at(-1);
    const path = `${dir}/${segmentName(id)}`;
    const file = fs.openSync(path, newest ? 'update' : 'read');
    try {
      const salt = saltOf(databaseId, id);
      const end = readOne(file, id, chain, databaseId, newest, onRecord);
      if (!end.sealed && wasDurable(file, salt, end.position)) {
        throw damage(file.path, end.position, 'the record there is not whole, but it had been synced');
      }
      if (end.records === 0) empty.push(path);
      else {
        if (newest) makeDurable(file, end, salt);
        segments.push({ id, bytes: end.position + MARK_BYTES });
      }
    } finally {
      file.closeSync();
    }
  }
  for (const path of empty) fs.unlinkSync(path); // only now: nothing is changed when a later one is damaged
  return segments;
}

/**
 * Each header names the segment before it that has records. Segments are unlinked oldest first, so when that one is
 * not there, or has lost its records, and yet an older one is there, it is a loss.
 */
class Chain {
  oldest: number;
  /** The last segment with records. */
  last = 0;

  constructor(ids: readonly number[]) {
    this.oldest = ids[0] ?? 0;
  }

  isBroken(previousId: number): boolean {
    return previousId >= this.oldest && previousId !== this.last;
  }
}

/**
 * One segment as far as it is whole. A segment without a header or without records is one that a crash left as it was
 * being made; were it one that lost its records, the header of the next would name it.
 */
function readOne(
  file: File,
  id: number,
  chain: Chain,
  databaseId: string,
  newest: boolean,
  onRecord: OnRecord,
  from = HEADER_BYTES,
): WalkEnd {
  if (!checkHeader(file, id, chain, databaseId)) {
    return { position: 0, sealed: false, durableBytes: 0, records: 0 };
  }
  const end = walkSegment(file, id, saltOf(databaseId, id), onRecord, from);
  const hasRecords = end.records > 0 || from > HEADER_BYTES;
  if (!newest && !end.sealed && hasRecords) {
    throw damage(file.path, end.position, 'the record there is not whole, and later segments exist');
  }
  if (hasRecords) chain.last = id;
  return end;
}

/** False when there is none. */
function checkHeader(file: File, id: number, chain: Chain, databaseId: string): boolean {
  const bytes = new Uint8Array(SECTOR_BYTES);
  const header = decodeHeader(bytes.subarray(0, file.readSync(bytes, 0, SECTOR_BYTES, 0)));
  if (header === 'absent') return false;
  if (header === 'damaged') throw damage(file.path, 0, 'its header is damaged');
  if (!isSupported(header)) {
    throw new SluiceError(
      'UNSUPPORTED_FORMAT',
      `The log segment ${file.path} has format version ${header.formatVersion}, newer than this SluiceDB; upgrade it`,
    );
  }
  if (header.databaseId !== databaseId) {
    throw damage(file.path, 0, `it belongs to the database ${header.databaseId}, this is ${databaseId}`);
  }
  if (header.segmentId !== id) throw damage(file.path, 0, `it is a copy of segment ${header.segmentId}`);
  if (chain.isBroken(header.previousId)) {
    throw damage(
      file.path,
      0,
      `the segment before it, ${segmentName(header.previousId)}, is missing or damaged`,
    );
  }
  return true;
}

/**
 * A process whose fdatasync failed leaves pages that look clean and are not on the disk: syncing them again does
 * nothing. So what no group calls durable is written once more before it is synced. The seal comes after that sync:
 * a seal says that everything before it is durable.
 */
function makeDurable(file: File, end: WalkEnd, salt: number): void {
  if (!end.sealed) {
    rewrite(file, end.durableBytes, end.position);
    file.datasyncSync();
  }
  const seal = new Uint8Array(MARK_BYTES);
  putMark(seal, 0, SEAL, end.position, salt);
  file.writeSync(seal, 0, MARK_BYTES, end.position);
  file.truncateSync(end.position + MARK_BYTES);
  file.datasyncSync();
}

function rewrite(file: File, from: number, to: number): void {
  const chunk = new Uint8Array(Math.min(1 << 20, Math.max(1, to - from)));
  for (let position = from; position < to; ) {
    const n = file.readSync(chunk, 0, Math.min(chunk.length, to - position), position);
    assert(n > 0, `${file.path} became shorter while it was recovered`);
    file.writeSync(chunk, 0, n, position);
    position += n;
  }
}

function damage(path: string, offset: number, what: string): SluiceError {
  return new SluiceError(
    'CORRUPTION',
    `The log segment ${path} is damaged at byte ${offset}: ${what}. ` +
      'Nothing was changed; restore the file from a backup',
  );
}

/** How far a reader has come. */
export interface LogPosition {
  readonly segmentId: number;
  readonly position: number;
}

/**
 * Reads a log that another process may be writing: as far as records are whole, never changing anything. A segment
 * that vanishes before it is opened is skipped: its records are in tables of a newer manifest.
 *
 * A whole record need not be a commit: the writer cuts what it could not finish writing. What is visible is for the
 * caller to decide.
 * @param from as returned by the last call, to read only what is new
 */
export function readSegments(
  fs: FileSystem,
  dir: string,
  databaseId: string,
  onRecord: OnRecord,
  from?: LogPosition,
): LogPosition {
  let reached = from ?? { segmentId: 0, position: HEADER_BYTES };
  const all = fs.existsSync(dir) ? listSegments(fs, dir) : [];
  const ids = all.filter((id) => id >= reached.segmentId);
  const chain = new Chain(ids);
  for (const id of ids) {
    const file = openUnlessGone(fs, `${dir}/${segmentName(id)}`);
    if (file === undefined) {
      chain.oldest = id + 1;
      continue;
    }
    try {
      const start = id === reached.segmentId ? reached.position : HEADER_BYTES;
      const end = readOne(file, id, chain, databaseId, id === ids.at(-1), onRecord, start);
      if (end.position > 0) reached = { segmentId: id, position: end.position };
    } finally {
      file.closeSync();
    }
  }
  return reached;
}

/** undefined where another process has just removed it. */
export function openUnlessGone(fs: FileSystem, path: string): File | undefined {
  try {
    return fs.openSync(path, 'read');
  } catch (error) {
    if (isSluiceError(error, 'FILE_NOT_FOUND')) return undefined;
    throw error;
  }
}
