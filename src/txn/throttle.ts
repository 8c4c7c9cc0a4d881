/**
 * Slows writers down, and at last stops them, while compaction cannot keep up: reads get slower with every table of
 * level 0, and the space with every byte that waits to be compacted.
 *
 * Slow comes long before stop, in proportion to how far it has got, so that writers feel a slope and not a wall.
 */

import { pendingBytes } from '../levels/compaction/level-targets.ts';
import type { CompactionLimits } from '../levels/compaction/pick.ts';
import type { Tree } from '../levels/tree.ts';
import type { Engine } from './engine.ts';

/** In triggers of level 0, as RocksDB's defaults have it: 4, 20, 36. */
const LEVEL0_SLOW = 5;
const LEVEL0_STOP = 9;
/** In base level sizes: 64 and 256 GiB for the default of 256 MiB. */
const PENDING_SLOW = 256;
const PENDING_STOP = 1024;

/** At the beginning of the slope and at its end. */
const SLOW_BYTES_PER_MS = 16_000;
const SLOWEST_BYTES_PER_MS = 500;
/** A write counts as at least so many bytes. */
const WRITE_BYTES_MIN = 256;
/** Less than this is not worth a timer. */
const PAUSE_MS_MIN = 1;

export type StallState = 'none' | 'slow' | 'stopped';

export interface StallStats {
  readonly state: StallState;
  /** Why; empty for 'none'. */
  readonly reason: string;
  /** How often writers were slowed down or stopped since open, and for how long they waited together. */
  readonly slowdowns: number;
  readonly stops: number;
  readonly waitedMs: number;
}

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

export class Throttle {
  readonly #engine: Engine;
  readonly #limits: CompactionLimits | undefined;
  #state: StallState = 'none';
  #reason = '';
  /** From 0 at the beginning of the slope to 1 at the stop. */
  #severity = 0;
  /** When the bytes let through so far are paid for, at the slow rate. */
  #paidAtMs = 0;
  #waiting: Waiter[] = [];
  #slowdowns = 0;
  #stops = 0;
  #waitedMs = 0;

  /** `limits` undefined: nothing is compacted, so waiting for it would never end. */
  constructor(engine: Engine, limits: CompactionLimits | undefined) {
    this.#engine = engine;
    this.#limits = limits;
  }

  get stats(): StallStats {
    return {
      state: this.#state,
      reason: this.#reason,
      slowdowns: this.#slowdowns,
      stops: this.#stops,
      waitedMs: Math.round(this.#waitedMs),
    };
  }

  /** Somebody waits for a compaction. */
  get isWaitedFor(): boolean {
    return this.#waiting.length > 0;
  }

  /** undefined: a write of so many bytes may go now. Else resolves when it may; rejects when it cannot be. */
  room(bytes: number): Promise<void> | undefined {
    const hard = this.hardRoom();
    if (hard !== undefined) return this.#roomLater(hard, bytes);
    const pauseMs = this.#pauseMs(bytes);
    return pauseMs === 0 ? undefined : this.#sleep(pauseMs);
  }

  /** As `room`, for a write that has been slowed down already. */
  hardRoom(): Promise<void> | undefined {
    if (this.#state !== 'stopped') return this.#engine.flusher.room();
    const beganMs = this.#engine.env.clock.monotonicMs();
    const waited = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#engine.compactor.noteWaiting();
    return waited.finally(() => {
      this.#waitedMs += this.#engine.env.clock.monotonicMs() - beganMs;
    });
  }

  /** Looks at the levels anew: after each flush, ingest and compaction. */
  update(): void {
    if (this.#limits === undefined) return;
    let severity = 0;
    let reason = '';
    for (const tree of this.#engine.catalog.trees()) {
      if (this.#engine.isDropped(tree.id) || this.#engine.catalog.isPublished(tree.id)) continue;
      const found = severityOf(tree, this.#limits);
      if (found.severity <= severity) continue;
      ({ severity, reason } = found);
    }
    this.#enter(severity, reason);
  }

  /** Compaction has failed, or nothing is compacted any more: waiting for it would be waiting for a repair. */
  failed(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #enter(severity: number, reason: string): void {
    const state = severity === 0 ? 'none' : severity < 1 ? 'slow' : 'stopped';
    this.#severity = Math.min(1, severity);
    this.#reason = reason;
    if (state === this.#state) return;
    if (state === 'slow' && this.#state === 'none') this.#slowdowns++;
    if (state === 'stopped') this.#stops++;
    this.#state = state;
    if (state !== 'stopped') for (const { resolve } of this.#waiting.splice(0)) resolve();
    this.#engine.events.emit({ kind: 'stall', state, reason });
  }

  #pauseMs(bytes: number): number {
    if (this.#state !== 'slow') return 0;
    const rate = SLOW_BYTES_PER_MS * (SLOWEST_BYTES_PER_MS / SLOW_BYTES_PER_MS) ** this.#severity;
    const nowMs = this.#engine.env.clock.monotonicMs();
    this.#paidAtMs = Math.max(this.#paidAtMs, nowMs) + Math.max(WRITE_BYTES_MIN, bytes) / rate;
    const pauseMs = this.#paidAtMs - nowMs;
    return pauseMs < PAUSE_MS_MIN ? 0 : pauseMs;
  }

  async #sleep(ms: number): Promise<void> {
    this.#waitedMs += ms;
    await this.#engine.env.clock.sleep(ms);
  }

  async #roomLater(hard: Promise<void>, bytes: number): Promise<void> {
    await hard;
    const pauseMs = this.#pauseMs(bytes);
    if (pauseMs > 0) await this.#sleep(pauseMs);
  }
}

/** 0: all is well; from 1 on writers have to stop. */
function severityOf(tree: Tree, limits: CompactionLimits): { severity: number; reason: string } {
  const { levels } = tree.view;
  const tables = levels.tables[0]?.length ?? 0;
  const byTables = slope(tables, LEVEL0_SLOW * limits.level0Trigger, LEVEL0_STOP * limits.level0Trigger);
  const pending = pendingBytes(levels, limits, limits.level0Trigger);
  const { levelBaseBytes } = limits;
  const byBytes = slope(pending, PENDING_SLOW * levelBaseBytes, PENDING_STOP * levelBaseBytes);
  if (byTables >= byBytes) return { severity: byTables, reason: `${tables} tables in level 0` };
  return { severity: byBytes, reason: `${Math.round(pending)} bytes to compact` };
}

function slope(value: number, from: number, to: number): number {
  return value < from ? 0 : Math.max(0.01, (value - from) / (to - from));
}
