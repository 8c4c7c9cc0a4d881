/**
 * What a compaction may leave out (L4), entry by entry in internal order: keys ascending, versions descending.
 *
 * Reads happen at the versions of open snapshots and at every version from the horizon on, which is what was visible
 * when the compaction was chosen, or the start of the history that is kept. So of the versions of a key
 *
 *   - one above the horizon stays;
 *   - another stays when it is the newest that some snapshot, or a read at the horizon, sees *in this compaction's own
 *     output*. It may go only where that output keeps a newer one that all its readers see instead;
 *   - a tombstone that all readers see goes with all older versions of the key among the inputs, when nothing outside
 *     can hold an older one that it would have to hide.
 */

import { ByteScratch } from '../../mvcc/byte-scratch.ts';
import { type EntryType, TYPE_DELETE } from '../../mvcc/internal-key.ts';
import { MAX_VERSION, NO_VERSION, type Version } from '../../mvcc/version.ts';
import { OutsideSources } from './outside.ts';
import type { HeldVersions } from './table-ranges.ts';

/** Plain data, which goes to the thread that compacts. */
export interface Retention {
  /** Of open snapshots, ascending; those from the horizon on are of no matter. */
  readonly snapshots: readonly Version[];
  /** At every version from this on somebody may read. */
  readonly horizon: Version;
  /** At least so many of the newest versions of a key stay, down to a tombstone; 1: none for their own sake. */
  readonly keepVersions: number;
  /** Every source outside the inputs that may share a key with them. */
  readonly outside: readonly HeldVersions[];
}

/** The version of the newest range deletion ≤ `upTo` that covers the key; NO_VERSION: there is none. */
export type CoveredBy = (key: Uint8Array, start: number, length: number, upTo: Version) => Version;

/** Nobody reads below this version. */
export function firstReader({ snapshots, horizon }: Retention): Version {
  const oldest = snapshots[0];
  return oldest === undefined || oldest > horizon ? horizon : oldest;
}

/** Versions that some read needs, ascending; from the last one, the horizon, on all are. */
export function readersOf({ snapshots, horizon }: Retention): readonly Version[] {
  return [...snapshots.filter((version) => version < horizon), horizon];
}

export class GarbageRule {
  /** The entry asked about last is the first of its user key. */
  newKey = false;
  /** Entries kept only for snapshots older than the horizon: garbage when those are closed. */
  heldBack = 0;
  readonly #readers: readonly Version[];
  readonly #horizon: Version;
  readonly #keepVersions: number;
  readonly #outside: OutsideSources;
  readonly #coveredBy: CoveredBy | undefined;
  readonly #key = new ByteScratch();
  #started = false;
  /** The oldest version of the key that is in the output; MAX_VERSION: none is. */
  #lastKept: Version = MAX_VERSION;
  #keptCount = 0;
  /** A tombstone of the key was left out, and so is all below it. */
  #dropsRest = false;

  constructor(retention: Retention, coveredBy?: CoveredBy) {
    this.#readers = readersOf(retention);
    this.#horizon = retention.horizon;
    this.#keepVersions = retention.keepVersions;
    this.#outside = new OutsideSources(retention.outside);
    this.#coveredBy = coveredBy;
  }

  /** Whether the entry has to be in the output. REQUIRES: entries come in internal order. */
  keeps(key: Uint8Array, start: number, length: number, version: Version, type: EntryType): boolean {
    this.newKey = !this.#started || !this.#key.equals(key, start, length);
    if (this.newKey) {
      this.#started = true;
      this.#key.set(key, start, length);
      this.#lastKept = MAX_VERSION;
      this.#keptCount = 0;
      this.#dropsRest = false;
    }
    if (this.#dropsRest) return false;
    if (version > this.#horizon) return this.#keep(version);
    const place = this.#firstReaderFrom(version);
    const reader = this.#readers[place] as Version;
    // Every reader that would see this version sees the range deletion, or the newer version, which is kept.
    if (this.#isCovered(key, start, length, version, reader)) return false;
    if (this.#lastKept <= reader) {
      return this.#keptCount < this.#keepVersions ? this.#keep(version) : false;
    }
    if (type === TYPE_DELETE && place === 0 && !this.#outside.mayHoldOlder(key, start, length, version)) {
      this.#dropsRest = true;
      return false;
    }
    if (place < this.#readers.length - 1) this.heldBack++;
    return this.#keep(version);
  }

  #keep(version: Version): boolean {
    this.#lastKept = version;
    this.#keptCount++;
    return true;
  }

  /** Whoever reads below the reader and at or above the version reads below the range deletion, so there is nobody. */
  #isCovered(key: Uint8Array, start: number, length: number, version: Version, reader: Version): boolean {
    if (this.#coveredBy === undefined) return false;
    const covering = this.#coveredBy(key, start, length, reader);
    return covering !== NO_VERSION && covering > version;
  }

  /** REQUIRES: version ≤ horizon. Snapshots are few, and versions mostly newer than all of them. */
  #firstReaderFrom(version: Version): number {
    let place = this.#readers.length - 1;
    while (place > 0 && (this.#readers[place - 1] as Version) >= version) place--;
    return place;
  }
}
