/** @nxtedition/rocksdb (RocksDB 9.7): its build has ZSTD and no LZ4. Synchronous gets by the method its own authors use. */

import { createRequire } from 'node:module';

const LOAD_BATCH = 5_000;
const SCAN_BATCH = 1_000;

const { RocksLevel } = createRequire(new URL('../peers/package.json', import.meta.url))(
  '@nxtedition/rocksdb',
);

export async function openEngine(dir, { cacheBytes, durable = true }) {
  const db = new RocksLevel(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  await db.open({ createIfMissing: true, cacheSize: cacheBytes, parallelism: 2 });
  const write = (operations, sync) => {
    const batch = db._chainedBatch();
    for (const { type, key, value } of operations) {
      if (type === 'put') batch._put(key, value);
      else batch._del(key);
    }
    batch._writeSync({ sync });
    batch._closeSync();
  };
  return {
    load(keyAt, valueAt, count) {
      for (let from = 0; from < count; from += LOAD_BATCH) {
        const batch = [];
        for (let i = from; i < Math.min(from + LOAD_BATCH, count); i++)
          batch.push({ type: 'put', key: keyAt(i), value: valueAt(i) });
        write(batch, true);
      }
    },
    get: (key) => db._getManySync([key])[0] ?? undefined,
    async scan(visit) {
      const iterator = db.iterator();
      for (;;) {
        const { rows, finished } = iterator._nextvSync(SCAN_BATCH, {});
        for (let i = 0; i < rows.length; i += 2) visit(rows[i], rows[i + 1]);
        if (finished) break;
      }
      await iterator.close();
    },
    /** Writes are synchronous in this binding; its own put() does not sync. */
    async put(key, value) {
      write([{ type: 'put', key, value }], true);
    },
    batch: (operations) => write(operations, durable),
    close: () => db.close(),
  };
}
