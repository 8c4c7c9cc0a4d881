/**
 * The public writer of SST files: RocksDB's block-based table format, format version 5, as RocksDB's SstFileWriter
 * makes them, so that SluiceDB and RocksDB ingest them alike.
 *
 * Memory does not grow with the values: it holds the index, 8 bytes a key for the filter, and at most 16 MiB of entries.
 * Of a larger file the caller's thread only gathers the entries; another one builds it (deferred-sink.ts).
 */

import { dirname } from 'node:path';
import { EMPTY_BYTES } from '../base/bytes.ts';
import { checkEncodingName, type EncodingName, encode, type Input } from '../base/encoding.ts';
import type { Env } from '../base/env/env.ts';
import { nodeEnv } from '../base/env/node-env.ts';
import { SluiceError } from '../base/errors.ts';
import { checkKey, checkValue, TYPE_DELETE, TYPE_VALUE } from '../mvcc/internal-key.ts';
import { ensureZstd, zstdReady } from '../sst/zstd.ts';
import { DeferredSink } from './deferred-sink.ts';
import { type Entries, type EntryBatch, type EntryColumns, entriesOf, entryAt } from './entry-batches.ts';
import { RecordStage, recordBytes } from './record-stage.ts';
import type { TableSink } from './table-sink.ts';

export type Compression = 'lz4' | 'none' | 'snappy' | 'zstd';

export interface SstWriterOptions<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'> {
  /** Of blocks; 'lz4' by default. */
  readonly compression?: Compression;
  /** Target bytes of a data block; 4,096 by default. */
  readonly blockBytes?: number;
  /** Bloom filter bits a key; 10 by default, 0 for no filter. */
  readonly filterBitsPerKey?: number;
  /** Whether `finish` tells the digest of the file, which takes about an eighth of building it; true by default. */
  readonly sha256?: boolean;
  readonly keyEncoding?: KE;
  readonly valueEncoding?: VE;
}

/** Of entries: from here on a thread builds the table. Starting one costs as much as building of about so many. */
const THREAD_BYTES_MIN = 4 << 20;

/** Of writers that nobody holds any more: a thread that one keeps would be lost to all that come after it. */
const forgotten = new FinalizationRegistry<TableSink>((sink) => {
  // The thread is gone where this fails: it keeps nothing then.
  void sink.abort().catch(() => undefined);
});

/** What `finish` tells of a file. */
export interface SstFile {
  readonly path: string;
  readonly entries: number;
  readonly smallest: Buffer;
  readonly largest: Buffer;
  readonly bytes: number;
  /** Of the whole file, lower-case hex; empty with `sha256: false`. */
  readonly sha256: string;
}

/**
 * Writes one SST file. Keys must come strictly ascending (NOT_SORTED names both keys otherwise; the writer can go on
 * with a later key). `finish()` makes the file durable. Disposing or aborting an unfinished writer removes the file; of one
 * that is forgotten it stays.
 *
 * @throws SluiceError ALREADY_EXISTS when there is a file at the path.
 */
export class SstWriter<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'>
  implements Disposable, AsyncDisposable
{
  readonly path: string;
  /** Loads the ZSTD library, which `compression: 'zstd'` needs before the writer is made. An open database has done it. */
  static loadZstd(): Promise<void> {
    return ensureZstd();
  }

  readonly #env: Env;
  readonly #stage: RecordStage;
  readonly #sink: DeferredSink;
  readonly #keyEncoding: EncodingName;
  readonly #valueEncoding: EncodingName;
  #state: 'open' | 'finishing' | 'finished' | 'aborted' = 'open';
  #closed: Promise<void> = Promise.resolve();

  constructor(path: string, options: SstWriterOptions<KE, VE> = {}) {
    if (typeof path !== 'string' || path === '') throw new TypeError('path must be a non-empty string');
    checkWriterOptions(options);
    if (options.compression === 'zstd' && !zstdReady()) {
      throw new SluiceError(
        'UNSUPPORTED_FORMAT',
        'ZSTD is not loaded yet; await SstWriter.loadZstd() once, then make the writer',
      );
    }
    this.path = path;
    this.#env = nodeEnv;
    this.#keyEncoding = options.keyEncoding ?? 'buffer';
    this.#valueEncoding = options.valueEncoding ?? 'buffer';
    this.#stage = new RecordStage(path);
    const file = this.#env.fs.openSync(path, 'create');
    const table = {
      compression: options.compression ?? 'lz4',
      blockBytes: options.blockBytes ?? 4096,
      filterBitsPerKey: options.filterBitsPerKey ?? 10,
      external: true,
      sha256: options.sha256 ?? true,
    };
    this.#sink = new DeferredSink(file, table, THREAD_BYTES_MIN);
    forgotten.register(this, this.#sink, this);
  }

  /** @throws SluiceError NOT_SORTED, INVALID_KEY, INVALID_VALUE, NO_SPACE, IO; CLOSED once finished or aborted. */
  put(key: Input<KE>, value: Input<VE>): void {
    const valueBytes = encode(this.#valueEncoding, value, 'value');
    checkValue(valueBytes);
    this.#add(encode(this.#keyEncoding, key, 'key'), TYPE_VALUE, valueBytes);
  }

  /**
   * Adds many entries at once, of stored bytes whatever the encodings: no views of each need be made. They lie one behind the
   * other, as a cursor hands them out, or are two columns. The batch is borrowed for the call.
   *
   * @throws as `put`: the entries before the one that is refused are added. TypeError for offsets out of bounds.
   */
  putBatch(batch: EntryBatch | EntryColumns): void {
    this.#checkOpen();
    const entries = entriesOf(batch);
    this.#sink.encodes = true;
    for (let next = 0; next < entries.count; ) {
      next = this.#addSome(entries, next);
      if (next === entries.count) return;
      // It is wrong, or there was no room for it; a large one never has any.
      const { key, value } = entryAt(entries, next);
      checkValue(value);
      this.#add(key, TYPE_VALUE, value);
      next++;
    }
  }

  #addSome(batch: Entries, from: number): number {
    const taker = this.#sink.batchTaker;
    if (taker === undefined) return this.#stage.addBatch(batch, from);
    this.#handOver();
    return this.#stage.passBatch(batch, from, taker);
  }

  /** Adds a tombstone: ingesting the file deletes the key. */
  del(key: Input<KE>): void {
    this.#add(encode(this.#keyEncoding, key, 'key'), TYPE_DELETE, EMPTY_BYTES);
  }

  /** Entries so far. */
  get entries(): number {
    return this.#stage.entries;
  }

  /** Writes what is left, makes file and name durable, and tells the file's facts. */
  async finish(): Promise<SstFile> {
    this.#checkOpen();
    if (this.entries === 0) {
      this.abort();
      throw new SluiceError('UNSUPPORTED_FORMAT', `${this.path} would hold no entries; nothing was written`);
    }
    this.#state = 'finishing';
    forgotten.unregister(this);
    try {
      this.#handOver();
      // L2: the name is there since the beginning; beside the bytes, what is wrong with them is told first.
      const named = this.#env.fs.syncDirectory(dirname(this.path));
      named.catch(() => undefined);
      const { entries, bytes, smallest, largest, sha256 } = await this.#sink.finish();
      await named;
      this.#checkFinishing();
      this.#state = 'finished';
      return {
        path: this.path,
        entries,
        smallest: Buffer.from(smallest),
        largest: Buffer.from(largest),
        bytes,
        sha256: sha256 ?? '',
      };
    } catch (error) {
      // A thread that was about to open the file finds it gone after abort(): the reason is the abort.
      const wasAborted = this.#state !== 'finishing';
      this.abort();
      await this.#closed;
      throw wasAborted ? this.#abortedError(error) : error;
    }
  }

  /** Removes the unfinished file. Nothing happens to a finished one. */
  abort(): void {
    if (this.#state === 'finished' || this.#state === 'aborted') return;
    this.#state = 'aborted';
    forgotten.unregister(this);
    this.#closed = this.#sink.abort();
    this.#env.fs.unlinkSync(this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.#closed;
  }

  [Symbol.dispose](): void {
    this.abort();
  }

  #add(keyBytes: Uint8Array, type: typeof TYPE_DELETE | typeof TYPE_VALUE, value: Uint8Array): void {
    this.#checkOpen();
    checkKey(keyBytes);
    const stage = this.#stage;
    stage.checkOrder(keyBytes);
    if (!stage.hasRoom(keyBytes.length, value.length)) {
      this.#handOver();
      if (!stage.hasRoom(keyBytes.length, value.length)) {
        const room = new Uint8Array(recordBytes(keyBytes.length, value.length));
        this.#sink.add(stage.addLarge(keyBytes, type, value, room));
        return;
      }
    }
    stage.add(keyBytes, type, value);
  }

  /** What is staged goes to the table. */
  #handOver(): void {
    const records = this.#stage.take();
    if (records !== undefined) this.#sink.add(records);
  }

  /** It may be aborted while it is finished. */
  #checkFinishing(): void {
    if (this.#state !== 'finishing') throw this.#abortedError();
  }

  #abortedError(cause?: unknown): SluiceError {
    return new SluiceError('CLOSED', `The writer of ${this.path} was aborted`, { cause });
  }

  #checkOpen(): void {
    if (this.#state === 'open') return;
    throw new SluiceError('CLOSED', `The writer of ${this.path} is ${this.#state}; make a new one`);
  }
}

function checkWriterOptions(options: SstWriterOptions<EncodingName, EncodingName>): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object');
  const { compression, blockBytes, filterBitsPerKey, sha256, keyEncoding, valueEncoding } = options;
  if (compression !== undefined && !['lz4', 'none', 'snappy', 'zstd'].includes(compression)) {
    throw new TypeError(`options.compression must be lz4, none, snappy or zstd; got ${String(compression)}`);
  }
  if (
    blockBytes !== undefined &&
    !(Number.isInteger(blockBytes) && blockBytes >= 64 && blockBytes <= 1 << 24)
  ) {
    throw new TypeError(
      `options.blockBytes must be an integer from 64 to 16,777,216; got ${String(blockBytes)}`,
    );
  }
  if (
    filterBitsPerKey !== undefined &&
    !(Number.isInteger(filterBitsPerKey) && filterBitsPerKey >= 0 && filterBitsPerKey <= 100)
  ) {
    throw new TypeError(
      `options.filterBitsPerKey must be an integer from 0 to 100; got ${String(filterBitsPerKey)}`,
    );
  }
  if (sha256 !== undefined && typeof sha256 !== 'boolean')
    throw new TypeError(`options.sha256 must be a boolean; got ${String(sha256)}`);
  if (keyEncoding !== undefined) checkEncodingName(keyEncoding, 'options.keyEncoding');
  if (valueEncoding !== undefined) checkEncodingName(valueEncoding, 'options.valueEncoding');
}
