/** Versions of datasets: making them live, deltas against bases, readers meanwhile, and what they leave on the disk. */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { generator, keyOf } from '../data.mjs';
import { fresh, pathsOf } from '../files.mjs';
import { inputIsRead, median, quantile, untilQuiet } from '../meter.mjs';

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
  const rollbackFactor = rollbackMs / median(samples.small.rollback);
  return { rows: { activateMs, rollbackMs, factor, rollbackFactor } };
}

/** Deltas of one base, each gone back from, between publications of all of it. */
export async function datasetDelta(engine, { dir, base, delta, bases, deltas }) {
  inputIsRead();
  const db = await engine.openTransactional(fresh(dir));
  const dataset = db.dataset('d', { keepVersions: 2 });
  const samples = { base: [], delta: [] };
  const timed = async (list, files, options) => {
    const started = performance.now();
    await dataset.publish(files, options);
    list.push(performance.now() - started);
  };
  for (let n = 0; n < bases; n++) {
    await timed(samples.base, pathsOf(base), {});
    for (let i = 0; i < deltas; i++) {
      await timed(samples.delta, pathsOf(delta), { kind: 'delta' });
      await dataset.rollback();
    }
  }
  await db.close();
  const [baseMs, deltaMs] = [median(samples.base), median(samples.delta)];
  return { rows: { factor: deltaMs / baseMs, deltaMs, baseMs } };
}

/** In the cache many times over. */
const WARM_KEYS = 2_000;
const COLD_KEYS = 100_000;
/** One in so many reads is of a key that is likely not in the cache. */
const WARM_PER_COLD = 7;

/**
 * Readers of what is live, with nothing else going on and while another base is published; then the disk after a drop. Each read
 * waits for a turn of the event loop first, as a request of a server does. At most four times the base is on the disk.
 */
export async function datasetPublish(engine, { dir, base, rounds, idleMs }) {
  inputIsRead();
  const db = await engine.openTransactional(fresh(dir));
  const dataset = db.dataset('d', { keepVersions: 2 });
  await dataset.publish(pathsOf(base), { mode: 'link', verify: 'none' });
  const keyspace = db.keyspace('d');
  const random = generator(11);
  const total = base.files * base.entries;
  const warm = Array.from({ length: Math.min(WARM_KEYS, total) }, (_, n) => keyOf(n * base.keyStep));
  const cold = Array.from({ length: COLD_KEYS }, () => keyOf((random() % total) * base.keyStep));
  let reads = 0;
  const readUntil = async (isOver) => {
    const [warmUs, coldUs, turnUs] = [[], [], []];
    for (; !isOver(); reads++) {
      const isCold = reads % (WARM_PER_COLD + 1) === 0;
      const keys = isCold ? cold : warm;
      const waited = performance.now();
      await turn();
      const started = performance.now();
      await keyspace.get(keys[reads % keys.length]);
      const ended = performance.now();
      (isCold ? coldUs : warmUs).push((ended - started) * 1000);
      if (!isCold) turnUs.push((ended - waited) * 1000);
    }
    return Object.fromEntries(
      Object.entries({ warmUs, coldUs, turnUs }).map(([k, v]) => [k, quantile(v, 0.99)]),
    );
  };
  const idle = () => {
    const end = performance.now() + idleMs;
    return readUntil(() => performance.now() >= end);
  };
  const beside = async () => {
    let done = false;
    const publishing = dataset.publish(pathsOf(base)).finally(() => {
      done = true;
    });
    const us = await readUntil(() => done);
    await publishing;
    await untilQuiet();
    return us;
  };
  const [before, meanwhile] = [[], []];
  for (let n = 0; n < rounds; n++) {
    // What was published is another generation, of which nothing is in the cache.
    for (let pass = 0; pass < 2; pass++) for (const key of warm) await keyspace.get(key);
    before.push(await idle());
    meanwhile.push(await beside());
  }
  await dataset.retain(1);
  await db.close();
  const of = (samples, what) => median(samples.map((each) => each[what]));
  const factor = (what) => of(meanwhile, what) / of(before, what);
  const inodes = new Map(readdirSync(join(dir, 'tables')).map((name) => sizeOf(join(dir, 'tables', name))));
  const left = [...inodes.values()].reduce((sum, bytes) => sum + bytes, 0);
  const given = pathsOf(base).reduce((sum, path) => sum + statSync(path).size, 0);
  return {
    rows: {
      p99Factor: factor('warmUs'),
      busyUs: of(meanwhile, 'warmUs'),
      idleUs: of(before, 'warmUs'),
      turnFactor: factor('turnUs'),
      coldFactor: factor('coldUs'),
      coldUs: of(meanwhile, 'coldUs'),
      diskFactor: left / given,
    },
  };
}

/** Links share their bytes. */
function sizeOf(path) {
  const { ino, size } = statSync(path);
  return [ino, size];
}
