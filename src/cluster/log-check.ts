/**
 * Whether the log has what a replica that opens has applied of it: each entry where it was, with the bytes that it had. It has not where
 * etcd was restored from a backup. Then the replica must not go on as if it had: what it applied would stand beside other commits at the same versions.
 *
 * The entries of the window are read at opening anyway. The digest before each of them is in its position (position.ts), so the bytes of
 * all are checked but for those of the last, which the other replicas' digests tell, and of the first where it is not whole any more.
 */

import { logLacks } from './log/shared-log.ts';
import { type Positions, rollDigest } from './position.ts';
import type { EntryRecords } from './record/entry.ts';

export class LogCheck {
  readonly #positions: Positions;
  /** Of the newest entry so far. */
  #revision = 0;
  /** After it; undefined: not known yet. */
  #digest: Uint8Array | undefined;

  constructor(positions: Positions) {
    this.#positions = positions;
  }

  /** The log's next entry, from that of the first position to that of the last. @throws SluiceError DIVERGED */
  next(revision: number, { count, bytes }: EntryRecords): void {
    const expected = this.#positions.after(this.#revision);
    if (expected !== undefined && revision > expected.revision) throw logLacks(expected.revision);
    const position = expected?.revision === revision ? expected : undefined;
    const before = position?.digest ?? this.#digest;
    if (this.#digest !== undefined && position !== undefined && Buffer.compare(this.#digest, position.digest))
      throw logLacks(revision);
    const versions = this.#positions.versionsOf(revision);
    if (versions.length > count) throw logLacks(revision);
    while (versions.length < count) versions.push(0);
    // Of the first entry, what comes before its first position was refused, or is out of the window.
    const isWhole = this.#revision > 0 || position?.index === 0;
    if (before !== undefined && isWhole) this.#digest = rollDigest(before, versions, bytes);
    this.#revision = revision;
  }
}
