/**
 * Compaction in the background: picks, has the work done elsewhere, and installs what came of it.
 *
 * What a merge may drop is fixed in the same turn in which it is picked (L4): the open snapshots, the horizon, and all
 * sources outside its inputs. Inputs and places are reserved in that turn too, so whatever else is picked or ingested
 * meanwhile keeps clear of them.
 */

import { isSluiceError, SluiceError, throwIfAborted } from '../base/errors.ts';
import type { CompactionJob, CompactionResult } from '../levels/compaction/job.ts';
import { levelTargets } from '../levels/compaction/level-targets.ts';
import type { RunningJob } from '../levels/compaction/parts.ts';
import {
  type Merge,
  type Move,
  type PickState,
  pickCompaction,
  pickRange,
  scores,
} from '../levels/compaction/pick.ts';
import type { BackgroundRunner } from '../levels/compaction/runner.ts';
import { boundsOf } from '../levels/compaction/table-ranges.ts';
import type { Tree } from '../levels/tree.ts';
import type { Edit, FileId } from '../manifest/rows.ts';
import type { Version } from '../mvcc/version.ts';
import { CompactionPause, type PauseStats } from './compaction-pause.ts';
import { CompactionPlan, type CompactionSettings } from './compaction-plan.ts';
import { type CompactionCounts, CompactionRecord } from './compaction-record.ts';
import type { Change } from './edit-queue.ts';
import type { Engine } from './engine.ts';

const RETRY_MS_MIN = 500;
/** A dataset's version with fewer tables in level 0 is left as it is. */
const PUBLISHED_LEVEL0_TABLES = 8;
const RETRY_MS_MAX = 60_000;
const BLOCKED_RETRY_MS = 10;
const NAP_MS = 200;

export interface CompactionStats extends CompactionCounts {
  /** Merges under way. */
  readonly running: number;
  /** For the sake of flushes that writers waited for. */
  readonly pauses: PauseStats;
}

export interface CompactRangeOptions {
  readonly signal?: AbortSignal | undefined;
}

export class Compactor {
  readonly #engine: Engine;
  readonly #settings: CompactionSettings;
  readonly #runner: BackgroundRunner;
  readonly #plan: CompactionPlan;
  readonly #running = new Map<Promise<void>, RunningJob>();
  /** Trees that a `compactRange` waits for: nothing else is begun there. */
  readonly #manual = new Map<Tree, number>();
  readonly #record: CompactionRecord;
  readonly #pause: CompactionPause;
  #inARow = 0;
  #cancelRetry: (() => void) | undefined;
  /** Somebody waits for the retry. */
  #napping = false;
  #scheduled = false;
  #closed = false;

  constructor(engine: Engine, settings: CompactionSettings, runner: BackgroundRunner) {
    this.#engine = engine;
    this.#settings = settings;
    this.#runner = runner;
    this.#plan = new CompactionPlan(engine, settings);
    this.#record = new CompactionRecord(engine);
    this.#pause = new CompactionPause(engine, settings.limits.level0Trigger, (wanted) => {
      for (const job of this.#running.values()) job.pause(wanted);
      if (!wanted) this.poke();
    });
  }

  /** Tables are compacted without being asked. */
  get isAuto(): boolean {
    return this.#settings.auto;
  }

  get stats(): CompactionStats {
    const { stats: pauses } = this.#pause;
    return { running: this.#running.size, ...this.#record.counts, pauses };
  }

  /** Nobody reads the tree below this version, now or later. */
  watermark(tree: Tree): Version {
    return this.#plan.watermark(tree);
  }

  /** Ingests have come that can be undone, or some cannot be any more. */
  pinsChanged(): void {
    this.#plan.pinned.changed();
    this.poke();
  }

  /** Something has changed that may call for a compaction. */
  poke(): void {
    if (this.#scheduled || this.#closed || !this.#settings.auto) return;
    this.#scheduled = true;
    void this.#engine.env.clock.turn().then(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  snapshotClosed(): void {
    if (this.#plan.isHeldBack) this.poke();
  }

  /** Whether writers wait for a flush. */
  writersWait(waiting: boolean): void {
    this.#pause.writersWait(waiting, this.#running.size > 0);
  }

  /** A writer is stopped until a compaction is done. */
  noteWaiting(): void {
    this.#keepAlive();
    void this.#awaitRetry();
    this.poke();
  }

  /**
   * All that the tree has in tables of [smallest, largest] (open where undefined) goes to the lowest level, without its
   * garbage. @throws SluiceError ABORTED, CLOSED, and what stopped the merge.
   */
  async compactRange(
    tree: Tree,
    smallest: Uint8Array | undefined,
    largest: Uint8Array | undefined,
    { signal }: CompactRangeOptions,
  ): Promise<void> {
    this.#manual.set(tree, (this.#manual.get(tree) ?? 0) + 1);
    this.#keepAlive();
    try {
      for (;;) {
        throwIfAborted(signal);
        this.#checkOpen();
        if (this.#engine.isDropped(tree.id)) return;
        const merge = pickRange(this.#plan.state(tree), smallest, largest);
        if (merge === undefined) return;
        if (merge !== 'blocked' && this.#running.size < this.#settings.maxWork) {
          await this.#merge(tree, merge, signal);
          return;
        }
        await this.#oneDone();
      }
    } catch (error) {
      this.#checkOpen();
      throw error;
    } finally {
      const left = (this.#manual.get(tree) ?? 1) - 1;
      if (left > 0) this.#manual.set(tree, left);
      else this.#manual.delete(tree);
      this.#keepAlive();
      this.poke();
    }
  }

  /** Ends what runs, without its result. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#runner.keepAlive(true);
    for (const job of this.#running.values()) job.cancel();
    await Promise.allSettled(this.#running.keys());
    await this.#runner.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new SluiceError('CLOSED', 'The database was closed during a compaction');
  }

  #keepAlive(): void {
    // A close waits for all of them.
    this.#runner.keepAlive(this.#closed || this.#manual.size > 0 || this.#engine.throttle.isWaitedFor);
  }

  /** The timer of a retry keeps no process alive; somebody who waits for it must. In naps: a close must not wait for all of it. */
  async #awaitRetry(): Promise<void> {
    if (this.#napping) return;
    this.#napping = true;
    while (this.#cancelRetry !== undefined && this.#engine.throttle.isWaitedFor && !this.#closed) {
      await this.#engine.env.clock.sleep(NAP_MS);
    }
    this.#napping = false;
  }

  async #oneDone(): Promise<void> {
    if (this.#running.size === 0) await this.#engine.env.clock.sleep(BLOCKED_RETRY_MS);
    else await Promise.race([...this.#running.keys()].map((run) => run.catch(() => undefined)));
  }

  /* Picking. */

  #pump(): void {
    if (this.#closed || this.#cancelRetry !== undefined || this.#engine.poisoned !== undefined) return;
    if (this.#pause.paused) return;
    try {
      while (this.#running.size < this.#settings.maxWork && this.#beginOne());
    } catch (error) {
      this.#failed(error);
    }
    this.#engine.throttle.update();
  }

  /** False: there is nothing to do, or nothing that can be begun now. */
  #beginOne(): boolean {
    const trees = [...this.#engine.catalog.trees()]
      .filter((tree) => !this.#manual.has(tree) && !this.#engine.isDropped(tree.id) && !this.#rests(tree))
      .map((tree) => ({ tree, state: this.#plan.state(tree) }))
      .map((each) => ({ ...each, urgency: urgencyOf(each.state) }))
      .sort((a, b) => b.urgency - a.urgency);
    for (const { tree, state } of trees) {
      const choice = pickCompaction(state);
      if (choice === undefined) continue;
      const begun = choice.kind === 'move' ? this.#move(tree, choice) : this.#merge(tree, choice, undefined);
      begun.catch((error: unknown) => this.#failed(error));
      return true;
    }
    return false;
  }

  /**
   * A dataset's version shares its tables with others, and is seldom read: to merge them would be to store them again. Only
   * where deltas have piled up does it pay, for the versions that come after it.
   */
  #rests(tree: Tree): boolean {
    const level0Tables = tree.view.levels.tables[0]?.length ?? 0;
    return this.#engine.catalog.isPublished(tree.id) && level0Tables < PUBLISHED_LEVEL0_TABLES;
  }

  /* Moving. */

  /** The files stay where they are: one edit of their levels. Their places are theirs from now on. REQUIRES: picked in this same turn. */
  async #move(tree: Tree, { moves, reason }: Move): Promise<void> {
    const ids = moves.map(({ table }) => table.id);
    const held = moves.map(({ table: { id, smallest, largest }, level }) =>
      tree.reservations.reserve(level, smallest, largest, `a move to level ${level}`, [id]),
    );
    const build = (): Change | undefined => {
      if (this.#engine.isDropped(tree.id)) return undefined;
      const added = moves.map(({ table, level }) => ({
        row: { ...table, level },
        table: tree.view.table(table),
      }));
      return {
        edits: added.map(({ row }): Edit => ({ kind: 'addTable', table: row })),
        installed: () => {
          tree.install(added, ids);
          this.#record.moved(tree, moves, reason);
        },
      };
    };
    try {
      await this.#engine.edits.submit(build);
    } finally {
      for (const reservation of held) tree.reservations.release(reservation);
      this.poke();
    }
  }

  /* Merging. */

  /** REQUIRES: picked in this same turn. */
  #merge(tree: Tree, merge: Merge, signal: AbortSignal | undefined): Promise<void> {
    const { inputs, level } = merge;
    const { smallest, largest } = boundsOf(inputs);
    const ids = inputs.map(({ id }) => id);
    const outputs: FileId[] = [];
    const job = this.#plan.job(tree, merge);
    const running = this.#runner.run(job, () => {
      const id = this.#engine.newFileId();
      outputs.push(id);
      return id;
    });
    const reservation = tree.reservations.reserve(
      level,
      smallest,
      largest,
      `a compaction to level ${level}`,
      ids,
    );
    // L2: the files stay while they are read, also if their keyspace is dropped meanwhile.
    const releases = inputs.map((row) => tree.retain(tree.view.table(row)));
    const cancel = (): void => running.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    const beganMs = this.#engine.env.clock.monotonicMs();
    const run = running.done
      .then(async (result) => {
        await this.#engine.edits.submit(() => this.#installation(tree, ids, job, result));
        this.#inARow = 0;
        this.#record.merged(tree, merge, result, this.#engine.env.clock.monotonicMs() - beganMs);
      })
      .catch((error: unknown) => {
        // An edit of unknown outcome may name the outputs: recovery decides.
        if (!isSluiceError(error, 'OUTCOME_UNKNOWN')) this.#discard(outputs);
        throw error;
      })
      .finally(() => {
        signal?.removeEventListener('abort', cancel);
        tree.reservations.release(reservation);
        for (const release of releases) release();
        this.#running.delete(run);
        this.#keepAlive();
        this.#engine.throttle.update();
        this.poke();
      });
    this.#running.set(run, running);
    return run;
  }

  /** Once the edit is durable the tree has the outputs in the inputs' place, in one step. */
  #installation(
    tree: Tree,
    ids: readonly FileId[],
    job: CompactionJob,
    result: CompactionResult,
  ): Change | undefined {
    const engine = this.#engine;
    const { outputs } = result;
    if (engine.isDropped(tree.id)) {
      this.#discard(outputs.map(({ id }) => id));
      return undefined;
    }
    return {
      edits: [
        ...ids.map((id): Edit => ({ kind: 'dropTable', id })),
        ...outputs.map((table): Edit => ({ kind: 'addTable', table })),
      ],
      installed: () => {
        tree.install(
          outputs.map((row) => ({ row, table: engine.openTable(engine.tablePath(row.id), row.prefix) })),
          ids,
        );
        this.#plan.installed(ids, job, result);
        engine.rangeCollector.poke();
        engine.remover.whenUnread(() => tree.removeFiles(ids));
      },
    };
  }

  /** L2: only what nothing durable names. What cannot be unlinked is garbage, which the sweep at open removes. */
  #discard(ids: readonly FileId[]): void {
    const { fs } = this.#engine.env;
    for (const id of ids) {
      if (this.#engine.manifest.state.tables.has(id)) continue;
      try {
        fs.unlinkSync(this.#engine.tablePath(id));
      } catch (error) {
        if (!isSluiceError(error)) throw error;
      }
    }
  }

  /** Nothing is lost: the inputs are as they were. It is tried again, at longer and longer intervals. */
  #failed(cause: unknown): void {
    if (this.#closed || isSluiceError(cause, 'ABORTED')) return;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#record.failed(error);
    this.#engine.logger?.error({ err: error }, 'a compaction failed');
    this.#engine.throttle.failed(error);
    if (this.#cancelRetry !== undefined) return;
    const retryMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#inARow++);
    this.#engine.events.emit({ kind: 'failure', what: 'compaction', error, retryMs });
    this.#cancelRetry = this.#engine.env.clock.after(retryMs, () => {
      this.#cancelRetry = undefined;
      this.poke();
    });
  }
}

function urgencyOf(state: PickState): number {
  return Math.max(...scores(state, levelTargets(state.levels, state.limits)));
}
