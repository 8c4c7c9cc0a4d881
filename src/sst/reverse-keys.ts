/**
 * The entries before a cursor's position, newest last: up to REVERSE_KEYS of the same restart interval, keys whole. An
 * entry can only be read from its restart point on, so without these each step back would read the interval again.
 */

const REVERSE_KEYS = 32;
const PLACE_WORDS = 4;
const NO_PLACES = new Float64Array(0);

export class ReverseKeys {
  /** How many can still be stepped back to. */
  left = 0;
  readonly #keys: Uint8Array[] = [];
  /** Of each its length, start, value and end. Most cursors never go back: made by the first that does. */
  #places = NO_PLACES;
  #top = 0;
  #slot = 0;

  clear(): void {
    this.#top = 0;
    this.left = 0;
  }

  /** The entry from `start` to `end` with its value at `value`. The oldest gives way when there are too many. */
  push(key: Uint8Array, length: number, start: number, value: number, end: number): void {
    const slot = this.#top % REVERSE_KEYS;
    let kept = this.#keys[slot];
    if (kept === undefined || kept.length < length) {
      kept = new Uint8Array(length + 32);
      this.#keys[slot] = kept;
    }
    for (let i = 0; i < length; i++) kept[i] = key[i] as number;
    if (this.#places === NO_PLACES) this.#places = new Float64Array(REVERSE_KEYS * PLACE_WORDS);
    const at = slot * PLACE_WORDS;
    this.#places[at] = length;
    this.#places[at + 1] = start;
    this.#places[at + 2] = value;
    this.#places[at + 3] = end;
    this.#top++;
    if (this.left < REVERSE_KEYS) this.left++;
  }

  /** Takes the newest, which the getters below then tell. REQUIRES: left > 0. */
  pop(): void {
    this.#top--;
    this.left--;
    this.#slot = this.#top % REVERSE_KEYS;
  }

  get key(): Uint8Array {
    return this.#keys[this.#slot] as Uint8Array;
  }

  get length(): number {
    return this.#places[this.#slot * PLACE_WORDS] as number;
  }

  get start(): number {
    return this.#places[this.#slot * PLACE_WORDS + 1] as number;
  }

  get value(): number {
    return this.#places[this.#slot * PLACE_WORDS + 2] as number;
  }

  get end(): number {
    return this.#places[this.#slot * PLACE_WORDS + 3] as number;
  }
}
