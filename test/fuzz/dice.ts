/** Random choices under a seed. */

import { SeededRandom } from '../base/seeded-random.ts';

export class Dice extends SeededRandom {
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
