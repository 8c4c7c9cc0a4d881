/** SluiceDB through its public API, from dist/. */

import { rmSync } from 'node:fs';
import { open, SstWriter } from '../../dist/index.js';
import { KEY_BYTES, VALUE_BYTES } from '../data.mjs';

const SCAN_BATCH = 1_000;

/** One table of entries [from, to): LZ4, 4 KiB blocks, Bloom filter of 10 bits a key unless told otherwise. */
export async function buildTable(path, keyAt, valueAt, from, to, options = {}) {
  const writer = new SstWriter(path, { compression: 'lz4', ...options });
  for (let i = from; i < to; i++) writer.put(keyAt(i), valueAt(i));
  await writer.finish();
}

const BATCH_ENTRIES = 500;

/** The same of flat files (data.mjs), which are two columns, a part of each at a time; nobody asks for a digest. */
export async function buildTableOf(path, keys, values, count) {
  const writer = new SstWriter(path, { compression: 'lz4', sha256: false });
  const part = (bytes, width) => {
    const offsets = Uint32Array.from({ length: BATCH_ENTRIES + 1 }, (_, i) => i * width);
    return (from, n) => ({ bytes: bytes.subarray(from * width, (from + n) * width), offsets });
  };
  const [keysOf, valuesOf] = [part(keys, KEY_BYTES), part(values, VALUE_BYTES)];
  for (let from = 0; from < count; from += BATCH_ENTRIES) {
    const n = Math.min(BATCH_ENTRIES, count - from);
    writer.putBatch({ keys: keysOf(from, n), values: valuesOf(from, n), count: n });
  }
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

/** How long the commit takes that puts `files` in the place of `held`, which is all that a new database holds. */
export async function replaceFiles(dir, held, files) {
  const db = await open(dir);
  await db.ingest(held, { mode: 'link', verify: 'none' });
  const txn = db.begin();
  await txn.ingest(files, { verify: 'none', replace: true });
  const staged = performance.now();
  await txn.commit();
  const commitMs = performance.now() - staged;
  await db.close();
  return commitMs;
}

/** From a CSV file to the commit, in a new database; how many bytes were written for each of its tables, and what `watch` saw. */
export async function importFile(dir, path, options = {}, watch = (act) => act()) {
  const db = await open(dir);
  const { bytesWritten, rowsLoaded } = await watch(() => db.import(path, options).done);
  const tableBytes = db.stats().keyspaces[0].levels.reduce((sum, { bytes }) => sum + bytes, 0);
  await db.close();
  return { amplification: bytesWritten / tableBytes, rowsLoaded };
}

/** One put after the other, each awaited. */
export async function putLoop(dir, { keyAt, valueAt, count }) {
  const db = await open(dir, { durability: 'os' });
  const started = performance.now();
  for (let i = 0; i < count; i++) await db.put(keyAt(i), valueAt(i));
  const ms = performance.now() - started;
  await db.close();
  return ms;
}

export async function batchLoop(dir, { keyAt, valueAt, count }, size) {
  const db = await open(dir, { durability: 'os' });
  const started = performance.now();
  for (let from = 0; from < count; from += size) {
    const operations = [];
    for (let i = from; i < Math.min(count, from + size); i++)
      operations.push({ type: 'put', key: keyAt(i), value: valueAt(i) });
    await db.batch(operations);
  }
  const ms = performance.now() - started;
  await db.close();
  return ms;
}

export const openPlain = (dir) => open(dir);

/** For cases of our own: not fsynced, so that the work of a commit is seen, not the disk's. */
export const openTransactional = (dir, options) => open(dir, { durability: 'os', ...options });

/** `shape`: a tree of more and smaller levels than by default. */
function openOptions({ cacheBytes, durable = true, compaction = 'auto', shape }) {
  return {
    blockCacheBytes: cacheBytes,
    durability: durable ? 'fsync' : 'os',
    compaction,
    ...(shape && {
      memtableBytes: shape.memtableBytes,
      levelBaseBytes: shape.levelBytes,
      levelMultiplier: shape.multiplier,
      targetFileBytes: shape.fileBytes,
    }),
  };
}

async function visitAll(iterator, visit) {
  for (;;) {
    const entries = await iterator.nextv(SCAN_BATCH);
    if (entries.length === 0) break;
    for (const [key, value] of entries) visit(key, value);
  }
  iterator.close();
}

export async function openEngine(dir, options) {
  const db = await open(dir, openOptions(options));
  const levels = () => db.stats().keyspaces[0].levels.filter((level) => level.tables > 0);
  return {
    async load(keyAt, valueAt, count) {
      const file = `${dir}.load.sst`;
      rmSync(file, { force: true });
      await buildTable(file, keyAt, valueAt, 0, count);
      await db.ingest([file], { mode: 'move' });
    },
    get: (key) => db.getSync(key),
    scan: (visit) => visitAll(db.iterator(), visit),
    async scanByCursor(visit) {
      for await (const { bytes, offsets, count } of db.cursor()) {
        for (let i = 0; i < count; i++) visit(bytes, bytes, offsets[2 * i], offsets[2 * i + 1]);
      }
    },
    put: (key, value) => db.put(key, value),
    batch: (operations) => db.batch(operations),
    ingest: (files, mode = 'move') => db.ingest(files, { mode }),
    ...(db.compactRange && { compact: () => db.compactRange() }),
    flush: () => db.flush(),
    /** Memory of memtables, as RocksDB's cur-size-all-mem-tables: not what is in them. */
    memtableBytes: () => db.stats().keyspaces[0].memtableRoomBytes,
    async shape() {
      return { levels: levels().length, entries: levels().reduce((sum, level) => sum + level.entries, 0) };
    },
    close: () => db.close(),
  };
}
