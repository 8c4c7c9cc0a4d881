/** Imports of CSV: rows of 16 + 100 bytes in random order, or sorted, from one file to the commit. */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { generator, KEY_BYTES, VALUE_BYTES } from '../data.mjs';
import { fresh } from '../files.mjs';
import { inputIsRead, median, seconds } from '../meter.mjs';

const CSV_WRITE_BYTES = 1 << 20;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const PUT_SHARE = 50;
const BATCH = 1000;

/** DIR/random.csv, and with `sorted` DIR/sorted.csv, of as many rows; values are text, half of it twice. */
export async function csvFiles(_engine, { dir, rows, sorted }) {
  mkdirSync(dir, { recursive: true });
  const random = generator(7);
  const keys = Array.from(
    { length: rows },
    () => String(random()).padStart(11, '0') + String(random() % 1e5).padStart(5, '0'),
  );
  writeCsv(join(dir, 'random.csv'), keys, random);
  if (sorted) writeCsv(join(dir, 'sorted.csv'), keys.sort(), random);
  return { rows: {} };
}

function writeCsv(path, keys, random) {
  const file = openSync(path, 'wx');
  let text = 'key,value\n';
  for (const key of keys) {
    let half = '';
    for (let i = 0; i < VALUE_BYTES / 10; i++) {
      const r = random();
      half +=
        DIGITS[r & 63] +
        DIGITS[(r >> 6) & 63] +
        DIGITS[(r >> 12) & 63] +
        DIGITS[(r >> 18) & 63] +
        DIGITS[(r >> 24) & 63];
    }
    text += `${key},${half}${half}\n`;
    if (text.length < CSV_WRITE_BYTES) continue;
    writeSync(file, text);
    text = '';
  }
  writeSync(file, text);
  closeSync(file);
}

/** By an engine of its own: ours imports, others are given parsed rows in their own way of bulk loading. */
export async function importRows(engine, { dir, csv, rows, cacheBytes }) {
  inputIsRead();
  const path = join(csv, 'random.csv');
  mkdirSync(fresh(dir));
  if (engine.importFile !== undefined) {
    const { ms, amplification, loopMs } = await watched(() => engine.importFile(dir, path));
    return { rows: { rate: (rows / ms) * 1000, amplification, loopMs } };
  }
  const started = performance.now();
  const db = await engine.openEngine(dir, { cacheBytes, durable: false });
  const { keyAt, valueAt, count } = parsed(path);
  await db.load(keyAt, valueAt, count);
  const rate = count / seconds(started);
  await db.close();
  return { rows: { rate } };
}

/** By the one delimiter and line feeds that the file has: no engine waits for a parser worth the name. */
function parsed(path) {
  const bytes = readFileSync(path);
  const starts = [];
  for (let at = bytes.indexOf(10) + 1; at > 0 && at < bytes.length; at = bytes.indexOf(10, at) + 1)
    starts.push(at);
  const valueFrom = KEY_BYTES + 1;
  return {
    count: starts.length,
    keyAt: (i) => bytes.subarray(starts[i], starts[i] + KEY_BYTES),
    valueAt: (i) => bytes.subarray(starts[i] + valueFrom, starts[i] + valueFrom + VALUE_BYTES),
  };
}

async function watched(act) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const started = performance.now();
  const result = await act();
  const ms = performance.now() - started;
  delay.disable();
  return { ms, loopMs: delay.max / 1e6, ...result };
}

/** Our own import against itself: shares of the time that the plain one takes, in turns. */
export async function importShapes(engine, { dir, csv, csvMore, rows, rowsMore, repeats }) {
  inputIsRead();
  const [random, sorted, more] = [
    join(csv, 'random.csv'),
    join(csv, 'sorted.csv'),
    join(csvMore, 'random.csv'),
  ];
  const shapes = {
    plain: [random, { threads: 2 }],
    presorted: [sorted, { threads: 2, presorted: true }],
    found: [sorted, { threads: 2 }],
    oneThread: [random, { threads: 1 }],
    small: [random, { threads: 2, memoryLimitBytes: 64 << 20 }],
    more: [more, { threads: 2 }],
  };
  const samples = Object.fromEntries(Object.keys(shapes).map((name) => [name, []]));
  for (let n = 0; n < repeats; n++) {
    for (const [name, [path, options]] of Object.entries(shapes)) {
      samples[name].push(await watched(() => engine.importFile(fresh(dir), path, options)));
    }
  }
  const ms = (name) => median(samples[name].map((sample) => sample.ms));
  const part = parsedPart(random, Math.max(BATCH, Math.round(rows / PUT_SHARE)));
  const rowMs = ms('plain') / rows;
  const putMs = await engine.putLoop(fresh(dir), part);
  const batchMs = await engine.batchLoop(fresh(dir), part, BATCH);
  const work = (n) => n * Math.log2(n);
  return {
    rows: {
      putFactor: putMs / part.count / rowMs,
      batchFactor: batchMs / part.count / rowMs,
      presortedFactor: ms('plain') / ms('presorted'),
      threadsFactor: ms('oneThread') / ms('plain'),
      smallFactor: ms('small') / ms('plain'),
      scaleFactor: ms('more') / work(rowsMore) / (ms('plain') / work(rows)),
      presortedAmplification: samples.presorted[0].amplification,
      foundAmplification: samples.found[0].amplification,
    },
  };
}

function parsedPart(path, count) {
  if (!existsSync(path)) throw new Error(`${path} is missing`);
  const all = parsed(path);
  return { ...all, count: Math.min(count, all.count) };
}

/** From how many rows on an import by tables is faster than one by the log. */
export async function importPaths(engine, { dir, csv, counts, repeats }) {
  inputIsRead();
  const all = parsed(join(csv, 'random.csv'));
  const figures = {};
  for (const count of counts) {
    const entries = Array.from({ length: count }, (_, i) => [all.keyAt(i), all.valueAt(i)]);
    const times = { put: [], ingest: [] };
    const db = await engine.openPlain(fresh(dir));
    for (let n = 0; n <= repeats; n++) {
      for (const path of Object.keys(times)) {
        const started = performance.now();
        await db.import(entries, { path, into: path }).done;
        if (n > 0) times[path].push(performance.now() - started);
      }
    }
    await db.close();
    figures[`${count} rows: put, ms`] = median(times.put);
    figures[`${count} rows: ingest, ms`] = median(times.ingest);
  }
  return { rows: {}, facts: figures };
}
