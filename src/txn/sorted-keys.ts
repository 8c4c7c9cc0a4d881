/**
 * Keys in ascending order, to be searched in. The few bytes in which most of them differ lie as numbers in one array:
 * a search goes from cache line to cache line there, and only from equal numbers to the strings.
 */

/** As many bytes as a double has room for, without loss. */
const HEAD_BYTES = 6;

export class SortedKeys {
  readonly #keys: readonly string[];
  /** What all keys begin with. */
  readonly #prefix: string;
  /** The bytes behind the prefix. */
  readonly #heads: Float64Array;

  /** REQUIRES: latin1, ascending; equal ones are allowed. */
  constructor(keys: readonly string[]) {
    this.#keys = keys;
    this.#prefix = commonPrefix(keys[0] ?? '', keys.at(-1) ?? '');
    this.#heads = Float64Array.from(keys, (key) => headOf(key, this.#prefix.length));
  }

  /** How many keys are less than `key`; with `equal`, how many are not greater. */
  countBelow(key: string, equal: boolean): number {
    if (!key.startsWith(this.#prefix)) return key < this.#prefix ? 0 : this.#keys.length;
    const head = headOf(key, this.#prefix.length);
    const heads = this.#heads;
    let low = 0;
    let high = heads.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = heads[middle] as number;
      if (other < head || (other === head && this.#isBelow(middle, key, equal))) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isBelow(index: number, key: string, equal: boolean): boolean {
    const other = this.#keys[index] as string;
    return other < key || (equal && other === key);
  }
}

/** Keys between these two begin with it as well. */
function commonPrefix(first: string, last: string): string {
  let length = 0;
  while (length < first.length && first.charCodeAt(length) === last.charCodeAt(length)) length++;
  return first.slice(0, length);
}

/** Ascends with the keys, not strictly: a missing byte counts as a zero. */
function headOf(key: string, from: number): number {
  let head = 0;
  for (let i = from; i < from + HEAD_BYTES; i++) head = head * 256 + (i < key.length ? key.charCodeAt(i) : 0);
  return head;
}
