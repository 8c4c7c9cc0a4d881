/** Files that RocksDB wrote, ingested: all of their entries, by every way to read, before and after a reopen. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { open } from '../../src/index.ts';
import { memoryDirectory } from '../base/database.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/rocksdb/', import.meta.url));
const KEY_BYTES = 16;
const ENTRY_BYTES = KEY_BYTES + 100;
const REFUSED = /v_(ops|separate_kv)\.sst$/;

const bytes = readFileSync(`${FIXTURES}entries.bin`);
const entries = Array.from({ length: bytes.length / ENTRY_BYTES }, (_, n): [Buffer, Buffer] => [
  bytes.subarray(n * ENTRY_BYTES, n * ENTRY_BYTES + KEY_BYTES),
  bytes.subarray(n * ENTRY_BYTES + KEY_BYTES, (n + 1) * ENTRY_BYTES),
]);
const names = ['v7.8', 'v11.8']
  .flatMap((version) => readdirSync(FIXTURES + version).map((name) => `${version}/${name}`))
  .filter((name) => !REFUSED.test(name));

test('there are fixtures', () => {
  expect(entries).toHaveLength(2000);
  expect(names.length).toBeGreaterThanOrEqual(25);
});

test.each(names)('%s', async (name) => {
  const dir = join(memoryDirectory(), 'db');
  const first = await open(dir, { durability: 'os', blockCacheBytes: 1 << 20 });
  const { ingested } = await first.ingest(FIXTURES + name);
  expect(ingested).toMatchObject([{ entries: 2000, level: 6 }]);
  for (const db of [first, undefined]) {
    const now = db ?? (await open(dir, { blockCacheBytes: 1 << 20 }));
    // As one Buffer: comparing thousands of small ones takes a second.
    expect(Buffer.concat((await now.iterator().all()).flat()).equals(bytes)).toBe(true);
    const reversed = (await now.iterator({ reverse: true }).all()).reverse();
    expect(Buffer.concat(reversed.flat()).equals(bytes)).toBe(true);
    for (let n = 0; n < entries.length; n += 7) {
      const [key, value] = entries[n] as [Buffer, Buffer];
      expect(await now.get(key)).toEqual(value);
      expect(now.getSync(Buffer.concat([key, Buffer.of(0)]))).toBeUndefined();
    }
    await now.close();
  }
});
