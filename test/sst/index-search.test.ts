/** The search over an index's separators, against looking at each of them. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newIndexArrays } from '../../src/sst/index-decoder.ts';
import { TableIndex } from '../../src/sst/table-index.ts';

/** Bytes at the ends and in the middle, so that keys share much, differ late, and lie far apart or close together. */
const byte = fc.oneof(fc.constantFrom(0, 1, 97, 98, 254, 255), fc.nat(255));
const rest = fc.array(byte, { minLength: 1, maxLength: 12 });
const prefixed = fc
  .tuple(fc.constantFrom('', 'user', 'user0000'), rest)
  .map(([p, r]) => Buffer.from([...Buffer.from(p), ...r]));

function indexOf(separators: readonly Buffer[]): TableIndex {
  const bytes = separators.reduce((sum, key) => sum + key.length, 0);
  const arrays = newIndexArrays(separators.length, bytes, false, false);
  let at = 0;
  separators.forEach((key, block) => {
    arrays.keys.set(key, at);
    at += key.length;
    arrays.keyEnds[block] = at;
  });
  return new TableIndex(arrays);
}

test('finds the first separator that is not before the key, however keys are spread', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(prefixed, { maxLength: 60, selector: (key) => key.toString('latin1') }),
      fc.array(prefixed, { maxLength: 30 }),
      (keys, others) => {
        const separators = keys.sort(Buffer.compare);
        const index = indexOf(separators);
        for (const key of [...separators, ...others]) {
          const first = separators.findIndex((separator) => Buffer.compare(separator, key) >= 0);
          expect(index.search(key, 0, key.length, Number.POSITIVE_INFINITY)).toBe(
            first < 0 ? separators.length : first,
          );
        }
      },
    ),
    { numRuns: 300 },
  );
});
