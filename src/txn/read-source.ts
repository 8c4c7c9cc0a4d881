/** Where reads go: the database as it is now, a snapshot of it, or a transaction with its own statements on top. */

import type { Probe } from '../mvcc/probe.ts';
import type { VisibleCursor } from '../mvcc/visible.ts';
import type { Snapshot } from './snapshot.ts';

/** [lower, upper) as bytes; undefined: open. */
export interface Bounds {
  readonly lower: Uint8Array | undefined;
  readonly upper: Uint8Array | undefined;
}

export interface Scan {
  readonly cursor: VisibleCursor;
  /** Told what the reader has got to know: everything from `from` up to and without `to` (latin1 keys; undefined: the end). */
  readonly onRead: ((from: string, to: string | undefined) => void) | undefined;
  close(): void;
}

/** A probe that a lookup answers with is borrowed: it is valid until the next call. */
export interface ReadSource {
  /** The answer if it is in memory; undefined when the disk must be asked. */
  lookup(keyspace: string, key: Uint8Array, at: Snapshot | undefined): Probe | undefined;
  /** Asks the disk without blocking the event loop. */
  lookupLater(keyspace: string, key: Uint8Array, at: Snapshot | undefined): Promise<Probe>;
  /** Asks the disk by pread. */
  lookupSync(keyspace: string, key: Uint8Array, at: Snapshot | undefined): Probe;
  scan(keyspace: string, bounds: Bounds, at: Snapshot | undefined): Scan;
}
