/**
 * A table: an SST file read through the block cache.
 *
 * Reads are synchronous over what is in memory. `get` answers PENDING where the open state or a block is missing; then
 * `loadSync` or `load` brings it in and keeps it for that probe until the same `get` is repeated.
 */

import { compareBytes, copyRange } from '../base/bytes.ts';
import type { FileSystem } from '../base/env/file-system.ts';
import { SluiceError } from '../base/errors.ts';
import { type Cursor, PENDING, READY, type Status } from '../mvcc/cursor.ts';
import type { PrefixRewrite } from '../mvcc/prefix-rewrite.ts';
import type { Probe } from '../mvcc/probe.ts';
import type { Version } from '../mvcc/version.ts';
import {
  FRAME_RESTART_COUNT,
  FRAME_RESTARTS_AT,
  FRAME_WORDS,
  PLACE_MARKS,
  PLACE_WORDS,
  USED,
} from './block-arena.ts';
import type { BlockCache, OwnBlock } from './block-cache.ts';
import { loadBlock, loadBlockSync } from './block-load.ts';
import { EXHAUSTED, FOUND, FoundEntry, findInBlock } from './data-block.ts';
import { type Filter, filterMayContain } from './filter.ts';
import { UNKNOWN } from './kernels/kernels.ts';
import { PrefixedCursor } from './prefixed-cursor.ts';
import { prefixedBound, prefixedTombstone } from './prefixed-facts.ts';
import { PrefixedProbe } from './prefixed-probe.ts';
import { readRangeDeletions } from './range-deletions.ts';
import type { TableCache } from './table-cache.ts';
import { TableCursor } from './table-cursor.ts';
import type { TableFacts } from './table-facts.ts';
import { openTable, openTableSync, type TableState } from './table-state.ts';

export interface TableOptions {
  readonly path: string;
  readonly fs: FileSystem;
  readonly cache: BlockCache;
  readonly tableCache?: TableCache | undefined;
  /** Its keys are read under another prefix than the file has them: of all that `Table` tells but for `state`. */
  readonly prefix?: PrefixRewrite | undefined;
  /** For a merge: nobody asks for single keys, so the filter is not read; the index is scratch memory. */
  readonly forMerge?: boolean;
}

export interface TableCursorOptions {
  /** Read this much at a time from disk while the cursor moves on; 0 (default): a block at a time. */
  readonly readaheadBytes?: number | undefined;
  /** False: what this cursor reads does not push other blocks out of the cache. Default true. */
  readonly fillCache?: boolean | undefined;
}

/** A table of a database; `prefix`: of its row. */
export type OpenTable = (path: string, prefix: PrefixRewrite | undefined) => Table;

const found = new FoundEntry();

export class Table {
  /** Set by the tree, of tables at the top. */
  keepsOpen = false;
  readonly path: string;
  readonly cache: BlockCache;
  readonly prefix: PrefixRewrite | undefined;
  readonly #prefixed: PrefixedProbe | undefined;
  readonly #fs: FileSystem;
  readonly #tableCache: TableCache | undefined;
  readonly #forMerge: boolean;
  #state: TableState | undefined;
  #opening: Promise<TableState> | undefined;
  #facts: TableFacts | undefined;
  /** Of the first and the last entry, as in the file; set with the facts. */
  #endVersions: readonly Version[] = [];
  #disposed = false;
  /** As the last `get` had it; the same for all, since it is the manifest that says it. */
  #hasGlobalVersion = false;
  /** Counts closes, so that an open under way when one comes is not kept. */
  #epoch = 0;

  constructor(options: TableOptions) {
    this.path = options.path;
    this.cache = options.cache;
    this.#fs = options.fs;
    this.#tableCache = options.tableCache;
    this.prefix = options.prefix;
    this.#prefixed = options.prefix && new PrefixedProbe(options.prefix);
    this.#forMerge = options.forMerge ?? false;
  }

  get state(): TableState | undefined {
    return this.#state;
  }

  /** Reads footer, metaindex, properties, index and filter. Throws what is wrong with the file. */
  openSync(): TableState {
    if (this.#state !== undefined) return this.#state;
    this.#requireUsable();
    return this.#opened(openTableSync(this.#fs, this.cache, this.path, this.#forMerge));
  }

  async open(): Promise<TableState> {
    if (this.#state !== undefined) return this.#state;
    this.#requireUsable();
    this.#opening ??= this.#openOnce().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openOnce(): Promise<TableState> {
    const epoch = this.#epoch;
    const state = await openTable(this.#fs, this.cache, this.path, this.#forMerge);
    if (this.#state !== undefined || this.#disposed || epoch !== this.#epoch) {
      // Opened synchronously, or closed, meanwhile.
      state.retire();
      return this.openSync();
    }
    return this.#opened(state);
  }

  #opened(state: TableState): TableState {
    this.#state = state;
    this.#tableCache?.opened(this);
    return state;
  }

  #requireUsable(): void {
    if (this.#disposed) throw new SluiceError('CLOSED', `${this.path}: the table was disposed`);
  }

  /** What the file says of itself. Reads first and last block for the bounds, and range deletions, once; synchronous. */
  get facts(): TableFacts {
    if (this.#facts !== undefined) return this.#facts;
    const state = this.openSync();
    const cursor = new TableCursor(this, undefined, 0, true);
    try {
      let smallest: Uint8Array | undefined;
      let largest: Uint8Array | undefined;
      const versions: Version[] = [];
      while (cursor.first() === PENDING) cursor.loadSync();
      if (cursor.valid) {
        versions.push(cursor.version);
        smallest = copyRange(cursor.keyBytes, cursor.keyStart, cursor.keyLength);
        while (cursor.last() === PENDING) cursor.loadSync();
        versions.push(cursor.version);
        largest = copyRange(cursor.keyBytes, cursor.keyStart, cursor.keyLength);
      }
      this.#endVersions = versions;
      let rangeTombstones = readRangeDeletions(state);
      const { path, prefix } = this;
      if (prefix !== undefined) {
        smallest = smallest && prefixedBound(smallest, cursor, path, prefix);
        largest = largest && prefixedBound(largest, cursor, path, prefix);
        rangeTombstones = rangeTombstones.map((tombstone) => prefixedTombstone(tombstone, path, prefix));
      }
      for (const { from, to } of rangeTombstones) {
        if (smallest === undefined || compareBytes(from, smallest) < 0) smallest = from;
        if (to !== undefined && (largest === undefined || compareBytes(to, largest) > 0)) largest = to;
      }
      this.#facts = { ...state.facts, smallest, largest, rangeTombstones };
      return this.#facts;
    } finally {
      cursor.close();
    }
  }

  /** Versions of the first and the last entry, as in the file; none where there are no entries. */
  get endVersions(): readonly Version[] {
    return this.facts.entries === 0 ? [] : this.#endVersions;
  }

  /** Gives the probe the newest entry of its key at or below its snapshot, if newer than what it has. */
  get(probe: Probe, globalVersion: Version | undefined): Status {
    const prefixed = this.#prefixed;
    if (prefixed === undefined) return this.#get(probe, globalVersion);
    if (!prefixed.enter(probe)) return this.#done(probe);
    try {
      return this.#get(probe, globalVersion);
    } finally {
      prefixed.leave(probe);
    }
  }

  /** Whether the filter, which is the table's, admits the probe's key. */
  mayContain(filter: Filter, probe: Probe): boolean {
    const prefixed = this.#prefixed;
    const { kernels } = this.cache.heap;
    if (prefixed === undefined) return filterMayContain(filter, probe, kernels);
    if (!prefixed.enter(probe)) return false;
    try {
      return filterMayContain(filter, probe, kernels);
    } finally {
      prefixed.leave(probe);
    }
  }

  #get(probe: Probe, globalVersion: Version | undefined): Status {
    let bound: number = probe.snapshot;
    if (globalVersion !== undefined) {
      if (globalVersion > bound || (probe.found && globalVersion <= probe.version)) return this.#done(probe);
      bound = Number.POSITIVE_INFINITY;
    }
    this.#hasGlobalVersion = globalVersion !== undefined;
    let state = this.#state;
    if (state === undefined) {
      if (!probe.blocking) return PENDING;
      probe.own();
      state = this.openSync();
    }
    state.used = true;
    if (this.#refuses(state, probe)) {
      state.met(false);
      return this.#done(probe);
    }
    return this.#search(state, probe, bound, globalVersion);
  }

  #refuses(state: TableState, probe: Probe): boolean {
    const { filter, sureOfKeys } = state;
    return filter !== undefined && !sureOfKeys && !filterMayContain(filter, probe, this.cache.heap.kernels);
  }

  #search(state: TableState, probe: Probe, bound: number, globalVersion: Version | undefined): Status {
    const { key, keyStart, keyLength } = probe;
    const { cache } = this;
    const { kernels } = cache.heap;
    const keySet = kernels.setKey(key, keyStart, keyLength);
    const { index } = state;
    for (let block = index.search(key, keyStart, keyLength, bound); block < index.blocks; block++) {
      const frame = state.slots[block] as number;
      let bytes = cache.heap.bytes;
      let outcome: number;
      if (frame !== 0) {
        outcome = this.#find(frame, probe, bound, keySet);
      } else {
        let own = cache.holds === 0 ? undefined : cache.heldOwn(probe, state.owner, block);
        if (own === undefined) {
          if (!probe.blocking) return PENDING;
          probe.own();
          own = loadBlockSync(cache, state, block, 0, false);
        }
        if (own === undefined) outcome = this.#find(state.slots[block] as number, probe, bound, keySet);
        else {
          bytes = own.bytes;
          const { start, restartsAt, restartCount } = own;
          outcome = findInBlock(
            bytes,
            start,
            restartsAt,
            restartCount,
            key,
            keyStart,
            keyLength,
            bound,
            found,
          );
        }
      }
      if (outcome === FOUND) {
        state.met(true);
        const version = globalVersion ?? found.version;
        if (!probe.found || version > probe.version) {
          probe.accept(version, found.type, bytes, found.valueStart, found.valueLength);
        }
        return this.#done(probe);
      }
      // The key's versions can go on in the next block only where its separator is this very key.
      if (outcome !== EXHAUSTED || index.compareSeparator(block, key, keyStart, keyLength) > 0) break;
    }
    state.met(false);
    return this.#done(probe);
  }

  #find(frame: number, probe: Probe, bound: number, keySet: boolean): number {
    const { heap, arena } = this.cache;
    const { places } = arena;
    this.cache.hits++;
    const place = frame * PLACE_WORDS;
    const start = places[place] as number;
    const marks = places[place + PLACE_MARKS] as number;
    if ((marks & USED) === 0) places[place + PLACE_MARKS] = marks | USED;
    let outcome = UNKNOWN;
    if (keySet && marks > USED)
      outcome = heap.kernels.findByHeads(start, start + (marks >>> 1), bound, found);
    if (outcome !== UNKNOWN) return outcome;
    const at = frame * FRAME_WORDS;
    const restartsAt = arena.frames[at + FRAME_RESTARTS_AT] as number;
    const restarts = arena.frames[at + FRAME_RESTART_COUNT] as number;
    if (keySet) outcome = heap.kernels.findInBlock(start, restartsAt, restarts, bound, found);
    if (outcome !== UNKNOWN) return outcome;
    const { key, keyStart, keyLength } = probe;
    return findInBlock(heap.bytes, start, restartsAt, restarts, key, keyStart, keyLength, bound, found);
  }

  #done(probe: Probe): Status {
    if (this.cache.holds !== 0) this.cache.letGo(probe);
    return READY;
  }

  /** The block that a `get` of the probe lacks; -1 when none. */
  #missingBlock(state: TableState, probe: Probe): number {
    const prefixed = this.#prefixed;
    if (prefixed === undefined) return this.#missing(state, probe);
    if (!prefixed.enter(probe)) return -1;
    try {
      return this.#missing(state, probe);
    } finally {
      prefixed.leave(probe);
    }
  }

  #missing(state: TableState, probe: Probe): number {
    const { key, keyStart, keyLength } = probe;
    const bound = this.#hasGlobalVersion ? Number.POSITIVE_INFINITY : probe.snapshot;
    // As `get` will find it: what it is sure of without the filter must be there for it.
    if (this.#refuses(state, probe)) return -1;
    const index = state.index;
    let block = index.search(key, keyStart, keyLength, bound);
    while (block < index.blocks) {
      if (state.slots[block] === 0 && this.cache.heldOwn(probe, state.owner, block) === undefined)
        return block;
      if (index.compareSeparator(block, key, keyStart, keyLength) > 0) return -1;
      block++;
    }
    return -1;
  }

  /** Brings in what the last PENDING `get` of this probe lacked, and keeps it until that `get` is repeated. */
  loadSync(probe: Probe): void {
    const state = this.openSync();
    const block = this.#missingBlock(state, probe);
    this.#hold(
      state,
      probe,
      block,
      block < 0 ? undefined : loadBlockSync(this.cache, state, block, 0, false),
    );
  }

  async load(probe: Probe): Promise<void> {
    await this.open();
    // Usually a no-op; the table may have been closed again between that promise and here.
    const state = this.openSync();
    const block = this.#missingBlock(state, probe);
    if (block < 0) {
      this.#hold(state, probe, block, undefined);
      return;
    }
    state.retain();
    try {
      await loadBlock(this.cache, state, block, 0, false, (own) => this.#hold(state, probe, block, own));
    } finally {
      state.release();
    }
  }

  #hold(state: TableState, probe: Probe, block: number, own: OwnBlock | undefined): void {
    const frame = block < 0 ? 0 : (state.slots[block] as number);
    state.retain();
    this.cache.hold(probe, state.owner, block, frame, own, () => state.release());
  }

  /**
   * `globalVersion`: the version of every entry, whatever the file says. The cursor opens the table when it is first
   * loaded.
   */
  cursor(globalVersion: Version | undefined, options: TableCursorOptions = {}): Cursor {
    const { prefix, path } = this;
    const { readaheadBytes = 0, fillCache = true } = options;
    const cursor = new TableCursor(this, globalVersion, readaheadBytes, fillCache);
    return prefix === undefined ? cursor : new PrefixedCursor(cursor, prefix, path);
  }

  /** Gives back descriptor, index, filter and cached blocks; the next use opens again. */
  close(): void {
    this.#epoch++;
    const state = this.#state;
    if (state === undefined) return;
    this.#state = undefined;
    this.#tableCache?.closed(this);
    state.retire();
  }

  /** As `close`, for good: later uses throw CLOSED. */
  dispose(): void {
    this.#disposed = true;
    this.close();
  }
}
