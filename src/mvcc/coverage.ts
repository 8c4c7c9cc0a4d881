/**
 * The range tombstones that one reader sees: those of a tree up to its snapshot and, in a transaction, those of its own
 * statements, which are newer than anything in the tree.
 *
 * A scan asks key after key, so the fragment found last is tried first. One object for each cursor that asks.
 */

import { compareRanges } from '../base/bytes.ts';
import type { KeySpan, RangeTombstones } from './range-tombstones.ts';
import { MAX_VERSION, NO_VERSION, type Version } from './version.ts';

class Place {
  readonly #tombstones: RangeTombstones;
  readonly #snapshot: Version;
  #fragment = 0;

  constructor(tombstones: RangeTombstones, snapshot: Version) {
    this.#tombstones = tombstones;
    this.#snapshot = snapshot;
  }

  fork(): Place {
    return new Place(this.#tombstones, this.#snapshot);
  }

  newest(key: Uint8Array, start: number, length: number): Version {
    if (!this.#isHere(key, start, length)) this.#fragment = this.#tombstones.find(key, start, length);
    return this.#tombstones.newestIn(this.#fragment, this.#snapshot);
  }

  /** Whether a version > `floor` covers the fragment found last. */
  isAbove(floor: Version): boolean {
    return this.#tombstones.newestIn(this.#fragment, this.#snapshot) > floor;
  }

  endAbove(floor: Version): Uint8Array | undefined {
    const { starts } = this.#tombstones;
    let next = this.#fragment + 1;
    while (next < starts.length && this.#tombstones.newestIn(next, this.#snapshot) > floor) next++;
    return starts[next];
  }

  startAbove(floor: Version): Uint8Array {
    const { starts } = this.#tombstones;
    let first = this.#fragment;
    while (first > 0 && this.#tombstones.newestIn(first - 1, this.#snapshot) > floor) first--;
    return starts[first] as Uint8Array;
  }

  #isHere(key: Uint8Array, start: number, length: number): boolean {
    const { starts } = this.#tombstones;
    const from = starts[this.#fragment] as Uint8Array;
    if (compareRanges(from, 0, from.length, key, start, length) > 0) return false;
    const to = starts[this.#fragment + 1];
    return to === undefined || compareRanges(key, start, length, to, 0, to.length) < 0;
  }
}

export class Coverage {
  readonly #tree: Place | undefined;
  readonly #own: Place | undefined;

  private constructor(tree: Place | undefined, own: Place | undefined) {
    this.#tree = tree;
    this.#own = own;
  }

  /** For keys in [lower, upper); undefined when nothing there is covered. */
  static of(
    tree: RangeTombstones | undefined,
    snapshot: Version,
    own: RangeTombstones | undefined,
    lower: Uint8Array | undefined,
    upper: Uint8Array | undefined,
  ): Coverage | undefined {
    const ofTree = tree?.touches(lower, upper) === true ? new Place(tree, snapshot) : undefined;
    const ofOwn = own?.touches(lower, upper) === true ? new Place(own, MAX_VERSION) : undefined;
    return ofTree === undefined && ofOwn === undefined ? undefined : new Coverage(ofTree, ofOwn);
  }

  /** For another cursor of the same reader. */
  fork(): Coverage {
    return new Coverage(this.#tree?.fork(), this.#own?.fork());
  }

  /** The newest version that covers the key, NO_VERSION when none does: entries below it are hidden. */
  newest(key: Uint8Array, start: number, length: number): Version {
    const own = this.#own?.newest(key, start, length) ?? NO_VERSION;
    const tree = this.#tree?.newest(key, start, length) ?? NO_VERSION;
    return own > tree ? own : tree;
  }

  /**
   * Where the stretch ends around the key asked last in which everything is covered by versions > `floor`; undefined: at
   * the end of all keys. It may be short of the longest such stretch. REQUIRES: that key is covered so.
   */
  endAbove(floor: Version): Uint8Array | undefined {
    return this.#above(floor)?.endAbove(floor);
  }

  /** Where that stretch begins. */
  startAbove(floor: Version): Uint8Array | undefined {
    return this.#above(floor)?.startAbove(floor);
  }

  /** Whether every key in [smallest, largest] is covered by versions > `floor`. May say no where it is yes. */
  coversAbove(floor: Version, smallest: Uint8Array, largest: Uint8Array): boolean {
    if (this.newest(smallest, 0, smallest.length) <= floor) return false;
    const end = this.endAbove(floor);
    return end === undefined || compareRanges(largest, 0, largest.length, end, 0, end.length) < 0;
  }

  /** As `coversAbove`, for every key of the span. */
  coversSpanAbove(floor: Version, { from, to }: KeySpan): boolean {
    if (this.newest(from, 0, from.length) <= floor) return false;
    const end = this.endAbove(floor);
    return (
      end === undefined || (to !== undefined && compareRanges(to, 0, to.length, end, 0, end.length) <= 0)
    );
  }

  #above(floor: Version): Place | undefined {
    return this.#own?.isAbove(floor) === true ? this.#own : this.#tree;
  }
}
