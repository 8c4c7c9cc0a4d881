/** classic-level (LevelDB): Buffers, its default Snappy, a 10-bit Bloom filter, a cache that holds everything. */

import { ClassicLevel } from 'classic-level';
import { KEY_BYTES } from '../data.mjs';

const LOAD_BATCH = 5_000;
const SCAN_BATCH = 1_000;

export async function openEngine(dir, { cacheBytes }) {
  const db = new ClassicLevel(dir, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    cacheSize: cacheBytes,
  });
  await db.open();
  return {
    async load(keyAt, valueAt, count) {
      for (let from = 0; from < count; from += LOAD_BATCH) {
        const batch = [];
        for (let i = from; i < Math.min(from + LOAD_BATCH, count); i++) {
          batch.push({ type: 'put', key: keyAt(i), value: valueAt(i) });
        }
        await db.batch(batch, { sync: true });
      }
    },
    /** Reads are measured on a compacted database. */
    settle: () => db.compactRange(Buffer.alloc(1), Buffer.alloc(KEY_BYTES + 1, 0xff)),
    get: (key) => db.getSync(key),
    async scan(visit) {
      const iterator = db.iterator();
      for (;;) {
        const entries = await iterator.nextv(SCAN_BATCH);
        if (entries.length === 0) break;
        for (const [key, value] of entries) visit(key, value);
      }
      await iterator.close();
    },
    put: (key, value) => db.put(key, value, { sync: true }),
    close: () => db.close(),
  };
}
