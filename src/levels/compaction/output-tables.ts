/**
 * The tables that a compaction writes, one after the other, cut at the target size, and earlier where a table would
 * overlap too much of the level below its own: it would be dear to compact further.
 *
 * L3: a cut never comes between two versions of one user key.
 */

import { assert } from '../../base/assert.ts';
import { compareRanges } from '../../base/bytes.ts';
import { EarlySyncFile } from '../../base/env/early-sync-file.ts';
import type { File, FileSystem } from '../../base/env/file-system.ts';
import { tableName } from '../../manifest/directory.ts';
import type { FileId, TableRow } from '../../manifest/rows.ts';
import type { Cursor } from '../../mvcc/cursor.ts';
import { NO_VERSION } from '../../mvcc/version.ts';
import { TableBuilder, type TableHeap } from '../../sst/table-builder.ts';
import { firstReader } from './garbage.ts';
import type { CompactionJob, Grandparent, JobHost } from './job.ts';

/** A table overlaps about so many target sizes of the level below at most. */
const GRANDPARENT_FILES_MAX = 10;

type OutputEntry = Pick<
  Cursor,
  'keyBytes' | 'keyStart' | 'keyLength' | 'version' | 'type' | 'valueBytes' | 'valueStart' | 'valueLength'
>;

export class OutputTables {
  readonly #job: CompactionJob;
  readonly #host: JobHost;
  readonly #fs: FileSystem;
  readonly #heap: TableHeap;
  readonly #rows: TableRow[] = [];
  #file: File | undefined;
  #builder: TableBuilder | undefined;
  #id: FileId | undefined;
  #finishedBytes = 0;
  /** The first grandparent that the position is not past. */
  #grandparent = 0;
  /** Bytes of grandparents that the current table has gone past. */
  #overlap = 0;

  /** `heap`: for one table after the other. */
  constructor(job: CompactionJob, host: JobHost, fs: FileSystem, heap: TableHeap) {
    this.#job = job;
    this.#host = host;
    this.#fs = fs;
    this.#heap = heap;
  }

  /** Written so far. */
  get bytes(): number {
    return this.#finishedBytes + (this.#builder?.bytes ?? 0);
  }

  /** The current one. */
  get table(): TableBuilder | undefined {
    return this.#builder;
  }

  /** What the current table can take before a new key has to go to another one. */
  get bytesToGo(): number {
    return Math.max(0, this.#job.targetFileBytes - (this.#builder?.bytes ?? 0));
  }

  /** A new key after it may have to go to another table; undefined: none is left. */
  get nextGrandparent(): Grandparent | undefined {
    return this.#job.grandparents[this.#grandparent];
  }

  /** False: `next` must come before `add`. */
  takes(key: Uint8Array, start: number, length: number, isNewKey: boolean): boolean {
    if (this.#builder === undefined) return false;
    if (!isNewKey) return true;
    const { grandparents, targetFileBytes } = this.#job;
    for (; this.#grandparent < grandparents.length; this.#grandparent++) {
      const passed = grandparents[this.#grandparent];
      if (passed === undefined) break;
      if (compareRanges(passed.largest, 0, passed.largest.length, key, start, length) >= 0) break;
      this.#overlap += passed.bytes;
    }
    if (this.#overlap > GRANDPARENT_FILES_MAX * targetFileBytes) return false;
    return this.#builder.bytes < targetFileBytes;
  }

  /** Ends the current table, if there is one, and begins another. */
  async next(): Promise<void> {
    await this.#end();
    this.#id = await this.#host.newFileId();
    const path = `${this.#job.tablesDir}/${tableName(this.#id)}`;
    this.#file = new EarlySyncFile(await this.#fs.open(path, 'create'));
    this.#builder = new TableBuilder(this.#file, { ...this.#job.builder, ...this.#heap });
    this.#overlap = 0;
  }

  add(entry: OutputEntry): void {
    const { keyBytes, keyStart, keyLength, type, valueBytes, valueStart, valueLength } = entry;
    const version = this.#job.forIngest === true ? NO_VERSION : entry.version;
    this.#builder?.add(keyBytes, keyStart, keyLength, version, type, valueBytes, valueStart, valueLength);
  }

  async #end(): Promise<void> {
    if (this.#builder === undefined || this.#file === undefined || this.#id === undefined) return;
    const built = this.#builder.finish();
    assert(built.entries > 0, 'a compaction wrote an empty table');
    this.#builder = undefined;
    this.#finishedBytes += built.bytes;
    await this.#file.datasync();
    this.#file.closeSync();
    this.#file = undefined;
    this.#rows.push({
      id: this.#id,
      tree: this.#job.tree,
      level: this.#job.level,
      bytes: built.bytes,
      entries: built.entries,
      deletes: built.deletes,
      smallest: built.smallest,
      largest: built.largest,
      minVersion: built.minVersion,
      maxVersion: built.maxVersion,
      globalVersion: undefined,
      source: 'compaction',
      ingestId: undefined,
      // Whoever reads at all sees tombstones ≤ this, and what they hide was left out.
      clearedThrough: firstReader(this.#job.retention),
    });
  }

  /** L2: bytes are synced table by table, names here, before any edit can name them. */
  async finish(): Promise<readonly TableRow[]> {
    await this.#end();
    if (this.#rows.length > 0) await this.#fs.syncDirectory(this.#job.tablesDir);
    return this.#rows;
  }

  /** Gives up descriptor and memory. The files are the caller's to remove. */
  abandon(): void {
    this.#builder?.abandon();
    this.#builder = undefined;
    this.#file?.closeSync();
    this.#file = undefined;
  }
}
