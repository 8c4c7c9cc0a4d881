/**
 * Entries of the shared log: the records of one append, in the order in which they are applied.
 *
 *     entry  = u8 1 (the format), varint ms since the epoch at which it was made, (varint length, record)*
 *     record = u8 1, section*      a put transaction that has read nothing: sections as in a database's own log (txn/record.ts)
 *            | u8 ≥ 0x90 …         any other: a MessagePack array (codec.ts)
 *
 * Most are of the first kind. They are never taken apart into objects: their sections are copied into the replica's log, from which
 * memtables and the conflict window take them as those of any database.
 */

import { at } from '../../base/assert.ts';
import { ByteReader, putVarint, varintLength } from '../../base/codec.ts';
import { SluiceError } from '../../base/errors.ts';
import { CommitEncoder, checkSections } from '../../txn/record.ts';
import type { RunSection } from '../../txn/run.ts';

const ENTRY_FORMAT = 1;
const PUTS = 1;

const encoder = new CommitEncoder();

/** A put or, with `value` undefined, a delete. */
export function encodePut(keyspace: string, key: Uint8Array, value: Uint8Array | undefined): Uint8Array {
  const dataBytes = key.length + (value?.length ?? 0);
  const bytes = begun(CommitEncoder.bytesMax(1, dataBytes, [keyspace]));
  encoder.section(keyspace, 1, dataBytes);
  encoder.op(key, value);
  return bytes.subarray(0, encoder.at);
}

/** REQUIRES: it writes something. */
export function encodePuts(sections: ReadonlyMap<string, RunSection>): Uint8Array {
  let [operations, dataBytes] = [0, 0];
  for (const section of sections.values()) {
    operations += section.size;
    dataBytes += section.dataBytes;
  }
  const bytes = begun(CommitEncoder.bytesMax(operations, dataBytes, [...sections.keys()]));
  for (const [keyspace, section] of sections) {
    encoder.section(keyspace, section.size, section.dataBytes);
    for (const { key, value } of section.sorted()) encoder.op(key, value);
  }
  return bytes.subarray(0, encoder.at);
}

function begun(bytesMax: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(bytesMax);
  bytes[0] = PUTS;
  encoder.beginSections(bytes, 1);
  return bytes;
}

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

export class EntryRecords {
  readonly bytes: Uint8Array;
  /** When it was made, by the clock of the node that appended it. */
  readonly timeMs: number;
  /** (start, end) of each. */
  readonly #spans: number[] = [];

  /** @throws SluiceError CORRUPTION, UNSUPPORTED_FORMAT */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const reader = new ByteReader(bytes);
    const format = reader.u8();
    if (format !== ENTRY_FORMAT) {
      const message = `The cluster's log has an entry of format ${format}, and this software knows ${ENTRY_FORMAT}: upgrade it`;
      throw new SluiceError('UNSUPPORTED_FORMAT', message);
    }
    this.timeMs = reader.varint();
    while (!reader.done) {
      const length = reader.varint();
      const start = reader.skip(length);
      this.#spans.push(start, start + length);
    }
  }

  get count(): number {
    return this.#spans.length / 2;
  }

  /** A put transaction that has read nothing, so that nothing can refuse it but the lack of a keyspace. */
  isPuts(index: number): boolean {
    return this.bytes[at(this.#spans, 2 * index)] === PUTS;
  }

  /** A view of the entry. */
  record(index: number): Uint8Array {
    return this.bytes.subarray(at(this.#spans, 2 * index), at(this.#spans, 2 * index + 1));
  }

  /**
   * The put transactions from `from` on, as far as they are such and write to keyspaces which are there.
   * @throws SluiceError CORRUPTION
   */
  runFrom(from: number, isThere: (keyspace: string) => boolean): EntryRun {
    const spans: number[] = [];
    let dataBytes = 0;
    let lacking: string | undefined;
    const see = (keyspace: string): void => {
      if (!isThere(keyspace)) lacking ??= keyspace;
    };
    for (let index = from; index < this.count && this.isPuts(index); index++) {
      const start = at(this.#spans, 2 * index) + 1;
      const end = at(this.#spans, 2 * index + 1);
      const bytes = checkSections(this.bytes, start, end, see);
      if (lacking !== undefined) break;
      spans.push(start, end);
      dataBytes += bytes;
    }
    return { bytes: this.bytes, spans, dataBytes, lacking };
  }
}

export interface EntryRun {
  readonly bytes: Uint8Array;
  /** (start, end) of the sections of each. */
  readonly spans: readonly number[];
  /** Keys and values together. */
  readonly dataBytes: number;
  /** The keyspace for want of which it ends. */
  readonly lacking: string | undefined;
}
