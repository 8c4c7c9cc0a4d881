/**
 * What lies outside a compaction's inputs and may hold older versions of their keys: tables of every level, above and
 * below, and memtables.
 *
 * L4: an ingested table may lie below older data, so "nothing lies below" proves nothing. The list is made when the
 * compaction is chosen, and stays true: whatever enters the tree later has a version above what was visible then (L1),
 * and a memtable of the list that is flushed meanwhile holds what it held.
 */

import { at } from '../../base/assert.ts';
import { compareBytes, compareRanges } from '../../base/bytes.ts';
import type { Version } from '../../mvcc/version.ts';
import type { HeldVersions } from './table-ranges.ts';

export class OutsideSources {
  /** By smallest key; those up to `#next` begin at or before the key asked for last. */
  readonly #sources: readonly HeldVersions[];
  #next = 0;
  /** Of those, the ones that do not end before it. */
  #around: HeldVersions[] = [];

  constructor(sources: readonly HeldVersions[]) {
    this.#sources = [...sources].sort((a, b) => compareBytes(a.smallest, b.smallest));
  }

  /** Whether one of them may hold a version of the key below `version`. REQUIRES: keys ascend from call to call. */
  mayHoldOlder(key: Uint8Array, start: number, length: number, version: Version): boolean {
    const before = (other: Uint8Array): boolean =>
      compareRanges(other, 0, other.length, key, start, length) < 0;
    while (this.#next < this.#sources.length) {
      const source = at(this.#sources, this.#next);
      if (compareRanges(source.smallest, 0, source.smallest.length, key, start, length) > 0) break;
      this.#around.push(source);
      this.#next++;
    }
    if (this.#around.some(({ largest }) => before(largest))) {
      this.#around = this.#around.filter(({ largest }) => !before(largest));
    }
    return this.#around.some(({ minVersion }) => minVersion < version);
  }
}
