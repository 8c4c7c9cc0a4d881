/** Reads of a database that another process has loaded, and the opening of one with many tables. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generator, KEY_BYTES, keyOf, readKeys, slices } from '../data.mjs';
import { pathsOf, relink } from '../files.mjs';
import { inputIsRead, seconds } from '../meter.mjs';

const PASSES = 3;

/** Gets of random keys: `missing` ones lie amid those that are there. `warm`: every block is read before the clock runs. */
export async function get(engine, { data, dir, count, cacheBytes, reads, missing = false, warm = true }) {
  const keys = readKeys(data);
  inputIsRead();
  const keyAt = slices(keys, KEY_BYTES);
  if (!warm) readIntoPageCache(dir);
  const db = await engine.openEngine(dir, { cacheBytes });
  if (warm) for (let i = 0; i < count; i += 16) db.get(keyAt(i));
  else for (let i = 0; i < count; i += count >> 6) db.get(keyAt(i)); // code is compiled, the index is there
  if (missing) for (let i = 0; i < count; i++) keys[i * KEY_BYTES + KEY_BYTES - 1] += 1; // even keys only: odd ones miss
  const random = generator(3);
  let found = 0;
  let touched = 0;
  const started = performance.now();
  for (let n = 0; n < reads; n++) {
    const value = db.get(keyAt(random() % count));
    if (value !== undefined) {
      found++;
      touched += value[0];
    }
  }
  const rate = reads / seconds(started);
  await db.close();
  if (found !== (missing ? 0 : reads) || touched < 0) throw new Error(`found ${found} of ${reads}`);
  return { rows: { rate } };
}

function readIntoPageCache(dir) {
  for (const name of readdirSync(dir)) if (/\.(sst|ldb)$/.test(name)) readFileSync(join(dir, name));
}

/** The best of three passes, twice: by the engine's cheapest way, and into a fresh Buffer for each key and value. */
export async function scan(engine, { dir, count, cacheBytes }) {
  inputIsRead();
  const db = await engine.openEngine(dir, { cacheBytes });
  const best = async (way) => {
    let rate = 0;
    for (let pass = 0; pass < PASSES; pass++) {
      let entries = 0;
      let touched = 0;
      const started = performance.now();
      await way((key, value, keyAt = 0, valueAt = 0) => {
        entries++;
        touched += key[keyAt + 4] + value[valueAt];
      });
      rate = Math.max(rate, entries / seconds(started));
      if (entries !== count || touched < entries) throw new Error(`scanned ${entries} of ${count}`);
    }
    return rate;
  };
  const buffers = await best(db.scan);
  const cursor = db.scanByCursor ? await best(db.scanByCursor) : buffers;
  await db.close();
  return { rows: { cursor, buffers } };
}

/** A database of many small tables. Not measured. */
export async function manyTables(engine, { dir, set }) {
  const sources = relink(pathsOf(set), `${dir}-sources`);
  const db = await engine.openEngine(dir, { cacheBytes: 64 << 20, compaction: 'off' });
  for (let from = 0; from < sources.length; from += 1000) await db.ingest(sources.slice(from, from + 1000));
  await db.close();
  return { rows: {} };
}

export async function openToFirstRead(engine, { dir, set }) {
  inputIsRead();
  const started = performance.now();
  const db = await engine.openEngine(dir, { cacheBytes: 64 << 20, compaction: 'off' });
  const value = db.get(keyOf(((set.files * set.entries) >> 1) * set.keyStep));
  const ms = performance.now() - started;
  await db.close();
  if (value === undefined) throw new Error('the first read missed');
  return { rows: { ms } };
}
