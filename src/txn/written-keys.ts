/** The keys that put transactions of a stretch of versions wrote (written-runs.ts). */

import type { Version } from '../mvcc/version.ts';
import { inRange, keyString, type ReadRange } from './read-set.ts';
import { type RecordVisitor, readRecord } from './record.ts';

/** Log records still in their batch: payloads as (start, end) pairs. */
export interface RecordRun {
  readonly bytes: Uint8Array;
  readonly payloads: readonly number[];
}

interface Commit {
  readonly version: Version;
  readonly keyspace: string;
  readonly keys: string[];
}

export interface WrittenKey {
  readonly keyspace: string;
  readonly key: string;
  readonly version: Version;
}

/** Rough bytes of JavaScript memory per key held: a string, a map entry, an array slot. */
const KEY_OVERHEAD_BYTES = 80;

export class WrittenKeys implements RecordVisitor {
  /** Ascending versions. */
  #commits: Commit[] = [];
  readonly #latest = new Map<string, Map<string, Version>>();
  #current: Commit | undefined;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Enters the run's payloads from index `from` on. REQUIRES: versions above all entered before. */
  enter(run: RecordRun, from: number): void {
    for (let i = from; i < run.payloads.length; i += 2) {
      readRecord(run.bytes, run.payloads[i] as number, run.payloads[i + 1] as number, this);
    }
  }

  section(keyspace: string, version: Version): void {
    this.#current = { version, keyspace, keys: [] };
    this.#commits.push(this.#current);
    if (!this.#latest.has(keyspace)) this.#latest.set(keyspace, new Map());
  }

  put(bytes: Uint8Array, keyStart: number, keyLength: number): void {
    this.del(bytes, keyStart, keyLength);
  }

  del(bytes: Uint8Array, keyStart: number, keyLength: number): void {
    const commit = this.#current as Commit;
    const key = keyString(bytes, keyStart, keyLength);
    commit.keys.push(key);
    (this.#latest.get(commit.keyspace) as Map<string, Version>).set(key, commit.version);
    this.#bytes += keyLength + KEY_OVERHEAD_BYTES;
  }

  /** Forgets commits ≤ `version`. */
  trim(version: Version): void {
    let n = 0;
    for (const commit of this.#commits) {
      if (commit.version > version) break;
      n++;
      const latest = this.#latest.get(commit.keyspace);
      for (const key of commit.keys) {
        this.#bytes -= key.length + KEY_OVERHEAD_BYTES;
        if (latest?.get(key) === commit.version) latest.delete(key);
      }
    }
    if (n > 0) this.#commits.splice(0, n);
  }

  /** Takes in what others hold of later versions. */
  append(later: WrittenKeys): void {
    for (const commit of later.#commits) {
      this.#commits.push(commit);
      const latest = this.#latest.get(commit.keyspace) ?? new Map<string, Version>();
      this.#latest.set(commit.keyspace, latest);
      for (const key of commit.keys) latest.set(key, commit.version);
    }
    this.#bytes += later.#bytes;
  }

  /** The last write of the key, if it is after `snapshot`. */
  findPoint(keyspace: string, key: string, snapshot: Version): WrittenKey | undefined {
    const version = this.#latest.get(keyspace)?.get(key);
    return version !== undefined && version > snapshot ? { keyspace, key, version } : undefined;
  }

  /** Calls back for each key of the range written after `after`; returns the version of the newest commit looked at. */
  forEachIn(
    keyspace: string,
    range: ReadRange,
    after: Version,
    visit: (written: WrittenKey) => void,
  ): Version {
    for (let i = this.#commits.length - 1; i >= 0; i--) {
      const { version, keyspace: of, keys } = this.#commits[i] as Commit;
      if (version <= after) break;
      if (of !== keyspace) continue;
      for (let k = lowerBound(keys, range.lower); k < keys.length; k++) {
        const key = keys[k] as string;
        if (!inRange(key, range)) break;
        visit({ keyspace, key, version });
      }
    }
    const newest = this.#commits.at(-1)?.version;
    return newest !== undefined && newest > after ? newest : after;
  }

  /** A key in one of `ranges` written after `snapshot`. Keys of one commit ascend, so each costs a binary search. */
  findInRanges(keyspace: string, ranges: readonly ReadRange[], snapshot: Version): WrittenKey | undefined {
    for (let i = this.#commits.length - 1; i >= 0; i--) {
      const commit = this.#commits[i] as Commit;
      if (commit.version <= snapshot) return undefined;
      if (commit.keyspace !== keyspace) continue;
      for (const range of ranges) {
        const key = commit.keys[lowerBound(commit.keys, range.lower)];
        if (key !== undefined && inRange(key, range)) return { keyspace, key, version: commit.version };
      }
    }
    return undefined;
  }
}

/** The index of the first key ≥ `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
