/** How long one operation makes others wait: puts beside an ingest, commits beside many ranges, and the event loop. */

import { existsSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { generator, keyOf, makeValues, slices, VALUE_BYTES } from '../data.mjs';
import { fresh, pathsOf, relink } from '../files.mjs';
import { inputIsRead, median, quantile, untilQuiet } from '../meter.mjs';
import { putRandom } from './writes.mjs';

const INGESTS = 3;

/**
 * p99 of durable puts, one after the other, while a large file is ingested, and for as long without. What the process's first
 * ingest does to them is told by itself: then V8 compiles, in threads that give way to nobody.
 */
export async function putsBesideIngest(engine, { dir, set, mode, leastMs }) {
  const db = await engine.openEngine(fresh(dir), { cacheBytes: 64 << 20 });
  const valueAt = slices(makeValues(1000), VALUE_BYTES);
  inputIsRead();
  const random = generator(8);
  /** The times of puts that began before `over()`. */
  const putUntil = async (over) => {
    const times = [];
    while (!over()) {
      const started = performance.now();
      await db.put(keyOf(random() * 100 + 1), valueAt(times.length % 1000));
      times.push(performance.now() - started);
    }
    return times;
  };
  const during = async (ms) => {
    const end = performance.now() + ms;
    return putUntil(() => performance.now() >= end);
  };
  await during(leastMs);
  const idle = [];
  const beside = [];
  const first = [];
  for (let n = 0; n <= INGESTS; n++) {
    const sources = relink(pathsOf(set), `${dir}-sources`);
    const started = performance.now();
    let done = false;
    const ingesting = db.ingest(sources, mode).then(() => {
      done = true;
    });
    (n === 0 ? first : beside).push(...(await putUntil(() => done)));
    await ingesting;
    const tookMs = performance.now() - started;
    await untilQuiet();
    idle.push(...(await during(Math.max(leastMs, tookMs))));
  }
  await db.close();
  const idleMs = quantile(idle, 0.99);
  const besideMs = quantile(beside, 0.99);
  const rows = { idleMs, besideMs, factor: besideMs / idleMs, firstFactor: quantile(first, 0.99) / idleMs };
  return { rows, facts: { puts: beside.length } };
}

const READS = 10;
const TRANSACTIONS = 200;

/**
 * The commits of transactions that were begun before many files were ingested, and of others with nothing in between:
 * such as read between no two keys of any file, and such as read within the ranges of files what is not in them.
 */
export async function conflictCheck(engine, { dir, set, batch }) {
  const sources = relink(pathsOf(set), `${dir}-sources`);
  const db = await engine.openTransactional(fresh(dir), { conflictWindowBytes: 1 << 30 });
  inputIsRead();
  const random = generator(9);
  const keys = set.files * set.entries;
  const outside = () => keyOf(5e11 + 1e6 + random());
  const within = () => keyOf((random() % keys) * set.keyStep + 1); // odd: amid those of a file
  const begin = (key) =>
    Array.from({ length: TRANSACTIONS }, (_, n) => {
      const txn = db.begin();
      for (let i = 0; i < READS; i++) txn.getSync(key());
      txn.put(keyOf(5e11 + n), 'value');
      return txn;
    });
  const commitUs = async (transactions) => {
    const times = [];
    for (const txn of transactions) {
      await turn();
      const started = performance.now();
      await txn.commit();
      times.push((performance.now() - started) * 1000);
    }
    return median(times);
  };
  await commitUs(begin(outside));
  const emptyUs = await commitUs(begin(outside));
  // Either kind twice, as those before: the first are to warm up.
  const waiting = [outside, outside, within, within].map(begin);
  for (let from = 0; from < sources.length; from += batch)
    await db.ingest(sources.slice(from, from + batch), { mode: 'move', verify: 'none' });
  const [, outsideUs, , withinUs] = [
    await commitUs(waiting[0]),
    await commitUs(waiting[1]),
    await commitUs(waiting[2]),
    await commitUs(waiting[3]),
  ];
  await db.close();
  return { rows: { outside: outsideUs / emptyUs, within: withinUs / emptyUs, outsideUs, withinUs, emptyUs } };
}

const WINDOW_MS = 20;
const RESOLUTION_MS = 1;

/** How long this thread has computed and has waited for a core, in ms; of Linux. */
function scheduled() {
  const stat = `/proc/self/task/${process.pid}/schedstat`;
  if (!existsSync(stat)) return [Number.NaN, Number.NaN];
  return readFileSync(stat, 'latin1')
    .split(' ', 2)
    .map((ns) => Number(ns) / 1e6);
}

/** Watches the event loop: per window of some ms its longest delay, with what the collector of garbage took of it. */
function watchLoop() {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const windows = [];
  const collections = [];
  const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  histogram.enable();
  let from = performance.now();
  let [ranMs, waitedMs] = scheduled();
  const close = () => {
    const now = performance.now();
    const [ran, waited] = scheduled();
    const ms = histogram.max / 1e6 - RESOLUTION_MS;
    // The first delay of a window may have begun before it.
    windows.push({
      from: from - histogram.max / 1e6,
      to: now,
      ms,
      ranMs: ran - ranMs,
      waitedMs: waited - waitedMs,
    });
    [ranMs, waitedMs] = [ran, waited];
    histogram.reset();
    from = now;
  };
  const timer = setInterval(close, WINDOW_MS);
  return {
    async stop() {
      await turn();
      close();
      clearInterval(timer);
      await new Promise((resolve) => setTimeout(resolve, 50)); // entries of collections arrive later
      observer.disconnect();
      histogram.disable();
      const collected = ({ from: start, to }) =>
        collections
          .filter((entry) => entry.startTime < to && entry.startTime + entry.duration > start)
          .reduce((sum, entry) => sum + entry.duration, 0);
      const delays = windows.map((window) => window.ms);
      const own = windows.map((window) => Math.max(0, window.ms - collected(window)));
      const longest = windows[own.indexOf(Math.max(...own))];
      // Of the window of the longest delay: what else was on the machine's cores may be no work of the engine's.
      const facts = {
        'computed in its window, ms': longest.ranMs,
        'waited there for a core, ms': longest.waitedMs,
      };
      const rows = { maxMs: Math.max(...delays), ownMs: Math.max(...own), p99Ms: quantile(delays, 0.99) };
      return {
        rows,
        facts: Object.fromEntries(Object.entries(facts).map(([name, ms]) => [name, Math.round(ms)])),
      };
    },
  };
}

const WARM_UP = 0.1;

export async function loopDelay(engine, { dir, rows, valueBytes }) {
  const db = await engine.openEngine(fresh(dir), { cacheBytes: 64 << 20, durable: false });
  inputIsRead();
  let watch;
  await putRandom(db, {
    rows,
    valueBytes,
    batch: 100,
    onBatch: (part) => {
      if (part >= WARM_UP) watch ??= watchLoop();
    },
  });
  await db.compact?.();
  await untilQuiet();
  const { rows: delays, facts } = await watch.stop();
  await db.close();
  return { rows: delays, facts };
}
