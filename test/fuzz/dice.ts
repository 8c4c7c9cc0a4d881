/** Random choices under a seed. */

export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). (mulberry32) */
  float(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** In [0, n). */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  chance(p: number): boolean {
    return this.float() < p;
  }

  /** REQUIRES: not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Numbers at which lengths, offsets and counts break. */
  wild(around: number): number {
    const edges = [
      0,
      1,
      2,
      7,
      8,
      127,
      128,
      255,
      65535,
      65536,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 32 - 6,
      2 ** 32 - 1,
    ];
    const far = [2 ** 32, 2 ** 40, 2 ** 52, Number.MAX_SAFE_INTEGER];
    const near = [around - 1, around + 1, around - 5, around + 5, around * 2, Math.floor(around / 2)];
    return Math.max(0, this.pick([...edges, ...far, ...near, ...near]));
  }
}

/** One number of two, for `Dice`. */
export function mixed(seed: number, index: number): number {
  let h = (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  return (h ^ (h >>> 15)) >>> 0;
}
