/** classic-level (LevelDB): Buffers, its default Snappy, a 10-bit Bloom filter, a cache that holds everything. */

import { ClassicLevel } from 'classic-level';
import { KEY_BYTES } from '../data.mjs';

const LOAD_BATCH = 5_000;
const SCAN_BATCH = 1_000;
const MEMTABLE_BYTES = 32 << 20; // as ours

/** LevelDB has a memtable in use and one being written. */
export async function openEngine(dir, { cacheBytes, durable = true, shape }) {
  const writeBufferSize = shape?.memtableBytes ?? MEMTABLE_BYTES;
  const db = new ClassicLevel(dir, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    cacheSize: cacheBytes,
    writeBufferSize,
    ...(shape && { maxFileSize: shape.fileBytes }),
  });
  await db.open();
  const settle = () => db.compactRange(Buffer.alloc(1), Buffer.alloc(KEY_BYTES + 1, 0xff));
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
    settle,
    compact: settle,
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
    batch: (operations) => db.batch(operations, { sync: durable }),
    memtableBytes: () => 2 * writeBufferSize,
    shape: () => ({ levels: [0, 1, 2, 3, 4, 5, 6].filter((n) => tablesAt(db, n) > 0).length }),
    close: () => db.close(),
  };
}

const tablesAt = (db, level) => Number(db.getProperty(`leveldb.num-files-at-level${level}`));
