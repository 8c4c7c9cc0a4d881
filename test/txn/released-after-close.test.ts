/** What is let go of after its database was closed removes nothing: the files are whoever's opened the directory since. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, openText } from '../base/database.ts';

test('an iterator that is closed after its database', async () => {
  const dir = memoryDirectory();
  const files = () => readdirSync(join(dir, 'tables')).sort();
  const db = await openText(dir, { durability: 'os', compactionInline: true });
  await db.put('a', '1');
  await db.flush();
  await db.put('a', '2');
  await db.flush();
  const before = files();
  const iterator = db.iterator();
  expect(await iterator.next()).toEqual(['a', '2']);
  await db.compactRange();
  // L2: the iterator reads them still.
  expect(files()).toEqual(expect.arrayContaining(before));
  await db.close();
  const left = files();
  expect(left).toEqual(expect.arrayContaining(before));
  await iterator.close();
  // The ids of those that no row names are given again by whoever opens the directory next.
  expect(files()).toEqual(left);

  const next = await openDatabase(dir, { durability: 'os' });
  expect(await next.get('a')).toBe('2');
});
