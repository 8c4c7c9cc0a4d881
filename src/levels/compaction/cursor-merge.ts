/**
 * A merge entry by entry, through cursors: the twin of KernelMerge, which gives the same tables to the byte, and what runs
 * where there are no kernels for it.
 */

import { at as elementAt } from '../../base/assert.ts';
import { compareRanges } from '../../base/bytes.ts';
import type { FileSystem } from '../../base/env/file-system.ts';
import { tableName } from '../../manifest/directory.ts';
import type { TableRow } from '../../manifest/rows.ts';
import { type Cursor, PENDING } from '../../mvcc/cursor.ts';
import { mergeCursors } from '../../mvcc/merge.ts';
import { RangeTombstones } from '../../mvcc/range-tombstones.ts';
import { MAX_VERSION } from '../../mvcc/version.ts';
import type { BlockCache } from '../../sst/block-cache.ts';
import { PrefixedCursor } from '../../sst/prefixed-cursor.ts';
import { Table } from '../../sst/table.ts';
import { TableCursor } from '../../sst/table-cursor.ts';
import { LevelCursor } from '../level-cursor.ts';
import { type CoveredBy, GarbageRule } from './garbage.ts';
import type { CompactionJob, JobRange } from './job.ts';
import type { Merge } from './merge.ts';
import type { OutputTables } from './output-tables.ts';
import type { Pacer } from './pacer.ts';

const READAHEAD_BYTES = 16 << 10;

/** One table for the time that a cursor is in it: its descriptor and index are given back with the cursor. */
class InputCursor extends TableCursor {
  readonly #input: Table;

  constructor(table: Table, row: TableRow) {
    // The version and the prefix that the manifest gives the table are baked into the keys that come out.
    super(table, row.globalVersion, READAHEAD_BYTES, false);
    this.#input = table;
  }

  override close(): void {
    super.close();
    this.#input.dispose();
  }
}

/** Over tables in key order, which are in `dir`. */
export function runCursor(dir: string, rows: readonly TableRow[], fs: FileSystem, cache: BlockCache): Cursor {
  return new LevelCursor(rows, (row) => {
    const path = `${dir}/${tableName(row.id)}`;
    const cursor = new InputCursor(new Table({ path, fs, cache, forMerge: true }), row);
    return row.prefix === undefined ? cursor : new PrefixedCursor(cursor, row.prefix, path);
  });
}

export class CursorMerge implements Merge {
  entriesRead = 0;
  readonly #caches: readonly BlockCache[];
  readonly #readAtFirst: number;
  readonly #inputs: Cursor;
  readonly #rule: GarbageRule;
  readonly #range: JobRange;

  /** `caches`: one for each run. */
  constructor(job: CompactionJob, fs: FileSystem, caches: readonly BlockCache[]) {
    this.#caches = caches;
    this.#range = job.range;
    this.#readAtFirst = readBytes(caches);
    const tombstones = RangeTombstones.of(job.rangeTombstones);
    const coveredBy: CoveredBy | undefined =
      tombstones && ((key, start, length, upTo) => tombstones.newest(key, start, length, upTo));
    this.#rule = new GarbageRule(job.retention, coveredBy);
    const dir = job.inputsDir ?? job.tablesDir;
    this.#inputs = mergeCursors(caches.map((cache, i) => runCursor(dir, elementAt(job.runs, i), fs, cache)));
  }

  get bytesRead(): number {
    return readBytes(this.#caches) - this.#readAtFirst;
  }

  get heldBack(): number {
    return this.#rule.heldBack;
  }

  async run(outputs: OutputTables, pacer: Pacer): Promise<void> {
    const inputs = this.#inputs;
    const rule = this.#rule;
    const { from, to } = this.#range;
    if (from === undefined) while (inputs.first() === PENDING) inputs.loadSync();
    else while (inputs.seek(from, 0, from.length, MAX_VERSION) === PENDING) inputs.loadSync();
    while (inputs.valid && !(to !== undefined && isAtOrAfter(inputs, to))) {
      const { keyBytes, keyStart, keyLength, version, type } = inputs;
      this.entriesRead++;
      if (rule.keeps(keyBytes, keyStart, keyLength, version, type)) {
        if (!outputs.takes(keyBytes, keyStart, keyLength, rule.newKey)) await outputs.next();
        outputs.add(inputs);
      }
      const bytes = keyLength + inputs.valueLength + 16;
      while (inputs.next() === PENDING) inputs.loadSync();
      if (pacer.isDue(bytes)) await pacer.pause();
    }
  }

  close(): void {
    this.#inputs.close();
  }
}

function readBytes(caches: readonly BlockCache[]): number {
  return caches.reduce((sum, cache) => sum + cache.readBytes, 0);
}

function isAtOrAfter({ keyBytes, keyStart, keyLength }: Cursor, key: Uint8Array): boolean {
  return compareRanges(keyBytes, keyStart, keyLength, key, 0, key.length) >= 0;
}
