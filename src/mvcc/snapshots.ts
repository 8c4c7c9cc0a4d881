/**
 * The open snapshots. The oldest is the watermark of garbage collection (L4) and of the conflict window.
 *
 * They are kept in a list by version. New ones are nearly always the newest, so opening and closing cost the same
 * however many there are.
 */

import { assert } from '../base/assert.ts';
import type { Version } from './version.ts';

export class Snapshot {
  readonly version: Version;
  /** Monotonic time at which it was opened. */
  readonly openedMs: number;
  /** Maintained by the registry. */
  older: Snapshot | undefined = undefined;
  newer: Snapshot | undefined = undefined;
  open = true;

  constructor(version: Version, openedMs: number) {
    this.version = version;
    this.openedMs = openedMs;
  }
}

export class SnapshotRegistry {
  count = 0;
  #oldest: Snapshot | undefined = undefined;
  #newest: Snapshot | undefined = undefined;
  #whenNone: (() => void) | undefined;
  readonly #monotonicMs: () => number;

  constructor(clock: { monotonicMs(): number }) {
    this.#monotonicMs = () => clock.monotonicMs();
  }

  acquire(version: Version): Snapshot {
    const snapshot = new Snapshot(version, this.#monotonicMs());
    let older = this.#newest;
    while (older !== undefined && older.version > version) older = older.older;
    const newer = older === undefined ? this.#oldest : older.newer;
    snapshot.older = older;
    snapshot.newer = newer;
    if (older === undefined) this.#oldest = snapshot;
    else older.newer = snapshot;
    if (newer === undefined) this.#newest = snapshot;
    else newer.older = snapshot;
    this.count++;
    return snapshot;
  }

  /** REQUIRES: acquired here and not yet released. */
  release(snapshot: Snapshot): void {
    assert(snapshot.open, `the snapshot at ${snapshot.version} was released twice`);
    const { older, newer } = snapshot;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    snapshot.open = false;
    snapshot.older = undefined;
    snapshot.newer = undefined;
    this.count--;
    if (this.count > 0) return;
    const task = this.#whenNone;
    this.#whenNone = undefined;
    task?.();
  }

  /** Runs the task once none is open: now, or when the last one is released. One task at a time. */
  whenNone(task: () => void): void {
    if (this.count === 0) task();
    else this.#whenNone = task;
  }

  /** The version of the oldest open snapshot. */
  get oldest(): Version | undefined {
    return this.#oldest?.version;
  }

  /** How many open ones read below this version. */
  countBelow(version: Version): number {
    let count = 0;
    for (let s = this.#oldest; s !== undefined && s.version < version; s = s.newer) count++;
    return count;
  }

  /** How long the oldest open snapshot has been open; 0 when there is none. */
  get oldestAgeMs(): number {
    return this.#oldest === undefined ? 0 : this.#monotonicMs() - this.#oldest.openedMs;
  }

  /** Of all open ones, oldest first: for compaction, which keeps what any of them sees. Without repeats. */
  versions(): Version[] {
    const versions: Version[] = [];
    for (let s = this.#oldest; s !== undefined; s = s.newer) {
      if (versions[versions.length - 1] !== s.version) versions.push(s.version);
    }
    return versions;
  }
}
