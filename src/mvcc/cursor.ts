/**
 * A cursor is a position in a sorted run of internal entries (a memtable, a table, a merge of such).
 *
 * Positioning is synchronous over what is in memory. Where a block must come from disk first, the call returns
 * PENDING and leaves the position as it was: the caller then runs `loadSync()`, or awaits `load()`, and repeats *the
 * same call*. So a scan awaits once per block at most, and the same code serves the synchronous and asynchronous API.
 */

import type { Gathering } from './gathering.ts';
import type { EntryType } from './internal-key.ts';
import type { Version } from './version.ts';

/** Positioned, or ran off an end: look at `valid`. */
export const READY = 1;
/** A block is missing: load and repeat the call. */
export const PENDING = 2;
export type Status = typeof READY | typeof PENDING;

export interface Cursor {
  /** False before the first positioning and after running off either end. */
  readonly valid: boolean;

  /* The entry, while `valid`. Its bytes may be overwritten by the next call on this cursor: copy to keep. */
  readonly keyBytes: Uint8Array;
  readonly keyStart: number;
  readonly keyLength: number;
  readonly version: Version;
  readonly type: EntryType;
  readonly valueBytes: Uint8Array;
  readonly valueStart: number;
  readonly valueLength: number;

  first(): Status;
  last(): Status;
  /** To the first entry at or after (key, version) in internal order: that key at that version or older, or the next key. */
  seek(key: Uint8Array, keyStart: number, keyLength: number, version: Version): Status;
  /** To the last entry whose user key is before `key`, or also equal to it when `inclusive`. */
  seekBefore(key: Uint8Array, keyStart: number, keyLength: number, inclusive: boolean): Status;
  /** REQUIRES: valid. */
  next(): Status;
  /** REQUIRES: valid. */
  prev(): Status;

  /**
   * Adds to the batch what the reader sees of the entries after this one, up to the run's end, as long as they are in memory
   * and cheap to get at; it may well stop before. True: it has gone on, and stands at the last entry gone through. Absent:
   * there is no way but step by step. REQUIRES: valid, and nothing more is to be shown of this user key.
   */
  gather?(gathering: Gathering): boolean;

  /** Brings in what the last PENDING call lacked. The block stays pinned until that call has been repeated. */
  load(): Promise<void>;
  loadSync(): void;

  /** Gives back pins. The cursor must not be used afterwards. */
  close(): void;
}
