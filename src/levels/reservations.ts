/**
 * What is promised in a tree: key ranges of levels to tables that are not installed yet, of ingests, flushes and
 * compactions; and the tables that compactions read and will drop. One list per tree, which every picker checks, so that
 * no two of them choose overlapping places or the same inputs.
 *
 * Reserving is synchronous with the choice, and lasts until the table is installed or its making has failed.
 */

import { assert } from '../base/assert.ts';
import { compareBytes } from '../base/bytes.ts';
import type { FileId } from '../manifest/rows.ts';

export interface Reservation {
  readonly level: number;
  /** User keys, both inclusive. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
  /** For people: 'compaction of level 3', 'ingest …'. */
  readonly owner: string;
  /** Tables that it reads and will drop. */
  readonly inputs: readonly FileId[];
}

const NO_INPUTS: readonly FileId[] = [];

export class Reservations {
  readonly #held = new Set<Reservation>();
  readonly #inputs = new Set<FileId>();

  get count(): number {
    return this.#held.size;
  }

  /**
   * REQUIRES: nothing that overlaps is reserved there, and no input is anyone else's. Level 0 takes everything and needs
   * no promise, but for the inputs.
   */
  reserve(
    level: number,
    smallest: Uint8Array,
    largest: Uint8Array,
    owner: string,
    inputs: readonly FileId[] = NO_INPUTS,
  ): Reservation {
    const other = level === 0 ? undefined : this.overlapping(level, smallest, largest);
    const needed = other === undefined && (level > 0 || inputs.length > 0);
    assert(needed, `${owner} reserves what ${other?.owner ?? 'nobody needs to'}`);
    assert(!inputs.some((id) => this.#inputs.has(id)), `${owner} takes a table that is taken`);
    const reservation = { level, smallest, largest, owner, inputs };
    this.#held.add(reservation);
    for (const id of inputs) this.#inputs.add(id);
    return reservation;
  }

  release(reservation: Reservation): void {
    assert(this.#held.delete(reservation), `a reservation of ${reservation.owner} was released twice`);
    for (const id of reservation.inputs) this.#inputs.delete(id);
  }

  /** Whether a compaction that is under way will drop the table. */
  takes(id: FileId): boolean {
    return this.#inputs.has(id);
  }

  overlapping(level: number, smallest: Uint8Array, largest: Uint8Array): Reservation | undefined {
    for (const held of this.#held) {
      if (held.level !== level) continue;
      if (compareBytes(held.smallest, largest) <= 0 && compareBytes(smallest, held.largest) <= 0) return held;
    }
    return undefined;
  }
}
