/** A range of user keys, each end inclusive, exclusive or open. */

import { compareRanges } from '../base/bytes.ts';

/** Of gt and gte, and of lt and lte, at most one counts: the exclusive one. */
export interface Bounds {
  readonly gt?: Uint8Array | undefined;
  readonly gte?: Uint8Array | undefined;
  readonly lt?: Uint8Array | undefined;
  readonly lte?: Uint8Array | undefined;
}

export class KeyRange {
  readonly lower: Uint8Array | undefined;
  readonly lowerInclusive: boolean;
  readonly upper: Uint8Array | undefined;
  readonly upperInclusive: boolean;

  constructor(bounds: Bounds) {
    this.lower = bounds.gt ?? bounds.gte;
    this.lowerInclusive = bounds.gt === undefined;
    this.upper = bounds.lt ?? bounds.lte;
    this.upperInclusive = bounds.lt === undefined;
  }

  /** Whether the key is before the range. */
  isBelow(key: Uint8Array, start: number, length: number): boolean {
    if (this.lower === undefined) return false;
    const order = compareRanges(key, start, length, this.lower, 0, this.lower.length);
    return this.lowerInclusive ? order < 0 : order <= 0;
  }

  /** Whether the key is after the range. */
  isAbove(key: Uint8Array, start: number, length: number): boolean {
    if (this.upper === undefined) return false;
    const order = compareRanges(key, start, length, this.upper, 0, this.upper.length);
    return this.upperInclusive ? order > 0 : order >= 0;
  }
}
