/** The range that a caller of deleteRange gives: strict, since a slip would delete too much. */

import { compareBytes, EMPTY_BYTES } from '../base/bytes.ts';
import { checkEncodingName, type EncodingName } from '../base/encoding.ts';
import type { KeySpan } from '../mvcc/range-tombstones.ts';
import { type RangeOptions, rangeBounds } from './readable.ts';

const BOUNDS: readonly string[] = ['gt', 'gte', 'lt', 'lte'];

/**
 * undefined when no key can be in the range. The bytes are copies. `besides`: other properties that the argument may have.
 * @throws TypeError for a property that is no bound, and for one that is there but undefined: neither means "all keys".
 */
export function deletedSpan(
  range: RangeOptions<EncodingName>,
  keyEncoding: EncodingName,
  besides: readonly string[] = [],
): KeySpan | undefined {
  if (typeof range !== 'object' || range === null) {
    throw new TypeError('range must be an object with gt, gte, lt or lte; an empty one means all keys');
  }
  for (const [name, value] of Object.entries(range)) {
    if (besides.includes(name)) continue;
    if (!BOUNDS.includes(name))
      throw new TypeError(`range.${name} is no bound; there are gt, gte, lt and lte`);
    if (value === undefined) {
      throw new TypeError(`range.${name} is undefined; leave it out for a range that is open there`);
    }
  }
  checkEncodingName(keyEncoding, 'options.keyEncoding');
  const { lower = EMPTY_BYTES, upper } = rangeBounds(range, keyEncoding);
  return upper !== undefined && compareBytes(lower, upper) >= 0 ? undefined : { from: lower, to: upper };
}
