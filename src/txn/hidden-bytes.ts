/**
 * How much of each table is hidden by range tombstones that cover it in part: compaction writes such tables again, to give
 * the space back. Their indexes tell it, which are read without holding anything up; a pick knows what has been found.
 *
 * L4: only tombstones count that everybody sees who reads from now on. What is told of a table stays true for as long as
 * it is there: its tombstones are collected only when it holds nothing more that they hide.
 */

import { compareBytes } from '../base/bytes.ts';
import { isSluiceError } from '../base/errors.ts';
import type { Tree } from '../levels/tree.ts';
import type { FileId, TableRow } from '../manifest/rows.ts';
import { AFTER_ALL, BEFORE_ALL, FileKey } from '../mvcc/prefix-rewrite.ts';
import type { KeySpan, RangeTombstone, RangeTombstones } from '../mvcc/range-tombstones.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';
import type { TableIndex } from '../sst/table-index.ts';
import type { Engine } from './engine.ts';

interface ToMeasure {
  readonly tree: Tree;
  readonly row: TableRow;
  /** Neither overlap each other. */
  readonly hidden: readonly RangeTombstone[];
}

export class HiddenBytes {
  readonly #engine: Engine;
  readonly #bytes = new Map<FileId, number>();
  /** The newest tombstone that was counted, or is being. */
  readonly #through = new Map<FileId, Version>();
  #waiting: ToMeasure[] = [];
  #measuring: Promise<void> | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** About how many bytes of a table's file, as far as it is known. */
  get bytes(): ReadonlyMap<FileId, number> {
    return this.#bytes;
  }

  /** Finds out in the background what tombstones ≤ `watermark` hide of the tree's tables. */
  look(tree: Tree, watermark: Version): void {
    this.#forgetDropped();
    const { tombstones } = tree.view.levels;
    if (tombstones === undefined) return;
    for (const row of tree.view.levels) {
      const hidden = hiddenIn(tombstones, row, watermark);
      const newest = hidden.reduce<Version>(
        (last, { version }) => (version > last ? version : last),
        NO_VERSION,
      );
      if (newest <= (this.#through.get(row.id) ?? NO_VERSION)) continue;
      this.#through.set(row.id, newest);
      this.#waiting.push({ tree, row, hidden });
    }
    if (this.#waiting.length === 0) return;
    this.#measuring ??= this.#measureAll();
  }

  /** Nothing is being read; REQUIRES: the engine is closed, so nothing begins. */
  async idle(): Promise<void> {
    await this.#measuring;
  }

  #forgetDropped(): void {
    const { tables } = this.#engine.manifest.state;
    for (const id of this.#through.keys()) {
      if (tables.has(id)) continue;
      this.#through.delete(id);
      this.#bytes.delete(id);
    }
  }

  async #measureAll(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (this.#engine.closed) break;
      await this.#measure(next);
    }
    // In the turn in which nothing was left: what is added later must begin anew.
    this.#measuring = undefined;
  }

  async #measure({ tree, row, hidden }: ToMeasure): Promise<void> {
    const engine = this.#engine;
    if (!engine.manifest.state.tables.has(row.id) || !tree.view.hasTable(row.id)) return;
    const table = tree.view.table(row);
    const release = tree.retain(table);
    try {
      const { index } = await table.open();
      let bytes = 0;
      for (const span of hidden) bytes += bytesIn(index, row, span) * shareOlder(row, span.version);
      // Index and filter shrink with the data.
      this.#bytes.set(row.id, Math.round((bytes / Math.max(1, index.dataBytes)) * row.bytes));
      engine.compactor.poke();
    } catch (error) {
      // A table that cannot be read is told of by whoever reads it; closing the database ends this too.
      if (!isSluiceError(error)) throw error;
      if (!engine.closed) engine.logger?.warn({ err: error }, 'a table could not be looked at for garbage');
    } finally {
      release();
    }
  }
}

/** The stretches of the row's range in which it may hold what tombstones ≤ `watermark` hide, each with the newest of those. */
function hiddenIn(
  tombstones: RangeTombstones,
  { smallest, largest, minVersion, clearedThrough }: TableRow,
  watermark: Version,
): RangeTombstone[] {
  const floor = clearedThrough !== undefined && clearedThrough > minVersion ? clearedThrough : minVersion;
  const { starts } = tombstones;
  const hidden: RangeTombstone[] = [];
  for (let i = tombstones.find(smallest, 0, smallest.length); i < starts.length; i++) {
    const from = starts[i];
    if (from === undefined || compareBytes(from, largest) > 0) break;
    const version = tombstones.newestIn(i, watermark);
    if (version > floor) hidden.push({ from, to: starts[i + 1], version });
  }
  return hidden;
}

/** How large a part of the table is older than `version`, if versions came evenly. */
function shareOlder({ minVersion, maxVersion }: TableRow, version: Version): number {
  return version > maxVersion ? 1 : (version - minVersion) / (maxVersion - minVersion);
}

/** Of the two blocks that the ends of the span are in, one counts. */
function bytesIn(index: TableIndex, row: TableRow, { from, to }: KeySpan): number {
  const end = to === undefined ? index.dataBytes : offsetOf(index, row, to);
  return Math.max(0, end - offsetOf(index, row, from));
}

/** Where the block begins that a key is in, or would be. */
function offsetOf(index: TableIndex, { prefix }: TableRow, key: Uint8Array): number {
  let [bytes, start, length] = [key, 0, key.length];
  if (prefix !== undefined) {
    const inFile = new FileKey(prefix);
    const place = inFile.set(key, 0, key.length);
    if (place === BEFORE_ALL) return 0;
    if (place === AFTER_ALL) return index.dataBytes;
    ({ bytes, start, length } = inFile);
  }
  const block = index.search(bytes, start, length, Number.POSITIVE_INFINITY);
  return index.offsets[block] ?? index.dataBytes;
}
