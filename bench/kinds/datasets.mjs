/** Versions of datasets: making them live, deltas against bases, readers meanwhile, and what they leave on the disk. */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fresh, pathsOf } from '../files.mjs';
import { inputIsRead, median } from '../meter.mjs';

/** A small dataset and a large one, each with two versions that are made live in turns. */
export async function datasetFlat(engine, { dir, small, large, repeats }) {
  inputIsRead();
  const samples = { small: { activate: [], rollback: [] }, large: { activate: [], rollback: [] } };
  const db = await engine.openTransactional(fresh(dir));
  for (const [size, set] of Object.entries({ small, large })) {
    const dataset = db.dataset(size);
    for (let n = 0; n < 2; n++) await dataset.publish(pathsOf(set), { mode: 'link', verify: 'none' });
  }
  for (let n = 0; n <= repeats; n++) {
    for (const [size, { activate, rollback }] of Object.entries(samples)) {
      const took = async (list, act) => {
        const started = performance.now();
        await act();
        if (n > 0) list.push(performance.now() - started); // the first warms up
      };
      await took(rollback, () => db.dataset(size).rollback());
      await took(activate, () => db.dataset(size).activate(2));
    }
  }
  await db.close();
  const [activateMs, rollbackMs] = [median(samples.large.activate), median(samples.large.rollback)];
  const factor = activateMs / median(samples.small.activate);
  return { rows: { activateMs, rollbackMs, factor } };
}

/** A delta against its base published again; then readers while that is done once more, and the disk after a drop. */
export async function datasetPublish(engine, { dir, base, delta, reads }) {
  inputIsRead();
  const db = await engine.openTransactional(fresh(dir));
  const dataset = db.dataset('d');
  const timed = async (files, options) => {
    const started = performance.now();
    await dataset.publish(files, options);
    return performance.now() - started;
  };
  const baseMs = await timed(pathsOf(base), {});
  const deltaMs = await timed(pathsOf(delta), { kind: 'delta' });
  await dataset.rollback();
  const keyspace = db.keyspace('d');
  const keys = await keyspace.keys({ limit: reads }).all();
  const p99 = async (until) => {
    const samples = [];
    for (let n = 0; n < reads || until?.done === false; n++) {
      const started = performance.now();
      await keyspace.get(keys[n % keys.length]);
      samples.push(performance.now() - started);
      if (n % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return samples.sort((a, b) => a - b)[Math.floor(samples.length * 0.99)];
  };
  await p99(undefined);
  const idleMs = await p99(undefined);
  const state = { done: false };
  const publishing = dataset.publish(pathsOf(base)).finally(() => {
    state.done = true;
  });
  const busyMs = await p99(state);
  await publishing;
  await dataset.retain(1);
  await db.close();
  const inodes = new Map(readdirSync(join(dir, 'tables')).map((name) => sizeOf(join(dir, 'tables', name))));
  const left = [...inodes.values()].reduce((sum, bytes) => sum + bytes, 0);
  const given = pathsOf(base).reduce((sum, path) => sum + statSync(path).size, 0);
  return { rows: { deltaFactor: deltaMs / baseMs, p99Factor: busyMs / idleMs, diskFactor: left / given } };
}

/** Links share their bytes. */
function sizeOf(path) {
  const { ino, size } = statSync(path);
  return [ino, size];
}
