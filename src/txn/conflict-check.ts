/**
 * One commit's check against the conflict window. `step` is synchronous and says 'clear' only when nothing is left to
 * ask as of now, so a caller that takes its version in the same turn has checked everything before it.
 *
 * L5: what is in memory is asked at every step. Tables are asked once, as their contents never change: by range and
 * filter in the step that first finds them in the window; those that this leaves in doubt are then looked into. Reads of
 * whole files go their own way (`file-reads.ts`).
 */

import { Probe } from '../mvcc/probe.ts';
import { MAX_VERSION, type Version } from '../mvcc/version.ts';
import { type FileAnswer, FileReadCheck } from './file-reads.ts';
import { keyBytes, type ReadRange, type ReadSet } from './read-set.ts';
import { type Answer, TableQuestion, type TableWrites } from './table-writes.ts';
import type { ConflictWindow } from './window.ts';

/** So many keys or ranges to ask a table for are remembered one by one; when there are more, it is asked for all. */
const LISTED_MAX = 64;

/** What of the reads may be in a table. */
interface Doubts {
  readonly points: string[];
  readonly ranges: ReadRange[];
}

export class ConflictCheck {
  readonly #window: ConflictWindow;
  readonly #reads: ReadSet;
  /** Tables up to this version have been cleared or are in doubt. */
  #asked: Version;
  readonly #snapshot: Version;
  readonly #doubts = new Map<TableWrites, Doubts>();
  #question: TableQuestion | undefined;
  readonly #files: readonly FileReadCheck[];
  /** The one whose answer is missing. */
  #awaited: FileReadCheck | undefined;

  constructor(window: ConflictWindow, reads: ReadSet, snapshot: Version) {
    this.#window = window;
    this.#reads = reads;
    this.#snapshot = snapshot;
    this.#asked = snapshot;
    this.#files = reads.files.map((file) => new FileReadCheck(window, file, snapshot));
  }

  /** The missing block is one of very many: loading it is progress, after which nothing is asked anew. */
  get isLong(): boolean {
    return this.#awaited !== undefined;
  }

  /** 'pending': load and repeat. 'slice': repeat in another turn. */
  step(): FileAnswer {
    this.#awaited = undefined;
    const conflict = this.#window.findInMemory(this.#reads, this.#snapshot);
    if (conflict !== undefined) return conflict;
    this.#askNewTables();
    for (const [writes, doubts] of this.#doubts) {
      const answer = this.#lookInto(writes, doubts);
      if (answer === 'pending') return 'pending';
      if (answer !== 'no') return { keyspace: writes.keyspace, key: answer.key, version: writes.version };
      this.#doubts.delete(writes);
    }
    for (const file of this.#files) {
      const answer = file.step();
      if (answer === 'clear') continue;
      if (answer === 'pending') this.#awaited = file;
      return answer;
    }
    return 'clear';
  }

  load(): Promise<void> {
    return (this.#awaited ?? this.#question)?.load() ?? Promise.resolve();
  }

  loadSync(): void {
    (this.#awaited ?? this.#question)?.loadSync();
  }

  close(): void {
    for (const file of this.#files) file.close();
    this.#closeQuestion();
  }

  #closeQuestion(): void {
    this.#question?.close();
    this.#question = undefined;
  }

  #askNewTables(): void {
    const { tables, filters } = this.#window;
    const { newest } = tables;
    if (newest <= this.#asked) return;
    const probe = new Probe();
    let point: string | undefined;
    for (const [keyspace, points] of this.#reads.points) {
      tables.forEachAt(keyspace, points, this.#asked, (writes, key) => {
        // The tables of one key come together: it is hashed once for all.
        if (key !== point) {
          const bytes = keyBytes(key);
          probe.reset(bytes, 0, bytes.length, MAX_VERSION);
          point = key;
        }
        if (filters.mayContain(writes, probe)) addTo(this.#doubtsOf(writes).points, key);
      });
    }
    for (const [keyspace, ranges] of this.#reads.ranges) {
      tables.forEachIn(keyspace, ranges, this.#asked, (writes, range) => {
        addTo(this.#doubtsOf(writes).ranges, range);
      });
    }
    this.#asked = newest;
  }

  #doubtsOf(writes: TableWrites): Doubts {
    let doubts = this.#doubts.get(writes);
    if (doubts === undefined) {
      doubts = { points: [], ranges: [] };
      this.#doubts.set(writes, doubts);
    }
    return doubts;
  }

  #lookInto(writes: TableWrites, doubts: Doubts): Answer {
    if (this.#question?.writes !== writes) {
      this.#closeQuestion();
      this.#question = new TableQuestion(writes);
    }
    // It may have been closed when it entered the window, and be open now.
    this.#window.filters.hold(writes);
    const { points, ranges } = this.#reads;
    const answer = this.#question.containsPoint(listed(doubts.points, points.get(writes.keyspace)));
    if (answer !== 'no') return answer;
    return this.#question.containsInRange(listed(doubts.ranges, ranges.get(writes.keyspace)));
  }
}

function addTo<T>(list: T[], read: T): void {
  if (list.length <= LISTED_MAX) list.push(read);
}

function listed<T>(list: readonly T[], all: Iterable<T> | undefined): Iterable<T> {
  return list.length > LISTED_MAX && all !== undefined ? all : list;
}
