/**
 * The keys that recent put transactions wrote, in stretches of versions: the part of the conflict window that needs no file.
 *
 * A stretch is log records as they are, in their batch or copied from it, until somebody asks for what is in it (a blind writer among blind
 * writers never pays for that): whoever reads at a recent version has the stretches after it taken apart, and none before.
 */

import { assert } from '../base/assert.ts';
import type { Version } from '../mvcc/version.ts';
import type { ReadRange } from './read-set.ts';
import { type RecordRun, type WrittenKey, WrittenKeys } from './written-keys.ts';

/** Put transactions whose records are still in a log batch; it may go on to grow until it is absorbed. */
export interface PendingRun extends RecordRun {
  readonly first: Version;
  readonly last: Version;
}

/** Shorter ones are joined. */
const STRETCH_COMMITS = 512;
/** A run of so many commits, with so few bytes for each, takes less as it is than its keys do, and is copied in one go. */
const RAW_COMMITS_MIN = 64;
const RAW_COMMIT_BYTES_MAX = 256;

class Stretch {
  last: Version;
  /** Still in its batch. */
  #pending: PendingRun | undefined;
  /** Payloads of it that are taken apart. */
  #entered = 0;
  /** Copies that are not taken apart, after all that is. */
  readonly #raw: RecordRun[] = [];
  #rawBytes = 0;
  #commits = 0;
  /** What is taken apart. */
  #keys: WrittenKeys | undefined;

  constructor(pending: PendingRun) {
    this.#pending = pending;
    this.last = pending.last;
  }

  isOf(run: PendingRun): boolean {
    return this.#pending === run;
  }

  get isPending(): boolean {
    return this.#pending !== undefined;
  }

  /** Rough bytes of memory held, without batches. */
  get bytes(): number {
    return this.#rawBytes + (this.#keys?.bytes ?? 0);
  }

  /** All that is in it. */
  keys(): WrittenKeys {
    this.#keys ??= new WrittenKeys();
    for (const raw of this.#raw.splice(0)) this.#keys.enter(raw, 0);
    this.#rawBytes = 0;
    const pending = this.#pending;
    if (pending !== undefined) {
      this.#keys.enter(pending, this.#entered);
      this.#entered = pending.payloads.length;
    }
    return this.#keys;
  }

  /** Whether anything in it is newer. */
  isAfter(version: Version): boolean {
    return (this.#pending?.last ?? this.last) > version;
  }

  /** Its batch is about to be reused. */
  settle(): void {
    const pending = this.#pending;
    assert(pending !== undefined, 'a run is absorbed once');
    this.last = pending.last;
    this.#commits = pending.payloads.length / 2;
    if (this.#keys === undefined && isCompact(pending)) {
      const raw = copyOf(pending);
      this.#raw.push(raw);
      this.#rawBytes += raw.bytes.length;
    } else this.keys();
    this.#pending = undefined;
  }

  /** Takes in what follows it, if both are short. REQUIRES: both are settled. */
  join(next: Stretch): boolean {
    if (this.#commits + next.#commits > STRETCH_COMMITS) return false;
    if (this.#keys === undefined && next.#keys === undefined) {
      this.#raw.push(...next.#raw);
      this.#rawBytes += next.#rawBytes;
    } else this.keys().append(next.keys());
    this.#commits += next.#commits;
    this.last = next.last;
    return true;
  }

  /** Forgets commits ≤ `version`, as far as they are taken apart. */
  trim(version: Version): void {
    this.#keys?.trim(version);
  }
}

export class WrittenRuns {
  /** Ascending versions; those in flight last. */
  #stretches: Stretch[] = [];

  get bytes(): number {
    let bytes = 0;
    for (const stretch of this.#stretches) bytes += stretch.bytes;
    return bytes;
  }

  /** REQUIRES: in version order. */
  enter(run: PendingRun): void {
    this.#stretches.push(new Stretch(run));
  }

  /** The run has failed: it wrote nothing. */
  remove(run: PendingRun): void {
    this.#stretches = this.#stretches.filter((stretch) => !stretch.isOf(run));
  }

  /** The run's batch is about to be reused: keep what active transactions may still ask for. */
  absorb(run: PendingRun, oldestNeeded: Version): void {
    if (run.last <= oldestNeeded) {
      this.remove(run);
      return;
    }
    const place = this.#stretches.findLastIndex((stretch) => stretch.isOf(run));
    const stretch = this.#stretches[place];
    if (stretch === undefined) return;
    stretch.settle();
    const before = this.#stretches[place - 1];
    if (before !== undefined && !before.isPending && before.join(stretch)) this.#stretches.splice(place, 1);
  }

  /** Forgets commits ≤ `version`; some of them may be kept on together with others. */
  trim(version: Version): void {
    let gone = 0;
    for (const stretch of this.#stretches) {
      if (stretch.isPending || stretch.isAfter(version)) break;
      gone++;
    }
    if (gone > 0) this.#stretches.splice(0, gone);
    this.#stretches[0]?.trim(version);
  }

  /** One of `points` written after `snapshot`. */
  findPoint(keyspace: string, points: ReadonlySet<string>, snapshot: Version): WrittenKey | undefined {
    const newestFirst = this.#after(snapshot);
    if (newestFirst.length === 0) return undefined;
    for (const key of points) {
      for (const keys of newestFirst) {
        const found = keys.findPoint(keyspace, key, snapshot);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** A key in one of `ranges` written after `snapshot`. */
  findInRanges(keyspace: string, ranges: readonly ReadRange[], snapshot: Version): WrittenKey | undefined {
    for (const keys of this.#after(snapshot)) {
      const found = keys.findInRanges(keyspace, ranges, snapshot);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Calls back for each key of the range written after `after`; returns the version of the newest commit looked at. */
  forEachIn(
    keyspace: string,
    range: ReadRange,
    after: Version,
    visit: (written: WrittenKey) => void,
  ): Version {
    let newest = after;
    for (const keys of this.#after(after)) {
      const through = keys.forEachIn(keyspace, range, after, visit);
      if (through > newest) newest = through;
    }
    return newest;
  }

  /** Newest first. */
  #after(version: Version): WrittenKeys[] {
    const found: WrittenKeys[] = [];
    for (let i = this.#stretches.length - 1; i >= 0; i--) {
      const stretch = this.#stretches[i];
      if (stretch === undefined || !stretch.isAfter(version)) break;
      found.push(stretch.keys());
    }
    return found;
  }
}

function isCompact({ payloads }: RecordRun): boolean {
  const commits = payloads.length / 2;
  return commits >= RAW_COMMITS_MIN && spanOf(payloads) <= commits * RAW_COMMIT_BYTES_MAX;
}

function spanOf(payloads: readonly number[]): number {
  return (payloads.at(-1) ?? 0) - (payloads[0] ?? 0);
}

function copyOf({ bytes, payloads }: RecordRun): RecordRun {
  const from = payloads[0] ?? 0;
  return {
    bytes: bytes.slice(from, from + spanOf(payloads)),
    payloads: payloads.map((at) => at - from),
  };
}
