/** SluiceDB through its public API, from dist/. */

import { rmSync } from 'node:fs';
import { open, SstWriter } from '../../dist/index.js';

const SCAN_BATCH = 1_000;

/** One table of entries [from, to): LZ4, 4 KiB blocks, Bloom filter of 10 bits a key unless told otherwise. */
export async function buildTable(path, keyAt, valueAt, from, to, options = {}) {
  const writer = new SstWriter(path, { compression: 'lz4', ...options });
  for (let i = from; i < to; i++) writer.put(keyAt(i), valueAt(i));
  await writer.finish();
}

/** Ingests into a new database; how long staging and commit took. */
export async function ingestFiles(dir, files, verify) {
  const db = await open(dir);
  const started = performance.now();
  const txn = db.begin();
  await txn.ingest(files, { mode: 'move', verify });
  const staged = performance.now();
  await txn.commit();
  const done = performance.now();
  await db.close();
  return { callMs: done - started, commitMs: done - staged };
}

export async function openEngine(dir, { cacheBytes }) {
  const db = await open(dir, { blockCacheBytes: cacheBytes });
  return {
    async load(keyAt, valueAt, count) {
      const file = `${dir}.load.sst`;
      rmSync(file, { force: true });
      await buildTable(file, keyAt, valueAt, 0, count);
      await db.ingest([file], { mode: 'move' });
    },
    get: (key) => db.getSync(key),
    async scan(visit) {
      const iterator = db.iterator();
      for (;;) {
        const entries = await iterator.nextv(SCAN_BATCH);
        if (entries.length === 0) break;
        for (const [key, value] of entries) visit(key, value);
      }
      iterator.close();
    },
    put: (key, value) => db.put(key, value),
    close: () => db.close(),
  };
}
