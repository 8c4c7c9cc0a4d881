/**
 * A reader's wish for a run of entries, passed down through cursors to the one source that holds them all: what it sees,
 * where the run ends, and the batch that takes them.
 */

import { EMPTY_BYTES } from '../base/bytes.ts';
import type { EntryBatch } from './entry-batch.ts';
import type { PrefixRewrite } from './prefix-rewrite.ts';
import { MAX_VERSION, NO_VERSION, type Version } from './version.ts';

export class Gathering {
  readonly batch: EntryBatch;
  /** As in Visibility. */
  readonly snapshot: Version;
  /** What keys of the source are put into the batch under. The end is a key of the source all the same. */
  readonly prefix: PrefixRewrite | undefined;
  readonly #floor: Version;
  readonly #through: Version;

  /** The user key before which the run ends, when there is one. Borrowed. */
  hasEnd = false;
  endBytes: Uint8Array = EMPTY_BYTES;
  endStart = 0;
  endLength = 0;

  /**
   * Whether nothing more is to be shown of the user key at which the source stands afterwards; false: it is too new for the
   * reader, and an older version of it may come.
   */
  decided = true;

  constructor(
    batch: EntryBatch,
    snapshot: Version,
    floor: Version = MAX_VERSION,
    through = NO_VERSION,
    prefix?: PrefixRewrite,
  ) {
    this.batch = batch;
    this.prefix = prefix;
    this.snapshot = snapshot;
    this.#floor = floor;
    this.#through = through;
  }

  /** The same wish of a source whose keys are to come out under a prefix; without an end. */
  under(prefix: PrefixRewrite): Gathering {
    return new Gathering(this.batch, this.snapshot, this.#floor, this.#through, prefix);
  }

  sees(version: Version): boolean {
    return version <= this.snapshot || (version >= this.#floor && version <= this.#through);
  }

  endBefore(bytes: Uint8Array, start: number, length: number): void {
    this.hasEnd = true;
    this.endBytes = bytes;
    this.endStart = start;
    this.endLength = length;
  }
}
