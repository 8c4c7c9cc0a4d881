/**
 * A merge by the kernels: blocks of all inputs and the builder of the outputs are in one heap, where entries go from
 * block to staged record without JavaScript seeing them. What is asked of it here: the next block of a run, a table to
 * put entries in, and of L4 what only JavaScript knows.
 *
 *   heap: kernels' own | state | cursors | readers | keys | for each run a feed and a key | table builder
 */

import { at as elementAt } from '../../base/assert.ts';
import type { FileSystem } from '../../base/env/file-system.ts';
import { SluiceError } from '../../base/errors.ts';
import { PENDING } from '../../mvcc/cursor.ts';
import { type EntryType, TRAILER_BYTES, trailerVersion } from '../../mvcc/internal-key.ts';
import { RangeTombstones } from '../../mvcc/range-tombstones.ts';
import { NO_VERSION } from '../../mvcc/version.ts';
import type { BlockCache } from '../../sst/block-cache.ts';
import type { Heap } from '../../sst/heap.ts';
import { RECORD_HEAD_BYTES } from '../../sst/kernels/js-encode-blocks.ts';
import * as M from '../../sst/kernels/merge-state.ts';
import { readersOf } from './garbage.ts';
import type { CompactionJob } from './job.ts';
import type { Merge } from './merge.ts';
import { KEY_ROOM, type MergePlaces } from './merge-places.ts';
import type { OutputTables } from './output-tables.ts';
import { OutsideSources } from './outside.ts';
import type { Pacer } from './pacer.ts';
import { RunFeed } from './run-feed.ts';

export class KernelMerge implements Merge {
  readonly #heap: Heap;
  readonly #places: MergePlaces;
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  /** Offsets of cursors, that of the entry at hand first. */
  readonly #cursors: Uint32Array;
  readonly #runs: readonly RunFeed[];
  readonly #tombstones: RangeTombstones | undefined;
  readonly #outside: OutsideSources;
  readonly #readers: Float64Array;
  readonly #view: DataView;
  readonly #forIngest: boolean;

  /** `places`: of a heap whose kernels merge, `cache`: to open tables by. */
  constructor(job: CompactionJob, fs: FileSystem, cache: BlockCache, heap: Heap, places: MergePlaces) {
    const { bytes } = heap;
    this.#heap = heap;
    this.#places = places;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#forIngest = job.forIngest ?? false;
    this.#words = new Uint32Array(bytes.buffer, places.state, M.MERGE_WORDS);
    this.#words.fill(0);
    this.#doubles = new Float64Array(bytes.buffer, places.state, M.MERGE_WORDS >>> 1);
    this.#runs = job.runs.map((rows, i) => {
      const run = { rows, from: job.range.from, tablesDir: job.inputsDir ?? job.tablesDir, fs, cache };
      return new RunFeed(run, heap, places.cursors + i * M.CURSOR_WORDS * 4, elementAt(places.runs, i));
    });
    this.#cursors = new Uint32Array(bytes.buffer, places.heap, job.runs.length);
    this.#tombstones = RangeTombstones.of(job.rangeTombstones);
    this.#outside = new OutsideSources(job.retention.outside);
    const readers = readersOf(job.retention);
    this.#readers = new Float64Array(bytes.buffer, places.readers, readers.length);
    this.#readers.set(readers);
    const words = this.#words;
    words[M.HEAP] = places.heap;
    words[M.LAST_KEY] = places.lastKey;
    words[M.NO_TABLE] = 1;
    words[M.HAS_OUTSIDE] = job.retention.outside.length > 0 ? 1 : 0;
    words[M.READERS] = places.readers;
    words[M.READER_COUNT] = readers.length;
    words[M.KEEP_VERSIONS] = Math.min(job.retention.keepVersions, 0xffffffff);
    const { from, to } = job.range;
    words[M.FROM] = from === undefined ? 0 : places.from;
    words[M.FROM_LENGTH] = this.#putKey(places.from, from);
    words[M.TO] = to === undefined ? 0 : places.to;
    words[M.TO_LENGTH] = this.#putKey(places.to, to);
    if (this.#tombstones !== undefined) this.#setEdge(this.#tombstones, 0);
  }

  get bytesRead(): number {
    return this.#runs.reduce((sum, run) => sum + run.bytesRead, 0);
  }

  get entriesRead(): number {
    return this.#doubles[M.ENTRIES_READ / 2] as number;
  }

  get heldBack(): number {
    return this.#words[M.HELD_BACK] as number;
  }

  async run(outputs: OutputTables, pacer: Pacer): Promise<void> {
    const { kernels } = this.#heap;
    const words = this.#words;
    let size = 0;
    for (const run of this.#runs) if (await advanced(run)) this.#cursors[size++] = run.cursorAt;
    words[M.HEAP_SIZE] = size;
    kernels.beginMerge(this.#places.state);
    for (;;) {
      const why = kernels.mergeEntries(this.#places.state);
      if (why === M.NEXT_BLOCK) {
        const run = this.#shown();
        if (run.advance() === PENDING) await advanced(run);
        if (pacer.isDue(run.blockBytes)) await pacer.pause();
        continue;
      }
      this.#takeStaged(outputs);
      if (why === M.MERGED) return;
      if (why === M.STAGE_FULL) outputs.table?.encodeStaged();
      else if (why === M.ASK_TABLE) await this.#findTable(outputs);
      else if (why === M.UNSTAGEABLE) this.#addShown(outputs);
      else this.#answer(why);
      this.#setStage(outputs);
    }
  }

  close(): void {
    for (const run of this.#runs) run.close();
  }

  /** Of the entry that the kernel stands at. */
  #shown(): RunFeed {
    const cursor = this.#cursors[0] as number;
    return elementAt(this.#runs, (cursor - this.#places.cursors) / (M.CURSOR_WORDS * 4));
  }

  #takeStaged(outputs: OutputTables): void {
    const words = this.#words;
    const entries = words[M.STAGED_ENTRIES] as number;
    if (entries === 0) return;
    if (this.#forIngest && outputs.table !== undefined) {
      zeroVersions(this.#view, outputs.table.stagedAt, words[M.STAGED] as number);
    }
    outputs.table?.addStaged(
      words[M.STAGED] as number,
      entries,
      words[M.LAST_STAGED] as number,
      words[M.LAST_STAGED_LENGTH] as number,
    );
    words[M.STAGED_ENTRIES] = 0;
  }

  /** Tells the kernel where records go now, and when it has to ask for another table. */
  #setStage(outputs: OutputTables): void {
    const words = this.#words;
    const { table } = outputs;
    if (table === undefined) return;
    const { stagedAt } = table;
    words[M.STAGED] = stagedAt;
    words[M.STAGE_STOP] = Math.min(0xffffffff, stagedAt + outputs.bytesToGo);
    words[M.STAGE_END] = table.stageEnd;
    words[M.RECORD_MAX] = table.recordBytesMax;
  }

  async #findTable(outputs: OutputTables): Promise<void> {
    const words = this.#words;
    const { keyAt, keyLength } = this.#shown();
    if (!outputs.takes(this.#heap.bytes, keyAt, keyLength, words[M.IS_NEW_KEY] !== 0)) await outputs.next();
    words[M.TAKEN] = 1;
    words[M.NO_TABLE] = 0;
    const grandparent = outputs.nextGrandparent?.largest;
    words[M.GRANDPARENT] = grandparent === undefined ? 0 : this.#places.grandparent;
    words[M.GRANDPARENT_LENGTH] = this.#putKey(this.#places.grandparent, grandparent);
  }

  #addShown(outputs: OutputTables): void {
    const run = this.#shown();
    const { bytes } = this.#heap;
    const trailer = run.trailerAt;
    outputs.add({
      keyBytes: bytes,
      keyStart: run.keyAt,
      keyLength: run.keyLength,
      version: trailerVersion(bytes, trailer),
      type: bytes[trailer] as EntryType,
      valueBytes: run.valueBytes,
      valueStart: run.valueStart,
      valueLength: run.valueLength,
    });
    this.#words[M.IS_ADDED] = 1;
  }

  #answer(why: number): void {
    const words = this.#words;
    const run = this.#shown();
    const { bytes } = this.#heap;
    const { keyAt, keyLength } = run;
    if (why === M.NOT_SORTED)
      throw new SluiceError('CORRUPTION', `${run.path}: a key that is not after the last one of the merge`);
    const version = trailerVersion(bytes, run.trailerAt);
    if (why === M.ASK_OUTSIDE) {
      const may = this.#outside.mayHoldOlder(bytes, keyAt, keyLength, version);
      words[M.OUTSIDE_ANSWER] = may ? M.ANSWER_YES : M.ANSWER_NO;
      return;
    }
    const tombstones = this.#tombstones;
    if (tombstones === undefined) return;
    const fragment = tombstones.find(bytes, keyAt, keyLength);
    if (why === M.AT_EDGE) {
      this.#setEdge(tombstones, fragment);
      return;
    }
    // Whoever reads below the reader and at or above the version reads below the range deletion: there is nobody.
    const reader = this.#readers[words[M.PLACE] as number] as typeof version;
    const covering = tombstones.newestIn(fragment, reader);
    words[M.COVERED_ANSWER] = covering !== NO_VERSION && covering > version ? M.ANSWER_YES : M.ANSWER_NO;
  }

  /** Keys from now on are in this fragment, up to where the next one starts. */
  #setEdge(tombstones: RangeTombstones, fragment: number): void {
    const words = this.#words;
    const edge = tombstones.starts[fragment + 1];
    words[M.COVERED_MAYBE] = tombstones.versionsOf(fragment).length > 0 ? 1 : 0;
    words[M.EDGE] = edge === undefined ? 0 : this.#places.edge;
    words[M.EDGE_LENGTH] = this.#putKey(this.#places.edge, edge);
  }

  /** A key longer than any there is cut off, which leaves it before and after the same keys. */
  #putKey(to: number, key: Uint8Array | undefined): number {
    if (key === undefined) return 0;
    const length = Math.min(key.length, KEY_ROOM);
    this.#heap.bytes.set(key.subarray(0, length), to);
    return length;
  }
}

/** As `advance`, once that can be said. */
async function advanced(run: RunFeed): Promise<boolean> {
  for (;;) {
    const has = run.advance();
    if (has !== PENDING) return has;
    await run.openNext();
  }
}

/** Of staged records in [at, end). */
function zeroVersions(view: DataView, from: number, end: number): void {
  for (let at = from; at < end; ) {
    const trailer = at + RECORD_HEAD_BYTES + view.getUint32(at, true) - TRAILER_BYTES;
    view.setUint32(trailer, view.getUint8(trailer), true);
    view.setUint32(trailer + 4, 0, true);
    at = trailer + TRAILER_BYTES + view.getUint32(at + 4, true);
  }
}
