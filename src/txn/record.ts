/**
 * Records of the commit log. The one encoding of a put transaction serves the log write, the conflict window, the
 * memtables and recovery alike.
 *
 *   payload = u8 kind
 *     kind 1, a commit:  varint version, section*
 *       section = varint nameBytes, name of the keyspace (none: 'default'), varint operations, varint dataBytes, op*
 *       op      = u8 type (0 delete, 1 put), varint keyBytes, key [, varint valueBytes, value]
 *     kind 2, a mark:    varint version that was visible when the group was written
 *
 * A section names its keyspace, not its tree: the tree is resolved when the record is applied, in version order.
 * `operations` and `dataBytes` (keys and values together) let the applier make room for the whole section first.
 */

import { assert } from '../base/assert.ts';
import { compareBytes } from '../base/bytes.ts';
import { ByteReader, putVarint, varintLength } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../mvcc/internal-key.ts';
import { NO_VERSION, type Version, versionOf } from '../mvcc/version.ts';
import type { LogBatch } from './wal/log-batch.ts';

export const RECORD_COMMIT = 1;
export const RECORD_VISIBLE = 2;

export const DEFAULT_KEYSPACE = 'default';
/** Type, and the varints of a key's and a value's length. */
const OP_OVERHEAD_MAX = 1 + 3 + 5;
const SECTION_OVERHEAD_MAX = 2 + 5 + 8;
const HEAD_BYTES_MAX = 1 + 8;

const nameBytes = new Map<string, Uint8Array>();

function encodedName(keyspace: string): Uint8Array {
  let bytes = nameBytes.get(keyspace);
  if (bytes === undefined) {
    bytes = keyspace === DEFAULT_KEYSPACE ? new Uint8Array(0) : Buffer.from(keyspace, 'utf8');
    nameBytes.set(keyspace, bytes);
  }
  return bytes;
}

/** Writes one commit record into a batch. begin, then for each keyspace section and its operations, then end. */
export class CommitEncoder {
  #batch: LogBatch | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #payloadStart = 0;

  /** Where in the batch the record that was begun last has its payload. */
  get payloadStart(): number {
    return this.#payloadStart;
  }

  /** An upper bound of a record's payload. `dataBytes`: keys and values together. */
  static bytesMax(operations: number, dataBytes: number, keyspaces: readonly string[]): number {
    let names = 0;
    for (const keyspace of keyspaces) names += SECTION_OVERHEAD_MAX + encodedName(keyspace).length;
    return HEAD_BYTES_MAX + names + operations * OP_OVERHEAD_MAX + dataBytes;
  }

  begin(batch: LogBatch, version: Version, bytesMax: number): void {
    this.#batch = batch;
    this.#at = batch.begin(bytesMax);
    this.#payloadStart = this.#at;
    this.#bytes = batch.bytes;
    this.#bytes[this.#at++] = RECORD_COMMIT;
    this.#at = putVarint(this.#bytes, this.#at, version);
  }

  /** Sections alone, into bytes that have room for them: then `at` is where they end, and `end` is not called. */
  beginSections(bytes: Uint8Array, at: number): void {
    this.#batch = undefined;
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  /** Sections that are encoded already, and have been held against the format. */
  sections(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes.set(bytes.subarray(start, end), this.#at);
    this.#at += end - start;
  }

  section(keyspace: string, operations: number, dataBytes: number): void {
    const name = encodedName(keyspace);
    this.#at = putVarint(this.#bytes, this.#at, name.length);
    this.#copy(name);
    this.#at = putVarint(this.#bytes, this.#at, operations);
    this.#at = putVarint(this.#bytes, this.#at, dataBytes);
  }

  /** `value` undefined: a delete. */
  op(key: Uint8Array, value: Uint8Array | undefined): void {
    this.#bytes[this.#at++] = value === undefined ? TYPE_DELETE : TYPE_VALUE;
    this.#at = putVarint(this.#bytes, this.#at, key.length);
    this.#copy(key);
    if (value === undefined) return;
    this.#at = putVarint(this.#bytes, this.#at, value.length);
    this.#copy(value);
  }

  /** Returns where the payload ends. */
  end(): number {
    assert(this.#batch !== undefined, 'end() without begin()');
    this.#batch.end(this.#at);
    this.#batch = undefined;
    return this.#at;
  }

  #copy(from: Uint8Array): void {
    const n = from.length;
    const to = this.#bytes;
    const at = this.#at;
    if (n > 64) to.set(from, at);
    else for (let i = 0; i < n; i++) to[at + i] = from[i] as number;
    this.#at = at + n;
  }
}

export function writeVisibleMark(batch: LogBatch, visible: Version): void {
  let at = batch.begin(1 + varintLength(visible));
  batch.bytes[at++] = RECORD_VISIBLE;
  batch.end(putVarint(batch.bytes, at, visible));
}

/** Called for each part of a record, in order. Offsets are into the bytes given to `readRecord`. */
export interface RecordVisitor {
  section(keyspace: string, version: Version, operations: number, dataBytes: number): void;
  put(
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    valueStart: number,
    valueLength: number,
    version: Version,
  ): void;
  del(bytes: Uint8Array, keyStart: number, keyLength: number, version: Version): void;
}

export interface RecordHead {
  readonly kind: typeof RECORD_COMMIT | typeof RECORD_VISIBLE;
  readonly version: Version;
}

/** Reads one record; CORRUPTION when its payload is not of the form above. */
export function readRecord(
  bytes: Uint8Array,
  start: number,
  end: number,
  visitor: RecordVisitor | undefined,
): RecordHead {
  const reader = new ByteReader(bytes, start, end);
  const kind = reader.u8();
  const version = versionOf(reader.varint());
  if (kind === RECORD_VISIBLE) return { kind, version };
  if (kind !== RECORD_COMMIT)
    throw new SluiceError('CORRUPTION', `A log record has the unknown kind ${kind}`);
  if (visitor !== undefined) readSections(reader, version, visitor);
  return { kind, version };
}

/** Sections without a version yet, which have been checked. */
export function visitSections(bytes: Uint8Array, start: number, end: number, visitor: RecordVisitor): void {
  readSections(new ByteReader(bytes, start, end), NO_VERSION, visitor);
}

function readSections(reader: ByteReader, version: Version, visitor: RecordVisitor): void {
  while (!reader.done) {
    const nameLength = reader.varint();
    const nameStart = reader.skip(nameLength);
    const keyspace = nameLength === 0 ? DEFAULT_KEYSPACE : decodeName(reader.bytes, nameStart, nameLength);
    const operations = reader.varint();
    visitor.section(keyspace, version, operations, reader.varint());
    for (let i = 0; i < operations; i++) readOp(reader, visitor, version);
  }
}

/**
 * Holds sections that come from elsewhere against the format: keys of each ascend, and its counts are what there is.
 * @returns bytes of keys and values together. @throws SluiceError CORRUPTION
 */
export function checkSections(
  bytes: Uint8Array,
  start: number,
  end: number,
  keyspaceSeen: (keyspace: string) => void,
): number {
  const reader = new ByteReader(bytes, start, end);
  let total = 0;
  do {
    const nameLength = reader.varint();
    const nameStart = reader.skip(nameLength);
    keyspaceSeen(nameLength === 0 ? DEFAULT_KEYSPACE : decodeName(bytes, nameStart, nameLength));
    const operations = reader.varint();
    const dataBytes = reader.varint();
    if (operations === 0 || checkOps(reader, operations) !== dataBytes)
      throw new SluiceError('CORRUPTION', 'A put transaction does not have what it says');
    total += dataBytes;
  } while (!reader.done);
  return total;
}

function checkOps(reader: ByteReader, operations: number): number {
  let dataBytes = 0;
  let before: Uint8Array | undefined;
  for (let i = 0; i < operations; i++) {
    const type = reader.u8();
    const keyLength = reader.varint();
    const keyStart = reader.skip(keyLength);
    if (operations > 1) {
      const key = reader.bytes.subarray(keyStart, keyStart + keyLength);
      if (before !== undefined && compareBytes(before, key) >= 0)
        throw new SluiceError('CORRUPTION', 'The keys of a put transaction do not ascend');
      before = key;
    }
    dataBytes += keyLength;
    if (type === TYPE_DELETE) continue;
    if (type !== TYPE_VALUE)
      throw new SluiceError('CORRUPTION', `A put transaction has the unknown operation ${type}`);
    const valueLength = reader.varint();
    reader.skip(valueLength);
    dataBytes += valueLength;
  }
  return dataBytes;
}

function readOp(reader: ByteReader, visitor: RecordVisitor, version: Version): void {
  const type = reader.u8();
  const keyLength = reader.varint();
  const keyStart = reader.skip(keyLength);
  if (type === TYPE_DELETE) {
    visitor.del(reader.bytes, keyStart, keyLength, version);
    return;
  }
  if (type !== TYPE_VALUE)
    throw new SluiceError('CORRUPTION', `A log record has the unknown operation ${type}`);
  const valueLength = reader.varint();
  const valueStart = reader.skip(valueLength);
  visitor.put(reader.bytes, keyStart, keyLength, valueStart, valueLength, version);
}

const decodedNames = new Map<string, string>();

function decodeName(bytes: Uint8Array, start: number, length: number): string {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset + start, length);
  const latin1 = raw.toString('latin1');
  let name = decodedNames.get(latin1);
  if (name === undefined) {
    name = raw.toString('utf8');
    decodedNames.set(latin1, name);
  }
  return name;
}
