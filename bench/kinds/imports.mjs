/** Imports of CSV: rows of 16 + 100 bytes in random order, or sorted, from one file to the commit. */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { generator, KEY_BYTES, VALUE_BYTES } from '../data.mjs';
import { fresh } from '../files.mjs';
import { inputIsRead, median, seconds } from '../meter.mjs';

const CSV_WRITE_BYTES = 1 << 20;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const PUT_SHARE = 50;
const BATCH = 1000;
/** Of the file, with separator and line end. */
const ROW_BYTES = KEY_BYTES + VALUE_BYTES + 2;

/** DIR/rows.csv, of rows in random order or `sorted`; values are text, half of it twice. */
export async function csvFile(_engine, { dir, rows, sorted }) {
  mkdirSync(dir, { recursive: true });
  const random = generator(7);
  const keys = Array.from(
    { length: rows },
    () => String(random()).padStart(11, '0') + String(random() % 1e5).padStart(5, '0'),
  );
  writeCsv(rowsOf(dir), sorted ? keys.sort() : keys, random);
  return { rows: {} };
}

const rowsOf = (dir) => join(dir, 'rows.csv');

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

/** By an importer of its own; others are given parsed rows in their own way of bulk loading. */
export async function importRows(engine, { dir, csv, cacheBytes, rows }) {
  inputIsRead();
  mkdirSync(fresh(dir));
  if (engine.importFile !== undefined) {
    const { ms, amplification, loopMs } = await watched((watch) =>
      engine.importFile(dir, rowsOf(csv), {}, watch),
    );
    // What holds its event loop, and writes tables, is ours.
    const own = amplification === undefined ? {} : { amplification, loopMs };
    return { rows: { rate: (rows / ms) * 1000, ...own } };
  }
  const started = performance.now();
  const { keyAt, valueAt, count } = parsed(rowsOf(csv));
  // The file in memory is none of the engine's.
  inputIsRead();
  const db = await engine.openEngine(dir, { cacheBytes, durable: false });
  await (db.loadAtOnce ?? db.load)(keyAt, valueAt, count);
  const rate = count / seconds(started);
  await db.close();
  return { rows: { rate } };
}

/** A public data set, as people have them: addresses of networks and who has them, text columns, some of them quoted. */
export async function importData(engine, { dir }) {
  const data = join(import.meta.dirname, '../peers/node_modules/@ip-location-db/asn');
  if (!existsSync(data)) return { notYet: 'npm could not install @ip-location-db/asn' };
  inputIsRead();
  const options = { header: ['from', 'to', 'asn', 'organisation'], types: { asn: 'int' } };
  const { ms, amplification, rowsLoaded } = await watched(() =>
    engine.importFile(fresh(dir), join(data, 'asn-ipv?.csv'), options),
  );
  return { rows: { rate: (rowsLoaded / ms) * 1000, amplification }, facts: { rows: rowsLoaded } };
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
    head: (count) => bytes.subarray(0, starts[count] ?? bytes.length),
  };
}

/** How long `act` takes, and how long the event loop is held while the import itself runs: opening is before it. */
async function watched(act) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const watch = async (run) => {
    delay.enable();
    const result = await run();
    delay.disable();
    return result;
  };
  const started = performance.now();
  const result = await act(watch);
  const ms = performance.now() - started;
  return { ms, loopMs: delay.max / 1e6, ...result };
}

/** Our own import against itself and slower ways: shares of the time that the plain one takes, in turns. */
export async function importShapes(engine, { dir, csv, sortedCsv, rows, repeats }) {
  inputIsRead();
  const [random, sorted] = [rowsOf(csv), rowsOf(sortedCsv)];
  const ms = await timesOf(engine, dir, repeats, {
    plain: [random, { threads: 2 }],
    presorted: [sorted, { threads: 2, presorted: true }],
    found: [sorted, { threads: 2 }],
    oneThread: [random, { threads: 1 }],
    small: [random, { threads: 2, memoryLimitBytes: 64 << 20 }],
  });
  const part = parsedPart(random, Math.max(BATCH, Math.round(rows / PUT_SHARE)));
  const rowMs = ms.plain / rows;
  const putMs = await engine.putLoop(fresh(dir), part);
  const batchMs = await engine.batchLoop(fresh(dir), part, BATCH);
  return {
    rows: {
      putFactor: putMs / part.count / rowMs,
      batchFactor: batchMs / part.count / rowMs,
      presortedFactor: ms.plain / ms.presorted,
      threadsFactor: ms.oneThread / ms.plain,
      smallFactor: ms.small / ms.plain,
      presortedAmplification: ms.amplifications.presorted,
      foundAmplification: ms.amplifications.found,
    },
  };
}

/** From so many rows to so many more. */
export async function importScale(engine, { dir, csv, moreCsv, rows, moreRows, repeats }) {
  inputIsRead();
  const ms = await timesOf(engine, dir, repeats, {
    few: [rowsOf(csv), { threads: 2 }],
    many: [rowsOf(moreCsv), { threads: 2 }],
  });
  const work = (n) => n * Math.log2(n);
  return {
    rows: {
      factor: ms.many / work(moreRows) / (ms.few / work(rows)),
      rate: (moreRows / ms.many) * 1000,
    },
  };
}

/** Medians of each shape, which take turns. */
async function timesOf(engine, dir, repeats, shapes) {
  const samples = Object.fromEntries(Object.keys(shapes).map((name) => [name, []]));
  const amplifications = {};
  for (let n = 0; n < repeats; n++) {
    for (const [name, [path, options]] of Object.entries(shapes)) {
      const { ms, amplification } = await watched(() => engine.importFile(fresh(dir), path, options));
      samples[name].push(ms);
      amplifications[name] = amplification;
    }
  }
  const medians = Object.entries(samples).map(([name, list]) => [name, median(list)]);
  return { ...Object.fromEntries(medians), amplifications };
}

function parsedPart(path, count) {
  if (!existsSync(path)) throw new Error(`${path} is missing`);
  const all = parsed(path);
  return { ...all, count: Math.min(count, all.count) };
}

/** From how many rows on an import by tables is faster than one by the log. */
export async function importPaths(engine, { dir, csv, counts, repeats }) {
  inputIsRead();
  const all = parsed(rowsOf(csv));
  const figures = {};
  for (const count of counts) {
    const file = join(csv, `${count}.csv`);
    writeFileSync(file, all.head(count));
    const times = { put: [], ingest: [] };
    const db = await engine.openPlain(fresh(dir));
    for (let n = 0; n <= repeats; n++) {
      for (const path of Object.keys(times)) {
        const started = performance.now();
        await db.import(file, { path, into: path }).done;
        if (n > 0) times[path].push(performance.now() - started);
      }
    }
    await db.close();
    figures[`${count} rows (${(count * ROW_BYTES) >> 10} KiB): put, ms`] = median(times.put);
    figures[`${count} rows: ingest, ms`] = median(times.ingest);
  }
  return { rows: {}, facts: figures };
}
