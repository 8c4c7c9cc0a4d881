/** Gets over a tree of many levels, as months of updates and deletes would leave it. */

import { mkdirSync } from 'node:fs';
import { generator, KEY_BYTES, readKeys, readValues, slices, VALUE_BYTES } from '../data.mjs';
import { fresh } from '../files.mjs';
import { inputIsRead, seconds, untilQuiet } from '../meter.mjs';

const BATCH = 1000;

/** Operation after operation: which key, and which value it gets; -1 deletes it (one in 16). rocksdb/tree.h has the same. */
function* operations(count, puts) {
  const random = generator(7);
  for (let n = 0; n < puts; n++) {
    const key = random() % count;
    const value = random();
    yield [key, (value & 15) === 0 ? -1 : value % count];
  }
}

/** Not measured. */
export async function treeLoad(engine, { data, dir, count, puts, shape }) {
  const keyAt = slices(readKeys(data), KEY_BYTES);
  const valueAt = slices(readValues(data), VALUE_BYTES);
  mkdirSync(fresh(dir));
  const db = await engine.openEngine(dir, { cacheBytes: 64 << 20, durable: false, shape });
  let batch = [];
  for (const [key, value] of operations(count, puts)) {
    if (value === -1) batch.push({ type: 'del', key: keyAt(key) });
    else batch.push({ type: 'put', key: keyAt(key), value: valueAt(value) });
    if (batch.length < BATCH) continue;
    await db.batch(batch);
    batch = [];
  }
  if (batch.length > 0) await db.batch(batch);
  await db.flush?.();
  await untilQuiet();
  await db.close();
  return { rows: {} };
}

export async function tree(engine, { data, dir, count, puts, reads, cacheBytes, shape }) {
  const keyAt = slices(readKeys(data), KEY_BYTES);
  const live = new Uint8Array(count);
  for (const [key, value] of operations(count, puts)) live[key] = value === -1 ? 0 : 1;
  inputIsRead();
  const db = await engine.openEngine(dir, { cacheBytes, shape });
  for (let i = 0; i < count; i++) {
    if ((db.get(keyAt(i)) !== undefined) !== (live[i] === 1))
      throw new Error(`entry ${i} is not as it was put`);
  }
  await untilQuiet();
  const random = generator(3);
  let touched = 0;
  const started = performance.now();
  for (let n = 0; n < reads; n++) touched += db.get(keyAt(random() % count))?.[0] ?? 0;
  const rate = reads / seconds(started);
  const levels = (await db.shape?.())?.levels;
  await db.close();
  if (touched === 0) throw new Error('nothing was found');
  return { rows: { rate }, ...(levels !== undefined && { facts: { levels } }) };
}
