/** Tables by themselves: building one, merging four, and making the files that other cases take. */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
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
import { fresh, pathsOf, relink } from '../files.mjs';
import { inputIsRead, seconds } from '../meter.mjs';

const WAYS = 4;
const VALUE_KINDS = 4000;

/** By the engine's cheapest way; `puts`: entry by entry. */
export async function build(engine, { data, dir, count, puts = false }) {
  const keys = readKeys(data);
  const values = readValues(data);
  inputIsRead();
  mkdirSync(dir, { recursive: true });
  const file = join(dir, 'built.sst');
  rmSync(file, { force: true });
  const started = performance.now();
  if (puts) await engine.buildTable(file, slices(keys, KEY_BYTES), slices(values, VALUE_BYTES), 0, count);
  else await engine.buildTableOf(file, keys, values, count);
  return { rows: { rate: count / seconds(started) } };
}

/** Entry i of the sorted data goes to file i % 4: every step of the merge changes files. */
export async function interleaved(engine, { data, count, dir, files }) {
  const keys = readKeys(data);
  const values = readValues(data);
  mkdirSync(dir, { recursive: true });
  for (const [n, path] of pathsOf({ dir, files }).entries()) {
    const at = (bytes, width) => (i) => slices(bytes, width)(i * WAYS + n);
    rmSync(path, { force: true });
    await engine.buildTable(path, at(keys, KEY_BYTES), at(values, VALUE_BYTES), 0, Math.floor(count / WAYS));
  }
  return { rows: {} };
}

export async function compaction(engine, { dir, count, set }) {
  inputIsRead();
  const sources = relink(pathsOf(set), `${dir}-sources`);
  const db = await engine.openEngine(fresh(dir), { cacheBytes: 64 << 20, compaction: 'off' });
  if (!db.compact) {
    await db.close();
    return { notYet: 'db.compactRange() is not there yet' };
  }
  for (const source of sources) await db.ingest([source]);
  const started = performance.now();
  await db.compact();
  const rate = (Math.floor(count / WAYS) * WAYS) / seconds(started);
  const { entries, levels } = await db.shape();
  await db.close();
  if (levels > 1 || entries !== Math.floor(count / WAYS) * WAYS)
    throw new Error(`the merge left ${entries} entries in ${levels} levels`);
  return { rows: { rate } };
}

/** A set of files with keys of their own, in order. Not measured. */
export async function files(engine, { dir, files: fileCount, entries, valueBytes, keyStep = 2 }) {
  const total = entries * fileCount;
  const kinds = Math.min(total, VALUE_KINDS);
  const values = makeValues(kinds, valueBytes);
  const random = generator(5);
  const valueAt = () => slices(values, valueBytes)(random() % kinds);
  mkdirSync(dir, { recursive: true });
  for (const [n, file] of pathsOf({ dir, files: fileCount }).entries()) {
    rmSync(file, { force: true });
    await engine.buildTable(file, (i) => keyOf(i * keyStep), valueAt, n * entries, (n + 1) * entries);
  }
  return { rows: {} };
}
