/**
 * What the checker is told: every transaction of some stretch of time, with what it asked and what it was answered.
 *
 * Keys are of two kinds. A **register** holds one number or nothing; puts, deletes, range deletions and ingested files
 * write it blindly. A **list** only ever grows: a transaction reads it and writes it back with an element at its end. Every
 * number is written once in a history, so a read names the write that it saw; and a list read shows the order of all
 * writes before it. What a miss saw, and the order in which registers were written, is known from the store: from the
 * versions that it reports.
 */

/** A register's number or nothing; or a list. An absent list is the empty one. */
export type Value = number | readonly number[] | undefined;

export type Operation =
  | { readonly op: 'get'; readonly key: string; readonly value: Value }
  /** Everything in [lower, upper), which is where the scan really ended. */
  | { readonly op: 'scan'; readonly lower: string; readonly upper: string; readonly found: readonly Found[] }
  | Write
  | { readonly op: 'append'; readonly key: string; readonly element: number; readonly by: WrittenBy }
  /** Of registers. */
  | { readonly op: 'deleteRange'; readonly lower: string; readonly upper: string }
  | { readonly op: 'savepoint' }
  /** To the newest savepoint, which stays. */
  | { readonly op: 'rollback' };

/** `value` undefined: a delete. `by` is for the reader of an explanation. */
export interface Write {
  readonly op: 'write';
  readonly key: string;
  readonly value: number | undefined;
  readonly by: WrittenBy;
  /** What readers find there, if it is not the value: what had been written before, and is there again (`again.ts`). */
  readonly shows?: number;
}

export type Found = readonly [key: string, value: Exclude<Value, undefined>];
export type WrittenBy = 'put' | 'ingest' | 'activation';

/** 'unknown': it may have committed, as when its process was killed. */
export type Outcome = 'committed' | 'aborted' | 'unknown';

export interface RecordedTransaction {
  /** Of one history, unique. */
  readonly id: number;
  readonly process: string;
  readonly outcome: Outcome;
  /** Nanoseconds of a clock that all processes share: before it began, and after its end was known. */
  readonly beganAt: number;
  readonly endedAt: number;
  /** The version it read at, as the store says; undefined for blind writes. */
  readonly snapshot: number | undefined;
  /** The version it committed at, as the store says; undefined when it wrote nothing or did not commit. */
  readonly version: number | undefined;
  /**
   * Real time binds it: it sees all that had ended before it began. A process beside the writer may lag behind: it sees
   * what such processes have seen before it, and nothing that began after its end.
   */
  readonly upToDate: boolean;
  /** Names what tells afterwards whether it committed, and at which version: where an outcome may be unknown. */
  readonly mark?: string;
  readonly operations: readonly Operation[];
}

/** What a register held before the history began, and since which version. */
export interface InitialValue {
  readonly value: number | undefined;
  readonly version: number;
}

export interface History {
  /** Registers that are not here held nothing, lists were empty. */
  readonly initial: ReadonlyMap<string, InitialValue>;
  readonly transactions: readonly RecordedTransaction[];
}

export function isList(value: Value): value is readonly number[] {
  return Array.isArray(value);
}
