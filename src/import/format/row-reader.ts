/**
 * What a format is to an import: rows of one source, handed out in their order, and a place to go on from.
 *
 * A reader runs in a thread of its own. It awaits between chunks of its source only: rows are handed out synchronously,
 * and the bytes of a row are borrowed for that call, so that no row is an object.
 */

import type { Version } from '../../mvcc/version.ts';
import type { Source } from '../source/source.ts';

/** Where a row begins. Plain data: it is kept in the manifest, and an import goes on here after a restart. */
export interface RowPosition {
  /** Rows handed out before this one, bad ones included; so the number of this one is `row + 1`. */
  readonly row: number;
  /** Of its first byte, in the source as it is without compression. */
  readonly offset: number;
  /** What else the format must know to go on here; the rest is read again. */
  readonly state?: string;
}

/** What a sink takes of records now. Overwritten by the next question. */
export interface RecordLimits {
  /** Of one batch of records, and of all of them with `sortBytes` each. */
  chunkBytes: number;
  runBytes: number;
  sortBytes: number;
  /** Of the next row; those after it have one more each, or one less. */
  version: Version;
  descends: boolean;
  /** No key may be before the one before it, which this is (of so many bytes); undefined: any may. */
  lastKey: Uint8Array | undefined;
  lastKeyLength: number;
}

/** Rows that a format makes into records itself (thread/records.ts), many at a time. */
export interface RecordSink {
  /** undefined: rows are to come one by one for now. */
  limits(): RecordLimits | undefined;
  /** `rows` records, in [from, to) of `bytes`; the key of the last one is at `lastKey`. */
  records(
    bytes: Uint8Array,
    from: number,
    to: number,
    rows: number,
    lastKey: number,
    lastKeyLength: number,
  ): void;
}

/** Takes rows. What it throws ends the reading. */
export interface RowSink {
  row(
    key: Uint8Array,
    keyFrom: number,
    keyTo: number,
    value: Uint8Array,
    valueFrom: number,
    valueTo: number,
  ): void;
  /** A row that cannot be loaded: why, and its bytes (the first 64 KiB of them). Throws when there are too many. */
  bad(reason: string, raw: Uint8Array): void;
  readonly batches?: RecordSink;
}

export interface RowReader {
  /**
   * Hands out all rows of the source from `from` on, or from its first.
   * Throws SluiceError BAD_INPUT where the source itself is damaged, so that no further row of it can be told apart.
   */
  read(source: Source, sink: RowSink, from: RowPosition | undefined, signal: AbortSignal): Promise<void>;
  /** Of the row that is being handed out; behind the last one once `read` has ended. */
  position(): RowPosition;
}
