/**
 * Put transactions in entries of the shared log, in a form that a replica need not take apart: their sections are copied into its own log,
 * from which memtables and the conflict window take them as those of any database.
 *
 *     record = u8 1, section*                              one that has read nothing; sections as in a database's own log (txn/record.ts)
 *            | u8 2, varint snapshot, varint bytes of what follows up to the sections, reads*, section*
 *            | u8 3, bytes id of the client's request, and as 2, of one that may have read nothing
 *     reads  = bytes keyspace, varint number, (bytes key)*, varint number, (bytes lower, u8 whether there is an upper [, bytes upper])*
 *     bytes  = varint length, that many
 */

import { ByteReader, putVarint, varintLength } from '../../base/codec.ts';
import { SluiceError } from '../../base/errors.ts';
import { keyBytes, keyString, type ReadRange, ReadSet } from '../../txn/read-set.ts';
import { CommitEncoder, checkSections } from '../../txn/record.ts';
import type { RunSection } from '../../txn/run.ts';
import type { RecordReads } from './log-record.ts';

const PUTS = 1;
const CHECKED_PUTS = 2;
const REQUESTED_PUTS = 3;

export interface PutRecord {
  /** Of its sections, in the entry. */
  readonly start: number;
  readonly end: number;
  /** Keys and values together. */
  readonly dataBytes: number;
  /** A keyspace that it writes to and that is not there. */
  readonly lacking: string | undefined;
  /** What it has read, and at which version; undefined: nothing. */
  readonly reads: ReadSet | undefined;
  readonly snapshot: number;
  /** Of the client's request. */
  readonly request: string | undefined;
}

/** By a record's first byte: any other is a MessagePack array. */
export function isPutRecord(first: number): boolean {
  return first === PUTS || first === CHECKED_PUTS || first === REQUESTED_PUTS;
}

const encoder = new CommitEncoder();

/** A put or, with `value` undefined, a delete. */
export function encodePut(keyspace: string, key: Uint8Array, value: Uint8Array | undefined): Uint8Array {
  const dataBytes = key.length + (value?.length ?? 0);
  const bytes = Buffer.allocUnsafe(1 + CommitEncoder.bytesMax(1, dataBytes, [keyspace]));
  bytes[0] = PUTS;
  encoder.beginSections(bytes, 1);
  encoder.section(keyspace, 1, dataBytes);
  encoder.op(key, value);
  return bytes.subarray(0, encoder.at);
}

/** REQUIRES: it writes something. */
export function encodePuts(sections: ReadonlyMap<string, RunSection>): Uint8Array {
  const bytes = Buffer.allocUnsafe(1 + sectionBytesMax(sections));
  bytes[0] = PUTS;
  return bytes.subarray(0, putSections(bytes, 1, sections));
}

/** What a transaction says besides what it writes. */
export interface PutChecks {
  /** undefined: it has read nothing. */
  readonly reads: Pick<RecordReads, 'points' | 'ranges'> | undefined;
  readonly snapshot: number;
  readonly request: string | undefined;
}

/** REQUIRES: it writes something, has read something or has a request, and no file is read. */
export function encodeCheckedPuts(
  sections: ReadonlyMap<string, RunSection>,
  { reads, snapshot, request }: PutChecks,
): Uint8Array {
  const parts = readParts(reads);
  const id = new Parts();
  if (request !== undefined) id.bytes(Buffer.from(request));
  const head = 1 + id.length + varintLength(snapshot) + varintLength(parts.length);
  const bytes = Buffer.allocUnsafe(head + parts.length + sectionBytesMax(sections));
  bytes[0] = request === undefined ? CHECKED_PUTS : REQUESTED_PUTS;
  const start = putVarint(bytes, putVarint(bytes, id.put(bytes, 1), snapshot), parts.length);
  return bytes.subarray(0, putSections(bytes, parts.put(bytes, start), sections));
}

function readParts(reads: PutChecks['reads']): Parts {
  const parts = new Parts();
  if (reads === undefined) return parts;
  for (const keyspace of new Set([...reads.points.keys(), ...reads.ranges.keys()])) {
    parts.bytes(Buffer.from(keyspace));
    const points = reads.points.get(keyspace) ?? [];
    parts.number(points.length);
    for (const point of points) parts.bytes(keyBytes(point));
    const ranges = reads.ranges.get(keyspace) ?? [];
    parts.number(ranges.length);
    for (const { lower, upper } of ranges) {
      parts.bytes(keyBytes(lower));
      parts.number(upper === undefined ? 0 : 1);
      if (upper !== undefined) parts.bytes(keyBytes(upper));
    }
  }
  return parts;
}

function sectionBytesMax(sections: ReadonlyMap<string, RunSection>): number {
  let [operations, dataBytes] = [0, 0];
  for (const section of sections.values()) {
    operations += section.size;
    dataBytes += section.dataBytes;
  }
  return CommitEncoder.bytesMax(operations, dataBytes, [...sections.keys()]);
}

function putSections(bytes: Uint8Array, start: number, sections: ReadonlyMap<string, RunSection>): number {
  encoder.beginSections(bytes, start);
  for (const [keyspace, section] of sections) {
    encoder.section(keyspace, section.size, section.dataBytes);
    for (const { key, value } of section.sorted()) encoder.op(key, value);
  }
  return encoder.at;
}

/** Numbers, and bytes with their length before them. */
class Parts {
  readonly #parts: (number | Uint8Array)[] = [];
  length = 0;

  number(number: number): void {
    this.#parts.push(number);
    this.length += varintLength(number);
  }

  bytes(bytes: Uint8Array): void {
    this.number(bytes.length);
    this.#parts.push(bytes);
    this.length += bytes.length;
  }

  put(to: Uint8Array, start: number): number {
    let end = start;
    for (const part of this.#parts) {
      if (typeof part === 'number') end = putVarint(to, end, part);
      else {
        to.set(part, end);
        end += part.length;
      }
    }
    return end;
  }
}

/** The record at [start, end). REQUIRES: `isPutRecord` of its first byte. @throws SluiceError CORRUPTION */
export function decodePutRecord(
  bytes: Uint8Array,
  start: number,
  end: number,
  isThere: (keyspace: string) => boolean,
): PutRecord {
  const written = new Set<string>();
  let lacking: string | undefined;
  let [reads, snapshot, at]: [ReadSet | undefined, number, number] = [undefined, 0, start + 1];
  let request: string | undefined;
  if (bytes[start] !== PUTS) {
    const head = new ByteReader(bytes, at, end);
    if (bytes[start] === REQUESTED_PUTS) request = Buffer.from(head.take(head.varint())).toString('utf8');
    snapshot = head.varint();
    const length = head.varint();
    at = head.skip(length) + length;
    if (length > 0 || request === undefined) {
      reads = decodeReads(new ByteReader(bytes, at - length, at));
      reads.written = written;
    }
  }
  const dataBytes = checkSections(bytes, at, end, (keyspace) => {
    if (reads !== undefined) written.add(keyspace);
    if (!isThere(keyspace)) lacking ??= keyspace;
  });
  return { start: at, end, dataBytes, lacking, reads, snapshot, request };
}

function decodeReads(reader: ByteReader): ReadSet {
  const reads = new ReadSet();
  while (!reader.done) {
    const keyspace = Buffer.from(reader.take(reader.varint())).toString('utf8');
    const points = keysOf(reader, reader.varint());
    if (points.length > 0) reads.points.set(keyspace, new Set(points));
    const ranges: ReadRange[] = [];
    for (let left = reader.varint(); left > 0; left--) {
      const lower = keyOf(reader);
      ranges.push({ lower, upper: reader.u8() === 0 ? undefined : keyOf(reader) });
    }
    if (ranges.length > 0) reads.ranges.set(keyspace, ranges);
  }
  if (reads.isEmpty) throw new SluiceError('CORRUPTION', 'A put transaction has not read what it says');
  return reads;
}

function keysOf(reader: ByteReader, count: number): string[] {
  const keys: string[] = [];
  for (let left = count; left > 0; left--) keys.push(keyOf(reader));
  return keys;
}

function keyOf(reader: ByteReader): string {
  const length = reader.varint();
  return keyString(reader.bytes, reader.skip(length), length);
}
