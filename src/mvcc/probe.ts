/**
 * A probe carries one point lookup through the sources of a tree: the key, the snapshot, and the newest version found
 * so far. One object is reused for many lookups, so that a `get` allocates its result only.
 *
 * L3: sources are in no order of age; a source may replace what was found only by a higher version ≤ the snapshot.
 */

import { EMPTY_BYTES } from '../base/bytes.ts';
import { type EntryType, TYPE_DELETE } from './internal-key.ts';
import { NO_VERSION, type Version } from './version.ts';

export class Probe {
  key: Uint8Array = EMPTY_BYTES;
  keyStart = 0;
  keyLength = 0;
  snapshot: Version = NO_VERSION;

  /** XXPH3 of the key in two halves, made at the first filter that wants it. */
  hashed = false;
  hashLow = 0;
  hashHigh = 0;

  /** What is not in memory is read at once, by pread: nothing is PENDING. */
  blocking = false;

  /** Where a PENDING lookup goes on when it is repeated; whoever put it here knows what it is. */
  pending: object | undefined = undefined;

  found = false;
  version: Version = NO_VERSION;
  type: EntryType = TYPE_DELETE;
  valueBytes: Uint8Array = EMPTY_BYTES;
  valueStart = 0;
  valueLength = 0;
  #owned: Uint8Array = EMPTY_BYTES;

  reset(key: Uint8Array, keyStart: number, keyLength: number, snapshot: Version): void {
    this.key = key;
    this.keyStart = keyStart;
    this.keyLength = keyLength;
    this.snapshot = snapshot;
    this.hashed = false;
    this.blocking = false;
    this.pending = undefined;
    this.found = false;
    this.version = NO_VERSION;
    this.type = TYPE_DELETE;
    this.valueBytes = EMPTY_BYTES;
    this.valueStart = 0;
    this.valueLength = 0;
  }

  /** REQUIRES: version ≤ snapshot, and newer than what was found. The bytes are borrowed until the next block load. */
  accept(
    version: Version,
    type: EntryType,
    valueBytes: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    this.found = true;
    this.version = version;
    this.type = type;
    this.valueBytes = valueBytes;
    this.valueStart = valueStart;
    this.valueLength = valueLength;
  }

  /** Copies a borrowed value, which a block load could overwrite. Call before loading while something is found. */
  own(): void {
    if (!this.found || this.valueBytes === this.#owned || this.valueLength === 0) return;
    if (this.#owned.length < this.valueLength) this.#owned = new Uint8Array(this.valueLength * 2);
    this.#owned.set(this.valueBytes.subarray(this.valueStart, this.valueStart + this.valueLength));
    this.valueBytes = this.#owned;
    this.valueStart = 0;
  }
}
