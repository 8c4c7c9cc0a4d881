/**
 * Reads of all keys of a file at once: what an ingest that keeps or refuses keys which exist has read of the database.
 *
 * L5: a later commit conflicts when it wrote a key that is in the file, and no other: keys of puts are looked up in the
 * file, range deletions ask it for a key in them, and of another file's keys those that both have are found by leaps. A
 * key that the transaction's own earlier statements decided was not read of the database.
 */

import { unreachable } from '../base/assert.ts';
import { CommonKeys, EntryKeys, SLICE } from '../mvcc/common-keys.ts';
import { type Cursor, PENDING } from '../mvcc/cursor.ts';
import { Probe } from '../mvcc/probe.ts';
import { MAX_VERSION, NO_VERSION, type Version } from '../mvcc/version.ts';
import type { Table } from '../sst/table.ts';
import type { Overlay } from './overlay.ts';
import { keyAfter, keyBytes, keyString, type ReadRange } from './read-set.ts';
import type { TableWrites } from './table-writes.ts';
import type { Conflict, ConflictWindow, WrittenRange } from './window.ts';
import type { WrittenKey } from './written-keys.ts';

export interface FileRead {
  readonly keyspace: string;
  readonly table: Table;
  readonly range: ReadRange & { readonly upper: string };
  /** The transaction's statements before it. Never changes. */
  readonly own: Overlay;
}

/** 'pending': load and ask again. 'slice': ask again in another turn. */
export type FileAnswer = Conflict | 'clear' | 'pending' | 'slice';

/** Keys and positions looked at in one turn. */
const STEPS_PER_SLICE = 4096;

/** A key, a range or a table that was written, and whether the file has a key of it. */
type Question =
  | { readonly kind: 'key'; readonly written: WrittenKey }
  | { readonly kind: 'range'; readonly written: WrittenRange }
  | { readonly kind: 'table'; readonly written: TableWrites };

type Awaited = 'file' | 'own' | 'cursor' | 'common' | 'none';

/** One commit's questions about one file. */
export class FileReadCheck {
  readonly #window: ConflictWindow;
  readonly #read: FileRead;
  readonly #probe = new Probe();
  /** What was written up to these versions is in the lists, or answered. */
  #keysThrough: Version;
  #rangesThrough: Version;
  #tablesThrough: Version;
  readonly #questions: Question[] = [];
  #question: Question | undefined;
  /** Of the range or the table in question: where to go on, and what is open for it. */
  #from: string | undefined;
  #cursor: Cursor | undefined;
  #others: Cursor | undefined;
  #common: CommonKeys | undefined;
  /** A key of the file that was written, and that the own statements may have decided. */
  #candidate: Conflict | undefined;
  #awaited: Awaited = 'none';

  constructor(window: ConflictWindow, read: FileRead, snapshot: Version) {
    this.#window = window;
    this.#read = read;
    this.#keysThrough = snapshot;
    this.#rangesThrough = snapshot;
    this.#tablesThrough = snapshot;
  }

  /** 'clear' only when nothing is left to ask as of now. */
  step(): FileAnswer {
    this.#takeIn();
    for (let steps = 0; steps < STEPS_PER_SLICE; steps++) {
      if (this.#candidate !== undefined) {
        const decided = this.#isOwn(this.#candidate);
        if (decided === 'pending') return 'pending';
        if (!decided) return this.#candidate;
        this.#candidate = undefined;
      }
      const answer = this.#askNext();
      if (answer !== 'on') return answer;
    }
    return 'slice';
  }

  async load(): Promise<void> {
    const { table, own } = this.#read;
    if (this.#awaited === 'file') await table.load(this.#probe);
    else if (this.#awaited === 'own') await own.load(this.#probe);
    else if (this.#awaited === 'cursor') await this.#cursor?.load();
    else if (this.#awaited === 'common') await this.#common?.load();
  }

  loadSync(): void {
    const { table, own } = this.#read;
    if (this.#awaited === 'file') table.loadSync(this.#probe);
    else if (this.#awaited === 'own') own.loadSync(this.#probe);
    else if (this.#awaited === 'cursor') this.#cursor?.loadSync();
    else if (this.#awaited === 'common') this.#common?.loadSync();
  }

  close(): void {
    this.#cursor?.close();
    this.#others?.close();
    this.#cursor = undefined;
    this.#others = undefined;
    this.#common = undefined;
  }

  /** What commits have written since the last step within the file's range. */
  #takeIn(): void {
    const { keyspace, range } = this.#read;
    const window = this.#window;
    this.#keysThrough = window.keysIn(keyspace, range, this.#keysThrough, (written) =>
      this.#questions.push({ kind: 'key', written }),
    );
    for (const written of window.rangesAfter(this.#rangesThrough)) {
      this.#rangesThrough = written.version;
      const { lower, upper } = written;
      if (written.keyspace !== keyspace || lower >= range.upper) continue;
      if (upper === undefined || upper > range.lower) this.#questions.push({ kind: 'range', written });
    }
    const { tables } = window;
    if (tables.newest <= this.#tablesThrough) return;
    tables.forEachIn(keyspace, [range], this.#tablesThrough, (written) =>
      this.#questions.push({ kind: 'table', written }),
    );
    this.#tablesThrough = tables.newest;
  }

  /** 'on': one step is done. */
  #askNext(): FileAnswer | 'on' {
    this.#question ??= this.#questions.pop();
    const question = this.#question;
    if (question === undefined) return 'clear';
    switch (question.kind) {
      case 'key':
        return this.#askKey(question.written);
      case 'range':
        return this.#askRange(question.written);
      case 'table':
        return this.#askTable(question.written);
      default:
        return unreachable(question);
    }
  }

  #askKey(written: WrittenKey): 'pending' | 'on' {
    const probe = this.#probe;
    this.#set(written.key);
    if (this.#read.table.get(probe, NO_VERSION) === PENDING) {
      this.#awaited = 'file';
      return 'pending';
    }
    this.#question = undefined;
    if (probe.found) this.#candidate = written;
    return 'on';
  }

  #askRange(written: WrittenRange): 'pending' | 'on' {
    const { keyspace, version, lower, upper } = written;
    this.#cursor ??= this.#read.table.cursor(NO_VERSION);
    const cursor = this.#cursor;
    const from = keyBytes(this.#from ?? lower);
    if (cursor.seek(from, 0, from.length, MAX_VERSION) === PENDING) {
      this.#awaited = 'cursor';
      return 'pending';
    }
    const key = cursor.valid ? keyString(cursor.keyBytes, cursor.keyStart, cursor.keyLength) : undefined;
    if (key === undefined || (upper !== undefined && key >= upper)) {
      this.#question = undefined;
      this.#from = undefined;
      return 'on';
    }
    this.#candidate = { keyspace, key, version };
    this.#from = keyAfter(key);
    return 'on';
  }

  #askTable(written: TableWrites): 'pending' | 'slice' | 'on' {
    const { keyspace, version, smallest } = written;
    if (this.#common === undefined) {
      const { lower } = this.#read.range;
      this.#cursor ??= this.#read.table.cursor(NO_VERSION);
      this.#others = written.table.cursor(NO_VERSION);
      const from = keyBytes(lower > smallest ? lower : smallest);
      this.#common = new CommonKeys(new EntryKeys(this.#cursor), new EntryKeys(this.#others), from);
    }
    const status = this.#common.next();
    if (status === SLICE) return 'slice';
    if (status === PENDING) {
      this.#awaited = 'common';
      return 'pending';
    }
    const { key } = this.#common;
    if (key === undefined) {
      this.#question = undefined;
      this.#others?.close();
      this.#others = undefined;
      this.#common = undefined;
      return 'on';
    }
    this.#candidate = { keyspace, key: keyString(key, 0, key.length), version };
    return 'on';
  }

  /** Whether the own statements before the file decided about the key. */
  #isOwn({ key }: Conflict): boolean | 'pending' {
    const { own, keyspace } = this.#read;
    if (own.isEmpty || key === undefined) return false;
    const probe = this.#probe;
    this.#set(key);
    if (own.get(keyspace, probe) === PENDING) {
      this.#awaited = 'own';
      return 'pending';
    }
    return probe.found;
  }

  /** A probe that waits for a block must be asked again as it is. */
  #set(key: string): void {
    if (this.#awaited === 'file' || this.#awaited === 'own') {
      this.#awaited = 'none';
      return;
    }
    const bytes = keyBytes(key);
    this.#probe.reset(bytes, 0, bytes.length, MAX_VERSION);
  }
}
