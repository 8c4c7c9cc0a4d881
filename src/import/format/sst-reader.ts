/**
 * Rows of an SST file, ours or RocksDB's: what a reader of the file alone would see. So of a key with several versions the
 * newest is a row, and a key that the file deletes, or deletes with a range, is none. Such files may overlap each other and
 * come in any order.
 *
 * An import goes on at a key. It reads the file as it likes, so its source must be a local file.
 */

import { copyInto, equalRanges } from '../../base/bytes.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../../base/errors.ts';
import { type Cursor, PENDING, type Status } from '../../mvcc/cursor.ts';
import { KEY_BYTES_MAX, TYPE_DELETE } from '../../mvcc/internal-key.ts';
import { RangeTombstones } from '../../mvcc/range-tombstones.ts';
import { MAX_VERSION } from '../../mvcc/version.ts';
import { BlockCache } from '../../sst/block-cache.ts';
import { Table } from '../../sst/table.ts';
import { TableCache } from '../../sst/table-cache.ts';
import type { Source } from '../source/source.ts';
import type { RowPosition, RowReader, RowSink } from './row-reader.ts';

const CACHE_BYTES = 8 << 20;
const READAHEAD_BYTES = 1 << 18;

export class SstReader implements RowReader {
  #row = 0;
  /** The key of the row that is being handed out, or of the last entry gone through. */
  readonly #key = new Uint8Array(KEY_BYTES_MAX);
  #keyLength = 0;
  #ended = false;
  #bytes = 0;
  #entries = 0;

  position(): RowPosition {
    const row = this.#row;
    if (this.#ended) return { row, offset: this.#bytes };
    const key = Buffer.from(this.#key.buffer, 0, this.#keyLength);
    // Blocks are read ahead and compressed: its part of the file is all that can be told.
    const part = Math.min(1, row / Math.max(1, this.#entries));
    const offset = Math.floor(part * (this.#bytes - 1));
    return { row, offset, ...(this.#keyLength > 0 && { state: key.toString('base64') }) };
  }

  async read(
    source: Source,
    sink: RowSink,
    from: RowPosition | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { file, name } = source;
    if (file === undefined) {
      throw new SluiceError(
        'BAD_INPUT',
        `${name}: an SST file is read from its end; store it as a local file that is not compressed`,
      );
    }
    this.#row = from?.row ?? 0;
    this.#keyLength = 0;
    this.#ended = false;
    const cache = new BlockCache(CACHE_BYTES);
    const table = new Table({ ...file, cache, tableCache: new TableCache(cache) });
    try {
      const state = await table.open();
      this.#bytes = state.facts.bytes;
      this.#entries = state.facts.entries;
      // Behind its last row there is none.
      const done = from !== undefined && from.offset === this.#bytes;
      if (!done) await this.#readTable(table, source, sink, from?.state, signal);
      source.takenBytes = this.#bytes;
      this.#ended = true;
    } catch (error) {
      throw asInput(error, name);
    } finally {
      table.dispose();
    }
  }

  async #readTable(
    table: Table,
    source: Source,
    sink: RowSink,
    fromKey: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const hidden = RangeTombstones.of(table.facts.rangeTombstones);
    const cursor = table.cursor(undefined, { readaheadBytes: READAHEAD_BYTES, fillCache: false });
    try {
      const key = fromKey === undefined ? undefined : Buffer.from(fromKey, 'base64');
      const toStart = (): Status =>
        key === undefined ? cursor.first() : cursor.seek(key, 0, key.length, MAX_VERSION);
      while (toStart() === PENDING) await cursor.load();
      while (cursor.valid) {
        if (this.#enterKey(cursor)) {
          const { keyBytes, keyStart, keyLength, valueBytes, valueStart, valueLength } = cursor;
          const covered =
            hidden !== undefined &&
            hidden.newest(keyBytes, keyStart, keyLength, MAX_VERSION) > cursor.version;
          if (cursor.type !== TYPE_DELETE && !covered) {
            sink.row(
              keyBytes,
              keyStart,
              keyStart + keyLength,
              valueBytes,
              valueStart,
              valueStart + valueLength,
            );
            this.#row++;
          }
        }
        while (cursor.next() === PENDING) {
          throwIfAborted(signal);
          source.takenBytes = this.position().offset;
          await cursor.load();
        }
      }
    } finally {
      cursor.close();
    }
  }

  /** False: it is an older version of the same key. */
  #enterKey({ keyBytes, keyStart, keyLength }: Cursor): boolean {
    if (equalRanges(keyBytes, keyStart, keyLength, this.#key, 0, this.#keyLength)) return false;
    copyInto(keyBytes, keyStart, keyLength, this.#key, 0);
    this.#keyLength = keyLength;
    return true;
  }
}

/** Damage is the source's here, not the database's. */
function asInput(error: unknown, name: string): unknown {
  if (!isSluiceError(error, 'CORRUPTION') && !isSluiceError(error, 'CHECKSUM_MISMATCH')) return error;
  return new SluiceError('BAD_INPUT', `${name}: ${error.message}`, { cause: error });
}
