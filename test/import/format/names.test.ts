/** The format that a name tells, where none is given. */

import { expect, test } from 'vitest';
import { formatOf } from '../../../src/import/format/make-reader.ts';

test.each([
  ['rows.CSV', 'csv'],
  ['rows.csv.gz', 'csv'],
  ['part-?.csv', 'csv'],
  ['#1.tsv', 'tsv'],
  ['https://example.org/rows.jsonl.zst?of=a.csv#b', 'jsonl'],
  ['https://example.org/?of=a.csv', undefined],
  ['rows', undefined],
])('%s', (name, format) => {
  expect(formatOf(name)).toBe(format);
});
