/** Writes: a sorted bulk load, durable commits, and random loads until all background work is done. */

import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  generator,
  KEY_BYTES,
  keyOf,
  makeValues,
  readKeys,
  readValues,
  slices,
  VALUE_BYTES,
} from '../data.mjs';
import { fresh } from '../files.mjs';
import { inputIsRead, peakMemoryBytes, seconds, untilQuiet, writtenBytes } from '../meter.mjs';

const BATCH = 1000;
const VALUE_KINDS = 10_000;

/** The whole data set, sorted, by the engine's own way of bulk loading. The cases that read take what this leaves. */
export async function load(engine, { data, dir, count, cacheBytes }) {
  const keyAt = slices(readKeys(data), KEY_BYTES);
  const valueAt = slices(readValues(data), VALUE_BYTES);
  inputIsRead();
  mkdirSync(fresh(dir));
  const started = performance.now();
  const db = await engine.openEngine(dir, { cacheBytes });
  await db.load(keyAt, valueAt, count);
  const rate = count / seconds(started);
  await db.settle?.();
  await db.close();
  return { rows: { rate } };
}

export async function commit(engine, { dir, committers, measureMs }) {
  const db = await engine.openEngine(fresh(dir), { cacheBytes: 64 << 20 });
  const valueAt = slices(makeValues(1000), VALUE_BYTES);
  inputIsRead();
  const random = generator(4);
  let commits = 0;
  let end = 0;
  const committer = async () => {
    do {
      await db.put(keyOf(random() * 100), valueAt(commits % 1000));
      commits++;
    } while (performance.now() < end);
  };
  const run = async (ms) => {
    commits = 0;
    const started = performance.now();
    end = started + ms;
    await Promise.all(Array.from({ length: committers }, committer));
    return commits / seconds(started);
  };
  await run(measureMs / 4);
  const rate = await run(measureMs);
  await db.close();
  return { rows: { rate } };
}

/** `rows` random keys by batch; resolves once all are taken. */
export async function putRandom(db, { rows, valueBytes, batch = BATCH, onBatch }) {
  const random = generator(6);
  const kinds = Math.min(rows, Math.ceil((VALUE_KINDS * VALUE_BYTES) / valueBytes));
  const valueAt = slices(makeValues(kinds, valueBytes), valueBytes);
  for (let from = 0; from < rows; from += batch) {
    const operations = [];
    for (let i = from; i < Math.min(rows, from + batch); i++)
      operations.push({ type: 'put', key: keyOf(random() * 100), value: valueAt(random() % kinds) });
    await db.batch(operations);
    onBatch?.(from / rows);
  }
}

export async function randomLoad(engine, { dir, rows }) {
  const db = await engine.openEngine(fresh(dir), { cacheBytes: 64 << 20, durable: false });
  inputIsRead();
  const writtenBefore = writtenBytes();
  const started = performance.now();
  await putRandom(db, { rows, valueBytes: VALUE_BYTES });
  const takenRate = rows / seconds(started);
  const done = await untilQuiet();
  const userBytes = rows * (KEY_BYTES + VALUE_BYTES);
  const amplification = (writtenBytes() - writtenBefore) / userBytes;
  await db.close();
  return { rows: { rate: (rows / (done - started)) * 1000, takenRate, amplification } };
}

/** Memory at its peak beyond what the engine was told to take: block cache and memtables. */
export async function memory(engine, { dir, rows, valueBytes, reads, cacheBytes }) {
  const db = await engine.openEngine(fresh(dir), { cacheBytes, durable: false });
  let memtableBytes = 0;
  const watch = () => {
    memtableBytes = Math.max(memtableBytes, db.memtableBytes?.() ?? 0);
  };
  await putRandom(db, { rows, valueBytes, batch: 100, onBatch: watch });
  await untilQuiet();
  watch();
  const random = generator(6);
  for (let n = 0; n < reads; n++) {
    if (db.get(keyOf(random() * 100)) === undefined) throw new Error('a key that was put is not there');
    random(); // its value
    if (n % 1000 === 0) await sleep(0);
  }
  await (db.scanByCursor ?? db.scan)(() => {});
  const bytes = peakMemoryBytes() - cacheBytes - memtableBytes;
  await db.close();
  return { rows: { megabytes: bytes / 1e6 }, facts: { 'memtables, MB': Math.round(memtableBytes / 1e6) } };
}
