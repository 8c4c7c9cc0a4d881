/**
 * The entries before a cursor's position, newest last: up to REVERSE_KEYS of the same restart interval, keys whole. An
 * entry can only be read from its restart point on, so without these each step back would read the interval again.
 */

const REVERSE_KEYS = 32;

export class ReverseKeys {
  /** How many can still be stepped back to. */
  left = 0;
  readonly #keys: Uint8Array[] = [];
  readonly #lengths = new Uint32Array(REVERSE_KEYS);
  readonly #starts = new Float64Array(REVERSE_KEYS);
  readonly #values = new Float64Array(REVERSE_KEYS);
  readonly #ends = new Float64Array(REVERSE_KEYS);
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
    this.#lengths[slot] = length;
    this.#starts[slot] = start;
    this.#values[slot] = value;
    this.#ends[slot] = end;
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
    return this.#lengths[this.#slot] as number;
  }

  get start(): number {
    return this.#starts[this.#slot] as number;
  }

  get value(): number {
    return this.#values[this.#slot] as number;
  }

  get end(): number {
    return this.#ends[this.#slot] as number;
  }
}
