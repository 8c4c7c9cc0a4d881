/**
 * Sorts rows in an arena, and writes them as a run once it is full. All of it is in one heap, with the builder of the tables:
 *
 *   kernels' own | table builder | state | records → … ← offsets of the records, the last one first
 *
 * What lies between is the sort's. Rows that come in order are not sorted, and their tables are as the database has them.
 */

import { at as elementAt } from '../../base/assert.ts';
import { formatKey } from '../../base/bytes.ts';
import type { FileSystem } from '../../base/env/file-system.ts';
import { SluiceError } from '../../base/errors.ts';
import { trailerVersion } from '../../mvcc/internal-key.ts';
import type { Version } from '../../mvcc/version.ts';
import { createHeap, type Heap } from '../../sst/heap.ts';
import * as A from '../../sst/kernels/js-arena.ts';
import { RECORD_HEAD_BYTES } from '../../sst/kernels/js-encode-blocks.ts';
import { sortScratchBytes } from '../../sst/kernels/js-sort-records.ts';
import { KERNEL_RESERVED_BYTES } from '../../sst/kernels/wasm-kernels.ts';
import { builderHeapBytes } from '../../sst/table-builder.ts';
import { sourceName } from '../source/source-spec.ts';
import { BYTES_WRITTEN, count, ROWS_DUPLICATE, ROWS_SORTED } from './control.ts';
import type { FinishedRun, RunEnd, SortJob } from './messages.ts';
import { rowOfVersion, runVersion } from './records.ts';
import { DUPLICATE, RejectFile } from './reject-file.ts';
import { SortedTables, skipGroup } from './sorted-tables.ts';

const SLACK_BYTES = 16 << 10;
/** Of a run whose tables are not the database's as they are. */
const RUN_FILE_BYTES = 64 << 20;
/** Ids of a lane's runs, and of the tables of one. */
const LANE_IDS = 1e10;
const RUN_IDS = 1e5;

/** What records may take, with SORT_BYTES each, of an arena of a size. */
export function arenaRoom(arenaBytes: number, blockBytes: number | undefined): number {
  return arenaBytes - builderHeapBytes(blockBytes) - SLACK_BYTES;
}

export class Sorter {
  readonly #job: SortJob;
  readonly #fs: FileSystem;
  readonly #heap: Heap;
  readonly #view: DataView;
  readonly #offsets: Uint32Array;
  /** Of the kernel that stages. */
  readonly #stateAt: number;
  readonly #words: Uint32Array;
  readonly #from: number;
  #end: number;
  #count = 0;
  /** Keys came in ascending order so far. */
  #inOrder = true;

  constructor(job: SortJob, fs: FileSystem) {
    this.#job = job;
    this.#fs = fs;
    this.#heap = createHeap(Math.ceil(job.arenaBytes / 65536) * 65536);
    const { bytes } = this.#heap;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#offsets = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    this.#stateAt = Math.ceil(builderHeapBytes(job.builder.blockBytes) / 8) * 8;
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset + this.#stateAt, A.ARENA_WORDS);
    this.#from = this.#stateAt + A.ARENA_WORDS * 4;
    this.#end = this.#from;
  }

  /** Records, whole ones. REQUIRES: the run has room for them. */
  take(records: Uint8Array): void {
    const { bytes, kernels } = this.#heap;
    const from = this.#end;
    bytes.set(records, from);
    this.#end = from + records.length;
    const last = this.#count === 0 ? 0 : this.#offsetOf(this.#count - 1);
    const noted = kernels.noteRecords(from, this.#end, this.#offsetsAt, last, this.#inOrder ? 1 : 0);
    this.#inOrder = noted % 2 === 1;
    this.#count += Math.floor(noted / 2);
  }

  /** Writes what was taken since the last run. Resolves when it is on disk; there is room again at once. */
  finish(end: RunEnd): Promise<FinishedRun> {
    const { rules, dir, builder, targetFileBytes, counters } = this.#job;
    const isMovable = !rules.keepsRows && (this.#inOrder || end.isAlone);
    const isFinal = isMovable || (end.isAlone && rules.keepsRows);
    const keepsVersions = !isFinal && rules.keepsRows;
    const rejects = new RejectFile(this.#fs, `${dir}/${duplicatesName(end.lane, end.run)}`, 0);
    const tables = new SortedTables({
      fs: this.#fs,
      dir,
      firstId: (end.lane + 1) * LANE_IDS + end.run * RUN_IDS,
      heap: this.#heap,
      heapAt: KERNEL_RESERVED_BYTES,
      view: this.#view,
      builder: isFinal
        ? { ...builder, external: true }
        : { ...builder, external: !rules.keepsRows, filterBitsPerKey: 0 },
      targetFileBytes: isFinal ? targetFileBytes : RUN_FILE_BYTES,
      keepsVersions,
    });
    const rows = this.#count;
    let duplicates = 0;
    try {
      duplicates = this.#write(tables, rejects, keepsVersions);
      rejects.sync();
    } catch (error) {
      tables.abandon();
      throw error;
    } finally {
      rejects.close();
    }
    const synced = tables.finish();
    this.#reset();
    const { files, bytes } = tables;
    const version = rules.keepsRows && !isFinal ? undefined : runVersion(rules.order, end.lane, end.run);
    count(counters, ROWS_SORTED, rows);
    count(counters, ROWS_DUPLICATE, duplicates);
    count(counters, BYTES_WRITTEN, bytes);
    const run = { version, movable: isFinal, files };
    // L2: bytes, then names, before the manifest has the run.
    return synced
      .then(() => this.#fs.syncDirectory(dir))
      .then(() => ({ end, run, rowsDuplicate: duplicates, bytesWritten: bytes }));
  }

  /** Returns how many rows were left out. */
  #write(tables: SortedTables, rejects: RejectFile, keepsVersions: boolean): number {
    const total = this.#count;
    const offsets = this.#offsets.subarray(this.#offsets.length - total);
    const [offsetsAt, offsetsEnd] = [this.#offsetsAt, this.#heap.bytes.length];
    // Of one key the rows that came later are before the others, as offsets are noted; a stable sort keeps that.
    if (this.#inOrder) offsets.reverse();
    else this.#sort(total);
    const { order, duplicates } = this.#job.rules;
    const words = this.#words;
    words.fill(0);
    words[A.NEXT] = offsetsAt;
    words[A.OFFSETS_END] = offsetsEnd;
    words[A.TAKES_FIRST] = this.#inOrder === (order === 'first') ? 1 : 0;
    words[A.ASKS] = duplicates === 'drop' ? 0 : 1;
    words[A.KEEPS_VERSIONS] = keepsVersions ? 1 : 0;
    for (;;) {
      tables.addSorted(this.#stateAt);
      const next = words[A.NEXT] as number;
      if (next === offsetsEnd) return words[A.LEFT_OUT] as number;
      const same = offsets.subarray((next - offsetsAt) / 4, ((words[A.GROUP_END] as number) - offsetsAt) / 4);
      if (duplicates === 'fail') this.#failDuplicate(elementOf(same, 0), elementOf(same, 1));
      this.#report(same, rejects);
      tables.add(words[A.CHOSEN] as number);
      skipGroup(words);
    }
  }

  #sort(total: number): void {
    const offsetsAt = this.#offsetsAt;
    const scratch = offsetsAt - Math.ceil(sortScratchBytes(total) / 8) * 8;
    this.#heap.kernels.sortRecords(offsetsAt, total, scratch);
  }

  #reset(): void {
    this.#count = 0;
    this.#end = this.#from;
    this.#inOrder = true;
  }

  /** Of the i-th record that was taken. */
  #offsetOf(i: number): number {
    return elementOf(this.#offsets, this.#offsets.length - 1 - i);
  }

  /** Where the offsets begin: the last one is the first. */
  get #offsetsAt(): number {
    return this.#heap.bytes.length - this.#count * 4;
  }

  #keyAt(at: number): Uint8Array {
    const from = at + RECORD_HEAD_BYTES;
    return this.#heap.bytes.slice(from, from + this.#view.getUint32(at, true));
  }

  #placeOf(at: number): { source: string; row: number } {
    const trailer = at + RECORD_HEAD_BYTES + this.#view.getUint32(at, true);
    const version: Version = trailerVersion(this.#heap.bytes, trailer);
    const { source, row } = rowOfVersion(this.#job.rules.order, version);
    return { source: sourceName(elementAt(this.#job.sources, source)), row };
  }

  #failDuplicate(a: number, b: number): never {
    const [one, other] = [this.#placeOf(a), this.#placeOf(b)].sort((x, y) => x.row - y.row);
    const key = Buffer.from(this.#keyAt(a));
    const message = `The key ${formatKey(key)} comes twice: in row ${one?.row} of ${one?.source} and in row ${other?.row} of ${other?.source}`;
    throw new SluiceError('KEY_EXISTS', message, { keys: [key], keyCount: 1 });
  }

  /** All but the first row of a key. */
  #report(same: Uint32Array, rejects: RejectFile): void {
    const inOrder = this.#inOrder ? [...same] : [...same].reverse();
    for (const at of inOrder.slice(1)) {
      const keyFrom = at + RECORD_HEAD_BYTES;
      const keyTo = keyFrom + this.#view.getUint32(at, true);
      const { bytes } = this.#heap;
      const value = bytes.subarray(keyTo + 8, keyTo + 8 + this.#view.getUint32(at + 4, true));
      const key = bytes.subarray(keyFrom, keyTo);
      rejects.add({ ...this.#placeOf(at), offset: undefined, reason: DUPLICATE, key, value });
    }
  }
}

function elementOf(offsets: Uint32Array, i: number): number {
  return offsets[i] as number;
}

export function duplicatesName(lane: number, run: number): string {
  return `duplicates-${lane}-${run}.jsonl`;
}
