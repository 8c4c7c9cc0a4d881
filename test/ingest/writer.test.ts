/** `SstWriter` speaks of what its caller did. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SstWriter } from '../../src/index.ts';
import { memoryDirectory } from '../base/database.ts';

test('a key that comes twice, or out of order, is refused in those words, and the writer goes on', async () => {
  using writer = new SstWriter(join(memoryDirectory(), 'a.sst'));
  writer.put('b', '1');
  expect(() => writer.put('b', '2')).toThrow(/a\.sst: key "b" comes twice; each key may be added once$/);
  expect(() => writer.del('a')).toThrow(/key "a" comes after "b"; keys must be added in ascending order/);
  writer.put('c', '1');
  expect((await writer.finish()).entries).toBe(2);
});
