/**
 * Rows of a Hadoop SequenceFile (header.ts has the format), by themselves or in compressed blocks.
 *
 * What is wrong within a record makes it a bad row. Where lengths or sync markers are not what they must be, no further row
 * can be told apart from damage, and nobody could say how many were lost: that ends the reading.
 *
 * An import goes on at a record, or at a block with the number of its rows that are not to be handed out again.
 */

import { equalRanges } from '../../../base/bytes.ts';
import { isSluiceError, SluiceError } from '../../../base/errors.ts';
import { KEY_BYTES_MAX } from '../../../mvcc/internal-key.ts';
import type { Source } from '../../source/source.ts';
import { ByteFeed } from '../byte-feed.ts';
import type { SequenceFileSpec } from '../format-spec.ts';
import type { RowPosition, RowReader, RowSink } from '../row-reader.ts';
import { readBlock } from './block.ts';
import { type Codec, decompress } from './codec.ts';
import { type Header, readHeader, SYNC_BYTES, SYNC_ESCAPE } from './header.ts';
import { int32 } from './numbers.ts';
import { WritableDecoder } from './writable.ts';

const ROW_BYTES_MAX = 64 << 20;
/** A block is in memory whole, as it is stored and decompressed. */
const BLOCK_ROWS_MAX = 8;
const BLOCK_BYTES_MAX = 1 << 30;
/** Of a bad row that is told. */
const TOLD_BYTES_MAX = 65536;

/** What the rows of one source have in common. */
interface Reading {
  readonly source: Source;
  readonly sink: RowSink;
  readonly header: Header;
  readonly feed: ByteFeed;
  readonly key: WritableDecoder;
  readonly value: WritableDecoder;
}

export class SequenceFileReader implements RowReader {
  readonly #spec: SequenceFileSpec;
  readonly #rowBytesMax: number;
  #row = 0;
  #offset = 0;
  /** Of the rows of the block at `#offset`. */
  #rowInBlock = 0;

  constructor(spec: SequenceFileSpec) {
    this.#spec = spec;
    this.#rowBytesMax = spec.rowBytesMax ?? ROW_BYTES_MAX;
  }

  position(): RowPosition {
    const place = { row: this.#row, offset: this.#offset };
    return this.#rowInBlock === 0 ? place : { ...place, state: String(this.#rowInBlock) };
  }

  async read(
    source: Source,
    sink: RowSink,
    from: RowPosition | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { name } = source;
    let feed = new ByteFeed(source.read(0, signal), 0);
    try {
      const header = await readHeader(feed, name);
      this.#row = from?.row ?? 0;
      this.#offset = from?.offset ?? feed.offset;
      this.#rowInBlock = 0;
      if (from !== undefined) {
        await feed.close();
        feed = new ByteFeed(source.read(from.offset, signal), from.offset);
      }
      const rendering = this.#spec.writables ?? 'text';
      const key = new WritableDecoder(header.keyClass, rendering, name);
      const value = new WritableDecoder(header.valueClass, rendering, name);
      const reading = { source, sink, header, feed, key, value };
      const { layout, codec } = header;
      if (layout === 'blocks' && codec !== undefined) await this.#readBlocks(reading, codec, from);
      else await this.#readRecords(reading);
    } finally {
      await feed.close();
    }
  }

  async #readRecords(reading: Reading): Promise<void> {
    const { feed } = reading;
    for (;;) {
      if (feed.left < 4 && !(await feed.more(4))) break;
      const length = int32(feed.bytes, feed.at);
      if (length === SYNC_ESCAPE && reading.header.sync !== undefined) {
        await this.#readSync(reading, reading.header.sync);
        continue;
      }
      this.#offset = feed.offset;
      if (length < 0) throw this.#damaged(reading, `a record claims ${length} bytes`);
      if (feed.left < 8 && !(await feed.more(8))) throw this.#damaged(reading, 'a record is cut short');
      const keyLength = int32(feed.bytes, feed.at + 4);
      if (keyLength < 0 || keyLength > length) {
        throw this.#damaged(reading, `a record of ${length} bytes claims a key of ${keyLength}`);
      }
      if (length > this.#rowBytesMax) await this.#skipRecord(reading, length);
      else {
        if (feed.left < 8 + length && !(await feed.more(8 + length))) {
          throw this.#damaged(reading, `a record of ${length} bytes is cut short`);
        }
        const { at } = feed;
        this.#record(reading, at + 8, at + 8 + keyLength, at + 8 + length);
        feed.at = at + 8 + length;
      }
      this.#row++;
    }
    this.#offset = feed.offset;
    if (feed.left > 0)
      throw this.#damaged(reading, `${feed.left} bytes are left over: a record is cut short`);
  }

  /** Hands out the record whose key and value lie before and after `middle`. */
  #record(reading: Reading, from: number, middle: number, to: number): void {
    const { feed, header } = reading;
    const { bytes } = feed;
    if (header.codec === undefined) {
      this.#handOut(reading, bytes, from, middle, bytes, middle, to);
      return;
    }
    let value: Uint8Array;
    try {
      value = decompress(header.codec, bytes.subarray(middle, to), this.#rowBytesMax);
    } catch (error) {
      if (!isSluiceError(error, 'BAD_INPUT')) throw error;
      reading.sink.bad(error.message, told(bytes, from, to));
      return;
    }
    this.#handOut(reading, bytes, from, middle, value, 0, value.length);
  }

  /** A record that is too long to be held: what is told of it is all that is read. */
  async #skipRecord(reading: Reading, length: number): Promise<void> {
    const { feed } = reading;
    const kept = Math.min(length, TOLD_BYTES_MAX);
    const cut = () => this.#damaged(reading, `a record of ${length} bytes is cut short`);
    if (!(await feed.more(8 + kept))) throw cut();
    const raw = feed.bytes.slice(feed.at + 8, feed.at + 8 + kept);
    // Told when its end is there: a length that is damage is no row.
    if (!(await feed.skip(8 + length))) throw cut();
    reading.sink.bad(this.#tooLong(length), raw);
  }

  async #readBlocks(reading: Reading, codec: Codec, from: RowPosition | undefined): Promise<void> {
    const { feed } = reading;
    const { sync } = reading.header;
    const blockBytesMax = Math.min(BLOCK_BYTES_MAX, BLOCK_ROWS_MAX * this.#rowBytesMax);
    let done = Number(from?.state ?? 0);
    while (await feed.more(1)) {
      this.#offset = feed.offset;
      this.#rowInBlock = 0;
      if (sync !== undefined) {
        await feed.more(4);
        if (feed.left < 4 || int32(feed.bytes, feed.at) !== SYNC_ESCAPE)
          throw this.#damaged(reading, 'a block does not begin with a sync marker');
        await this.#readSync(reading, sync);
      }
      const damaged = (what: string, cause?: unknown) =>
        this.#damaged(reading, `a block is damaged: ${what}`, cause);
      const rows = await readBlock(feed, codec, blockBytesMax, damaged);
      for (; rows.next(); this.#rowInBlock++) {
        if (this.#rowInBlock < done) continue;
        const { keys, keyFrom, keyTo, values, valueFrom, valueTo } = rows;
        if (keyTo - keyFrom + valueTo - valueFrom > this.#rowBytesMax)
          reading.sink.bad(this.#tooLong(keyTo - keyFrom + valueTo - valueFrom), told(keys, keyFrom, keyTo));
        else this.#handOut(reading, keys, keyFrom, keyTo, values, valueFrom, valueTo);
        this.#row++;
      }
      if (this.#rowInBlock < done)
        throw damaged(`${done} rows of it were read, and it has fewer: the file was changed`);
      done = 0;
    }
    this.#offset = feed.offset;
    this.#rowInBlock = 0;
  }

  /** REQUIRES: the escape comes next. */
  async #readSync(reading: Reading, sync: Uint8Array): Promise<void> {
    const { feed } = reading;
    const length = 4 + SYNC_BYTES;
    if (feed.left < length && !(await feed.more(length)))
      throw this.#damaged(reading, 'a sync marker is cut short');
    if (!equalRanges(feed.bytes, feed.at + 4, SYNC_BYTES, sync, 0, SYNC_BYTES))
      throw this.#damaged(reading, 'a sync marker is not that of the header');
    feed.at += length;
  }

  #handOut(
    { sink, key, value }: Reading,
    keys: Uint8Array,
    keyFrom: number,
    keyTo: number,
    values: Uint8Array,
    valueFrom: number,
    valueTo: number,
  ): void {
    const problem =
      key.decode(keys, keyFrom, keyTo) ??
      keyProblem(key.to - key.from) ??
      value.decode(values, valueFrom, valueTo);
    if (problem !== undefined) {
      // Key and value lie together unless they were compressed apart: then the key says more.
      const to = keys === values ? valueTo : keyTo;
      sink.bad(problem, told(keys, keyFrom, to));
      return;
    }
    sink.row(key.bytes, key.from, key.to, value.bytes, value.from, value.to);
  }

  #tooLong(length: number): string {
    return `the record has ${length} bytes, over the limit of ${this.#rowBytesMax}`;
  }

  #damaged({ source }: Reading, what: string, cause?: unknown): SluiceError {
    const place = `${source.name}: at byte ${this.#offset}, behind row ${this.#row}`;
    return new SluiceError('BAD_INPUT', `${place}: ${what}`, { cause });
  }
}

function keyProblem(length: number): string | undefined {
  if (length > 0 && length <= KEY_BYTES_MAX) return undefined;
  return `the key has ${length} bytes; keys have 1 to ${KEY_BYTES_MAX}`;
}

function told(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return bytes.subarray(from, Math.min(to, from + TOLD_BYTES_MAX));
}
