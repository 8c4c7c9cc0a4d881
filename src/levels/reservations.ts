/**
 * Key ranges of levels that are promised to tables that are not installed yet: of ingests, flushes, compactions and
 * trivial moves. One list per tree, which every picker checks, so that no two of them choose overlapping places.
 *
 * Reserving is synchronous with the choice, and lasts until the table is installed or its making has failed.
 */

import { assert } from '../base/assert.ts';
import { compareBytes } from '../base/bytes.ts';

export interface Reservation {
  readonly level: number;
  /** User keys, both inclusive. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
  /** For people: 'compaction of level 3', 'ingest …'. */
  readonly owner: string;
}

export class Reservations {
  readonly #held = new Set<Reservation>();

  get count(): number {
    return this.#held.size;
  }

  /** REQUIRES: level ≥ 1, and nothing that overlaps is reserved there. Level 0 takes everything and needs no promise. */
  reserve(level: number, smallest: Uint8Array, largest: Uint8Array, owner: string): Reservation {
    const other = this.overlapping(level, smallest, largest);
    assert(level > 0 && other === undefined, `${owner} reserves what ${other?.owner ?? 'nobody needs to'}`);
    const reservation = { level, smallest, largest, owner };
    this.#held.add(reservation);
    return reservation;
  }

  release(reservation: Reservation): void {
    assert(this.#held.delete(reservation), `a reservation of ${reservation.owner} was released twice`);
  }

  overlapping(level: number, smallest: Uint8Array, largest: Uint8Array): Reservation | undefined {
    for (const held of this.#held) {
      if (held.level !== level) continue;
      if (compareBytes(held.smallest, largest) <= 0 && compareBytes(smallest, held.largest) <= 0) return held;
    }
    return undefined;
  }
}
