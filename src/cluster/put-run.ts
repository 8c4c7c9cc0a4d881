/**
 * Put transactions of an entry that get their versions in one turn. One that has read something is among them if nothing of that was
 * written since: neither by commits before the run, which the conflict window tells, nor within the run. One of a client's request, if no
 * other of that is committed or within the run.
 */

import { at } from '../base/assert.ts';
import { versionOf } from '../mvcc/version.ts';
import { ConflictCheck } from '../txn/conflict-check.ts';
import { inRange, keyString, type ReadSet } from '../txn/read-set.ts';
import { type RecordVisitor, visitSections } from '../txn/record.ts';
import type { ConflictWindow } from '../txn/window.ts';
import type { EntryRecords } from './record/entry.ts';
import type { PutRecord } from './record/put-record.ts';

/** To look for ranges among more keys than this costs more than to begin another run. */
const RANGE_KEYS_MAX = 256;

export class PutRun {
  readonly bytes: Uint8Array;
  /** (start, end) of the sections of each. */
  readonly spans: number[] = [];
  /** Keys and values together. */
  dataBytes = 0;
  /** Places in the run, by the ids of clients. */
  readonly requests = new Map<string, number>();
  readonly #written = new WrittenInRun();
  /** So many of the spans are in it. */
  #entered = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get count(): number {
    return this.spans.length / 2;
  }

  add({ start, end, dataBytes, request }: PutRecord): void {
    if (request !== undefined) this.requests.set(request, this.count);
    this.spans.push(start, end);
    this.dataBytes += dataBytes;
  }

  /** False: nothing that was read is written in the run. Where true it may be: the window tells, once the run is in it. */
  mayTouch({ points, ranges }: ReadSet): boolean {
    for (; this.#entered < this.spans.length; this.#entered += 2)
      visitSections(
        this.bytes,
        at(this.spans, this.#entered),
        at(this.spans, this.#entered + 1),
        this.#written,
      );
    for (const [keyspace, keys] of points) {
      const written = this.#written.of(keyspace);
      if (written === undefined) continue;
      for (const key of keys) if (written.has(key)) return true;
    }
    for (const [keyspace, list] of ranges) {
      const written = this.#written.of(keyspace);
      if (written === undefined) continue;
      if (written.size * list.length > RANGE_KEYS_MAX) return true;
      for (const key of written) if (list.some((range) => inRange(key, range))) return true;
    }
    return false;
  }
}

/** What is the same on all replicas. */
export interface RunPlace {
  readonly window: ConflictWindow;
  readonly isThere: (keyspace: string) => boolean;
  /** The oldest version at which a transaction may have read, once so many versions more are taken. */
  readonly horizonAfter: (versions: number) => number;
  /** Whether a client's request is known to be committed then. */
  readonly isCommitted: (request: string, horizon: number) => boolean;
}

/** The record, which may have its version now, and those after it of which that is plain. */
export function gatherRun(records: EntryRecords, index: number, first: PutRecord, place: RunPlace): PutRun {
  const run = new PutRun(records.bytes);
  run.add(first);
  for (let next = index + 1; next < records.count && records.isPut(next); next++) {
    const record = records.put(next, place.isThere);
    // What is not plain now is asked when it is the first: its check may have to read files, or refuse it.
    if (record.lacking !== undefined || !isClearAfter(run, record, place)) break;
    run.add(record);
  }
  return run;
}

function isClearAfter(
  run: PutRun,
  { reads, snapshot, request }: PutRecord,
  { window, horizonAfter, isCommitted }: RunPlace,
): boolean {
  if (reads === undefined && request === undefined) return true;
  const horizon = horizonAfter(run.count);
  if (snapshot < horizon) return false;
  if (request !== undefined && (run.requests.has(request) || isCommitted(request, horizon))) return false;
  if (reads === undefined) return true;
  if (run.mayTouch(reads)) return false;
  const check = new ConflictCheck(window, reads, versionOf(snapshot));
  try {
    return check.step() === 'clear';
  } finally {
    check.close();
  }
}

class WrittenInRun implements RecordVisitor {
  readonly #keys = new Map<string, Set<string>>();
  #current = new Set<string>();

  of(keyspace: string): ReadonlySet<string> | undefined {
    return this.#keys.get(keyspace);
  }

  section(keyspace: string): void {
    this.#current = this.#keys.get(keyspace) ?? new Set();
    this.#keys.set(keyspace, this.#current);
  }

  put(bytes: Uint8Array, keyStart: number, keyLength: number): void {
    this.#current.add(keyString(bytes, keyStart, keyLength));
  }

  del(bytes: Uint8Array, keyStart: number, keyLength: number): void {
    this.#current.add(keyString(bytes, keyStart, keyLength));
  }
}
