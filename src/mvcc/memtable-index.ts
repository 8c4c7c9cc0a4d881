/**
 * A B+tree of entry offsets inside a memtable's arena: finds an entry's place among the others.
 *
 *   node, in words    0 count | 1 skip | 2 leaves: next | 3 leaves: previous | prefix words [FANOUT]
 *                     entries [FANOUT] | inner nodes: children [FANOUT]
 *
 * In an inner node, entry i is the lower fence of child i (entry 0 counts as "before everything"). All keys under a
 * node share the prefix that its two fences share, `skip` bytes, so the node keeps the four bytes *after* it of each
 * key and nearly every search step stays inside the node. Against a skiplist that is half the cache misses, and no
 * randomness. Nodes are split on the way down, so an insert never goes back up; nothing is ever removed.
 */

import { type MemtableArena, NONE } from './memtable-arena.ts';

const FANOUT = 64;
const COUNT = 0;
const SKIP = 1;
const NEXT = 2;
const PREVIOUS = 3;
const PREFIXES = 4;
const ENTRIES = PREFIXES + FANOUT;
const CHILDREN = ENTRIES + FANOUT;
const LEAF_WORDS = CHILDREN;
const INNER_WORDS = CHILDREN + FANOUT;

/** Where the nodes of an index are, as plain data. */
export interface IndexPlaces {
  readonly root: number;
  readonly height: number;
  readonly firstLeaf: number;
  readonly lastLeaf: number;
}

export class MemtableIndex {
  /** What an empty index takes. */
  static readonly ROOT_WORDS = LEAF_WORDS;
  static readonly NODE_WORDS_MAX = INNER_WORDS;

  readonly #arena: MemtableArena;
  #root: number;
  /** Levels of inner nodes above the leaves. */
  #height: number;
  /** Splits leave the left half in place, so it never changes. */
  readonly #firstLeaf: number;
  #lastLeaf: number;

  /** What the last call found: an entry's place, until the next insert. `leaf` NONE: there is no such entry. */
  leaf = NONE;
  slot = 0;

  /* Where the last insert went. A split is always followed by one. */
  #insertedEntry = 0;
  #insertedLeaf = 0;
  #insertedSlot = 0;

  /** A new one; or, at the places given, the one that the arena has. */
  constructor(arena: MemtableArena, places?: IndexPlaces) {
    this.#arena = arena;
    this.#root = places?.root ?? this.#newNode(LEAF_WORDS);
    this.#height = places?.height ?? 0;
    this.#firstLeaf = places?.firstLeaf ?? this.#root;
    this.#lastLeaf = places?.lastLeaf ?? this.#root;
  }

  /** Until the next insert. */
  get places(): IndexPlaces {
    const [root, height, firstLeaf, lastLeaf] = [this.#root, this.#height, this.#firstLeaf, this.#lastLeaf];
    return { root, height, firstLeaf, lastLeaf };
  }

  /** Never more than this is allocated by one insert: one node a level, and a new root. */
  get growthWords(): number {
    return (this.#height + 2) * INNER_WORDS;
  }

  /** Finds the first entry at or after `staged` in internal order, and returns it; NONE when there is none. */
  lowerBound(staged: number): number {
    const words = this.#arena.words;
    let node = this.#root;
    for (let level = this.#height; level > 0; level--) {
      node = words[node + CHILDREN + this.#find(node, 1, staged, true) - 1] as number;
    }
    return this.#at(node, this.#find(node, 0, staged, false));
  }

  first(): number {
    return this.#at(this.#firstLeaf, 0);
  }

  last(): number {
    return this.#at(this.#lastLeaf, (this.#arena.words[this.#lastLeaf + COUNT] as number) - 1);
  }

  /** The entry after the one at the place, which may have been moved since. */
  after(entry: number, leaf: number, slot: number): number {
    if (this.#isAt(entry, leaf, slot)) return this.#at(leaf, slot + 1);
    this.lowerBound(entry);
    return this.#at(this.leaf, this.slot + 1);
  }

  before(entry: number, leaf: number, slot: number): number {
    if (this.#isAt(entry, leaf, slot)) return this.#at(leaf, slot - 1);
    this.lowerBound(entry);
    return this.#at(this.leaf, this.slot - 1);
  }

  #isAt(entry: number, leaf: number, slot: number): boolean {
    const words = this.#arena.words;
    // A split leaves the moved entries in the slots behind the count.
    return words[leaf + ENTRIES + slot] === entry && slot < (words[leaf + COUNT] as number);
  }

  /** The entry at a slot, which may be one before the first or after the last of the leaf. No leaf but the first is empty. */
  #at(leaf: number, slot: number): number {
    const words = this.#arena.words;
    if (slot < 0) {
      leaf = words[leaf + PREVIOUS] as number;
      if (leaf !== NONE) slot = (words[leaf + COUNT] as number) - 1;
    } else if (slot >= (words[leaf + COUNT] as number)) {
      leaf = words[leaf + NEXT] as number;
      slot = 0;
    }
    this.leaf = leaf;
    this.slot = slot;
    return leaf === NONE ? NONE : (words[leaf + ENTRIES + slot] as number);
  }

  /** Puts in `entry`, which is new. */
  insert(entry: number): void {
    if (this.#insertAfterLast(entry)) return;
    const words = this.#arena.words;
    if (words[this.#root + COUNT] === FANOUT) this.#growRoot(entry);
    let node = this.#root;
    let low = 0;
    let high = 0;
    for (let level = this.#height; level > 0; level--) {
      let index = this.#find(node, 1, entry, true) - 1;
      if (index > 0) low = this.#entry(node, index);
      if (index + 1 < (words[node + COUNT] as number)) high = this.#entry(node, index + 1);
      let child = words[node + CHILDREN + index] as number;
      if (words[child + COUNT] === FANOUT) {
        const fence = this.#split(node, index, level === 1, low, high, entry);
        if (this.#arena.compare(fence, entry, 0) <= 0) {
          index++;
          low = fence;
        } else {
          high = fence;
        }
        child = words[node + CHILDREN + index] as number;
      }
      node = child;
    }
    this.#insertAt(node, this.#find(node, 0, entry, false), entry);
  }

  /** Ascending runs (sorted batches, replayed logs) need two comparisons and no descent. */
  #insertAfterLast(entry: number): boolean {
    const arena = this.#arena;
    const leaf = this.#insertedLeaf;
    if (leaf === 0 || arena.words[leaf + COUNT] === FANOUT) return false;
    if (arena.compare(this.#insertedEntry, entry, 0) >= 0) return false;
    const next = this.#at(leaf, this.#insertedSlot + 1);
    if (next !== NONE && arena.compare(entry, next, 0) >= 0) return false;
    this.#insertAt(leaf, this.#insertedSlot + 1, entry);
    return true;
  }

  #insertAt(leaf: number, slot: number, entry: number): void {
    this.#insertSlot(leaf, slot, entry);
    this.#insertedEntry = entry;
    this.#insertedLeaf = leaf;
    this.#insertedSlot = slot;
  }

  #entry(node: number, index: number): number {
    return this.#arena.words[node + ENTRIES + index] as number;
  }

  /** The first index from `from` on whose entry is at or after `staged` (`orEqual`: after it). */
  #find(node: number, from: number, staged: number, orEqual: boolean): number {
    const arena = this.#arena;
    const words = arena.words;
    const skip = words[node + SKIP] as number;
    const prefix = arena.prefixWord(staged, skip);
    const prefixes = node + PREFIXES;
    let low = from;
    let high = words[node + COUNT] as number;
    while (low < high) {
      const mid = (low + high) >>> 1;
      const order = words[prefixes + mid] as number;
      let before = order < prefix;
      if (order === prefix) {
        const full = arena.compare(words[node + ENTRIES + mid] as number, staged, skip);
        before = full < 0 || (full === 0 && orEqual);
      }
      if (before) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  #growRoot(entry: number): void {
    const words = this.#arena.words;
    const root = this.#newNode(INNER_WORDS);
    words[root + COUNT] = 1;
    words[root + CHILDREN] = this.#root;
    this.#split(root, 0, this.#height === 0, 0, 0, entry);
    this.#root = root;
    this.#height++;
  }

  /** Splits child `index` of `parent`, whose fences are `low` and `high` (0: none); returns the fence between the halves. */
  #split(parent: number, index: number, leaf: boolean, low: number, high: number, entry: number): number {
    const arena = this.#arena;
    const words = arena.words;
    const left = words[parent + CHILDREN + index] as number;
    const right = this.#newNode(leaf ? LEAF_WORDS : INNER_WORDS);
    // An ascending run leaves full nodes behind.
    const ascending = high === 0 && arena.compare(this.#entry(left, FANOUT - 1), entry, 0) < 0;
    const mid = ascending ? FANOUT - 1 : FANOUT >>> 1;
    const count = FANOUT - mid;
    const move = (block: number) =>
      words.copyWithin(right + block, left + block + mid, left + block + FANOUT);
    move(PREFIXES);
    move(ENTRIES);
    if (leaf) this.#linkLeaf(left, right);
    else move(CHILDREN);
    words[left + COUNT] = mid;
    words[right + COUNT] = count;
    words[right + SKIP] = words[left + SKIP] as number;
    const fence = this.#entry(right, 0);
    this.#setSkip(left, low === 0 ? 0 : arena.commonPrefix(low, fence));
    this.#setSkip(right, high === 0 ? 0 : arena.commonPrefix(fence, high));
    words.copyWithin(
      parent + CHILDREN + index + 2,
      parent + CHILDREN + index + 1,
      parent + CHILDREN + (words[parent + COUNT] as number),
    );
    words[parent + CHILDREN + index + 1] = right;
    this.#insertSlot(parent, index + 1, fence);
    return fence;
  }

  #linkLeaf(left: number, right: number): void {
    const words = this.#arena.words;
    const next = words[left + NEXT] as number;
    words[right + NEXT] = next;
    words[right + PREVIOUS] = left;
    words[left + NEXT] = right;
    if (next === NONE) this.#lastLeaf = right;
    else words[next + PREVIOUS] = right;
  }

  #setSkip(node: number, skip: number): void {
    const words = this.#arena.words;
    if (words[node + SKIP] === skip) return;
    words[node + SKIP] = skip;
    const count = words[node + COUNT] as number;
    for (let i = 0; i < count; i++) {
      words[node + PREFIXES + i] = this.#arena.prefixWord(this.#entry(node, i), skip);
    }
  }

  #insertSlot(node: number, index: number, entry: number): void {
    const words = this.#arena.words;
    const count = words[node + COUNT] as number;
    const prefixes = node + PREFIXES;
    const entries = node + ENTRIES;
    for (let i = count; i > index; i--) {
      words[prefixes + i] = words[prefixes + i - 1] as number;
      words[entries + i] = words[entries + i - 1] as number;
    }
    words[prefixes + index] = this.#arena.prefixWord(entry, words[node + SKIP] as number);
    words[entries + index] = entry;
    words[node + COUNT] = count + 1;
  }

  #newNode(nodeWords: number): number {
    const node = this.#arena.tail;
    this.#arena.tail += nodeWords;
    // The place may have held a staged key.
    this.#arena.words[node + COUNT] = 0;
    this.#arena.words[node + SKIP] = 0;
    this.#arena.words[node + NEXT] = NONE;
    this.#arena.words[node + PREVIOUS] = NONE;
    return node;
  }
}
