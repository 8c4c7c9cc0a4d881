/**
 * What a compaction is given to know, all of it as of one turn: who may read, what is held elsewhere (L4).
 *
 * Also remembers which tables were written with versions that only a snapshot needed, to have them written again when it
 * is closed.
 */

import { compareBytes, EMPTY_BYTES } from '../base/bytes.ts';
import type { Retention } from '../levels/compaction/garbage.ts';
import { ALL_KEYS, type CompactionJob, type CompactionResult, runsOf } from '../levels/compaction/job.ts';
import type { CompactionLimits, Merge, PickState } from '../levels/compaction/pick.ts';
import { boundsOf, type HeldVersions, overlaps, sumBytes } from '../levels/compaction/table-ranges.ts';
import type { Tree } from '../levels/tree.ts';
import { type FileId, LEVEL_COUNT, type TableRow } from '../manifest/rows.ts';
import { KEY_BYTES_MAX } from '../mvcc/internal-key.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';
import type { Engine } from './engine.ts';
import { PinnedVersions } from './undo-pins.ts';

/** Outputs of which a smaller part is held back by snapshots are not written again when those are closed. */
const STALE_PART = 8;

export interface CompactionSettings {
  readonly auto: boolean;
  readonly limits: CompactionLimits;
  readonly keepHistoryMs: number;
  readonly keepVersions: number;
  /** Merges at a time. */
  readonly maxWork: number;
  /** Of one merge. */
  readonly maxSubcompactions: number;
  /** 0: no limit. */
  readonly bytesPerSecond: number;
}

export class CompactionPlan {
  readonly pinned: PinnedVersions;
  readonly #engine: Engine;
  readonly #settings: CompactionSettings;
  /** Tables with versions for snapshots, and the newest of those snapshots. */
  readonly #heldBack = new Map<FileId, Version>();

  constructor(engine: Engine, settings: CompactionSettings) {
    this.#engine = engine;
    this.#settings = settings;
    this.pinned = new PinnedVersions(engine.manifest);
  }

  /** Whether closing a snapshot may call for a compaction. */
  get isHeldBack(): boolean {
    return this.#heldBack.size > 0;
  }

  /** Nobody reads the tree below this version, now or later. */
  watermark(tree: Tree): Version {
    const { horizon } = this.#engine;
    const oldest = this.#oldestReader(tree);
    return oldest === undefined || oldest > horizon ? horizon : oldest;
  }

  state(tree: Tree): PickState {
    const oldest = this.#oldestReader(tree);
    const stale = [...this.#heldBack].filter(([, newest]) => oldest === undefined || oldest > newest);
    return {
      levels: tree.view.levels,
      limits: this.#settings.limits,
      reservations: tree.reservations,
      watermark: this.watermark(tree),
      memtables: this.#keepsTombstones(tree) ? [EVERYTHING] : heldInMemory(tree),
      stale: new Set(stale.map(([id]) => id)),
      hidden: this.#engine.rangeCollector.hidden.bytes,
    };
  }

  /** REQUIRES: picked in this same turn. */
  job(tree: Tree, { inputs, level }: Merge): CompactionJob {
    const { limits, bytesPerSecond, maxSubcompactions, maxWork } = this.#settings;
    const { builder, tablesDir } = this.#engine.settings;
    const { smallest, largest } = boundsOf(inputs);
    const hasBelow = level > 0 && level + 1 < LEVEL_COUNT;
    const grandparents = hasBelow ? tree.view.levels.overlapping(level + 1, smallest, largest) : [];
    return {
      tree: tree.id,
      tablesDir,
      runs: runsOf(inputs),
      range: ALL_KEYS,
      // Tables of level 0 are a run each: more of them would make it worse.
      partsMax:
        level === 0
          ? 1
          : Math.max(1, Math.min(maxSubcompactions, Math.floor(sumBytes(inputs) / limits.targetFileBytes))),
      level,
      retention: this.#retention(tree, inputs),
      rangeTombstones: (tree.view.levels.tombstones?.list ?? []).filter(
        ({ from, to }) =>
          compareBytes(from, largest) <= 0 && (to === undefined || compareBytes(smallest, to) < 0),
      ),
      builder,
      targetFileBytes: limits.targetFileBytes,
      grandparents: grandparents.map((row) => ({ largest: row.largest, bytes: row.bytes })),
      bytesPerSecond: bytesPerSecond / maxWork,
    };
  }

  /** The job's outputs are in the tree, its inputs no longer. */
  installed(inputs: readonly FileId[], { retention }: CompactionJob, result: CompactionResult): void {
    const { heldBack, entriesWritten, outputs } = result;
    for (const id of inputs) this.#heldBack.delete(id);
    const newest = retention.snapshots.filter((version) => version < retention.horizon).at(-1);
    if (newest === undefined || heldBack === 0 || heldBack * STALE_PART < entriesWritten) return;
    for (const { id } of outputs) this.#heldBack.set(id, newest);
  }

  #keepsTombstones(tree: Tree): boolean {
    return this.#engine.treeRow(tree.id).keepsTombstones;
  }

  /** Of the readers that hold a version. */
  #oldestReader(tree: Tree): Version | undefined {
    const { oldest } = this.#engine.snapshots;
    const [pinned] = this.pinned.of(tree.id);
    return oldest === undefined || (pinned !== undefined && pinned < oldest) ? pinned : oldest;
  }

  #retention(tree: Tree, inputs: readonly TableRow[]): Retention {
    const bounds = boundsOf(inputs);
    const taken = new Set(inputs.map(({ id }) => id));
    const { horizon, history } = this.#engine;
    history.giveUp(horizon);
    const others = tree.rows().filter(({ id }) => !taken.has(id));
    // Whatever may be ingested behind them is as good as there: no tombstone goes.
    const behind = this.#keepsTombstones(tree) ? [{ ...bounds, minVersion: NO_VERSION }] : [];
    const outside = [...behind, ...heldInMemory(tree), ...others]
      // Only tombstones up to the horizon go: what is as new hides nothing of theirs.
      .filter((source) => source.minVersion < horizon && overlaps(source, bounds))
      .map(({ smallest, largest, minVersion }) => ({ smallest, largest, minVersion }));
    return {
      snapshots: [...this.#engine.snapshots.versions(), ...this.pinned.of(tree.id)].sort((a, b) => a - b),
      horizon,
      keepVersions: this.#settings.keepVersions,
      outside,
    };
  }
}

/** All keys, of all versions. */
const EVERYTHING: HeldVersions = {
  smallest: EMPTY_BYTES,
  largest: new Uint8Array(KEY_BYTES_MAX + 1).fill(0xff),
  minVersion: NO_VERSION,
};

/** What the memtables, active and sealed, hold now. */
function heldInMemory(tree: Tree): HeldVersions[] {
  const { memtable, sealed } = tree.view;
  return [memtable, ...sealed]
    .filter(({ entries }) => entries > 0)
    .map(({ smallest, largest, minVersion }) => ({ smallest, largest, minVersion }));
}
