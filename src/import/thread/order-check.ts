/** Presorted rows: each has to come after the one before it. */

import { compareRanges, formatKey } from '../../base/bytes.ts';
import { SluiceError } from '../../base/errors.ts';
import { KEY_BYTES_MAX } from '../../mvcc/internal-key.ts';

export class OrderCheck {
  readonly #last = new Uint8Array(KEY_BYTES_MAX);
  #length = 0;

  constructor(before: Uint8Array | undefined) {
    if (before === undefined) return;
    this.#last.set(before);
    this.#length = before.length;
  }

  get last(): Uint8Array {
    return this.#last;
  }

  get lastLength(): number {
    return this.#length;
  }

  /** Rows up to one of this key were found in order. */
  passed(key: Uint8Array, from: number, length: number): void {
    this.#last.set(key.subarray(from, from + length));
    this.#length = length;
  }

  /** `row`: from 1. @throws SluiceError NOT_SORTED */
  check(key: Uint8Array, from: number, to: number, source: string, row: number): void {
    const last = this.#last;
    if (compareRanges(key, from, to - from, last, 0, this.#length) < 0) {
      const [bad, before] = [formatKey(key.slice(from, to)), formatKey(last.slice(0, this.#length))];
      const message = `${source}: row ${row} has the key ${bad}, which comes before ${before} of the row before it; leave out options.presorted to have the rows sorted`;
      throw new SluiceError('NOT_SORTED', message);
    }
    for (let i = from; i < to; i++) last[i - from] = key[i] as number;
    this.#length = to - from;
  }
}
