/**
 * Entries of the shared log: the records of one append, in the order in which they are applied.
 *
 *     entry  = u8 1 (the format), varint ms since the epoch at which it was made, (varint length, record)*
 *     record = u8 1 or 2 …      a put transaction (put-record.ts)
 *            | u8 ≥ 0x90 …      any other: a MessagePack array (codec.ts)
 */

import { at } from '../../base/assert.ts';
import { ByteReader, putVarint, varintLength } from '../../base/codec.ts';
import { SluiceError } from '../../base/errors.ts';
import { decodePutRecord, isPutRecord, type PutRecord } from './put-record.ts';

const ENTRY_FORMAT = 1;
/** What a record takes of an entry. */
export function framedBytes(record: Uint8Array): number {
  return varintLength(record.length) + record.length;
}

export function encodeEntry(records: readonly Uint8Array[], timeMs: number): Uint8Array {
  let length = 1 + varintLength(timeMs);
  for (const record of records) length += framedBytes(record);
  const bytes = new Uint8Array(length);
  bytes[0] = ENTRY_FORMAT;
  let end = putVarint(bytes, 1, timeMs);
  for (const record of records) {
    end = putVarint(bytes, end, record.length);
    bytes.set(record, end);
    end += record.length;
  }
  return bytes;
}

/** When it was made, by the clock of the node that appended it. @throws SluiceError CORRUPTION, UNSUPPORTED_FORMAT */
export function entryTimeMs(bytes: Uint8Array): number {
  return readHead(new ByteReader(bytes));
}

function readHead(reader: ByteReader): number {
  const format = reader.u8();
  if (format !== ENTRY_FORMAT) {
    const message = `The cluster's log has an entry of format ${format}, and this software knows ${ENTRY_FORMAT}: upgrade it`;
    throw new SluiceError('UNSUPPORTED_FORMAT', message);
  }
  return reader.varint();
}

export class EntryRecords {
  readonly bytes: Uint8Array;
  /** (start, end) of each. */
  readonly #spans: number[] = [];

  /** @throws SluiceError CORRUPTION, UNSUPPORTED_FORMAT */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const reader = new ByteReader(bytes);
    readHead(reader);
    while (!reader.done) {
      const length = reader.varint();
      const start = reader.skip(length);
      this.#spans.push(start, start + length);
    }
  }

  get count(): number {
    return this.#spans.length / 2;
  }

  /** A view of the entry. */
  record(index: number): Uint8Array {
    return this.bytes.subarray(at(this.#spans, 2 * index), at(this.#spans, 2 * index + 1));
  }

  isPut(index: number): boolean {
    return isPutRecord(at(this.bytes, at(this.#spans, 2 * index)));
  }

  /** REQUIRES: `isPut`. @throws SluiceError CORRUPTION */
  put(index: number, isThere: (keyspace: string) => boolean): PutRecord {
    const [start, end] = [at(this.#spans, 2 * index), at(this.#spans, 2 * index + 1)];
    return decodePutRecord(this.bytes, start, end, isThere);
  }
}
