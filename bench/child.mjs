/**
 * One measurement in a fresh process: `node child.mjs '{"engine", "kind", …}'`, see cases.mjs.
 *
 * Prints one line of JSON: { rows: { row: value }, memoryBytes, writtenBytes }. Memory is the peak above what the
 * process held once its input was read.
 */

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generator, KEY_BYTES, makeValues, readKeys, readValues, VALUE_BYTES, writeDigits } from './data.mjs';
import { relink } from './files.mjs';

const task = JSON.parse(process.argv[2]);
const engine = await import(`./engines/${task.engine}.mjs`);

const statusBytes = (field) =>
  Number(/\d+/.exec(new RegExp(`${field}:.*`).exec(readFileSync('/proc/self/status', 'utf8'))[0])) * 1024;
const writtenBytes = () => Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))[1]);
const seconds = (since) => (performance.now() - since) / 1000;
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

let baseBytes = 0;
const inputIsRead = () => {
  baseBytes = statusBytes('VmRSS');
};

const slices = (bytes, width) => (i) => bytes.subarray(i * width, (i + 1) * width);

function fresh(dir) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dirname(dir), { recursive: true });
  return dir;
}

const kinds = {
  async build({ data, dir, count }) {
    const keyAt = slices(readKeys(data), KEY_BYTES);
    const valueAt = slices(readValues(data), VALUE_BYTES);
    inputIsRead();
    mkdirSync(dir, { recursive: true });
    const file = join(dir, 'built.sst');
    rmSync(file, { force: true });
    const started = performance.now();
    await engine.buildTable(file, keyAt, valueAt, 0, count);
    return { 'table build': count / seconds(started) };
  },

  async load({ data, dir, count, cacheBytes }) {
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
    return { 'bulk load, sorted': rate };
  },

  async get({ data, dir, count, cacheBytes, reads, missing }) {
    const keys = readKeys(data);
    inputIsRead();
    const keyAt = slices(keys, KEY_BYTES);
    const db = await engine.openEngine(dir, { cacheBytes });
    for (let i = 0; i < count; i += 16) db.get(keyAt(i)); // every block of the set is in the cache after this
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
    if (found !== (missing ? 0 : reads) || touched < 0) throw new Error(`found ${found} of ${reads}`);
    await db.close();
    return { [missing ? 'get, missing key' : 'get, random, warm']: rate };
  },

  async scan({ dir, count, cacheBytes }) {
    inputIsRead();
    const db = await engine.openEngine(dir, { cacheBytes });
    let best = 0;
    for (let pass = 0; pass < 3; pass++) {
      let entries = 0;
      let touched = 0;
      const started = performance.now();
      await db.scan((key, value) => {
        entries++;
        touched += key[4] + value[0];
      });
      best = Math.max(best, entries / seconds(started));
      if (entries !== count || touched < entries) throw new Error(`scanned ${entries} of ${count}`);
    }
    await db.close();
    return { 'scan into Buffers, warm': best };
  },

  async commit({ dir, committers, measureMs }) {
    const db = await engine.openEngine(fresh(dir), { cacheBytes: 64 << 20 });
    const valueAt = slices(makeValues(1000), VALUE_BYTES);
    inputIsRead();
    const random = generator(4);
    let commits = 0;
    let end = 0;
    const committer = async () => {
      do {
        const key = Buffer.alloc(KEY_BYTES, 'user');
        writeDigits(key, 0, random() * 100);
        await db.put(key, valueAt(commits % 1000));
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
    return { [`durable commits, ${committers} at once`]: rate };
  },

  async ingest({ dir, files, label, repeats }) {
    inputIsRead();
    const samples = { blocks: [], none: [] };
    for (let n = 0; n < repeats; n++) {
      for (const verify of ['blocks', 'none']) {
        const sources = relink(files, `${dir}-sources`);
        samples[verify].push(await engine.ingestFiles(fresh(dir), sources, verify));
      }
    }
    return {
      [`ingest ${label}, call, all blocks checked`]: median(samples.blocks.map((s) => s.callMs)),
      [`ingest ${label}, call, unchecked`]: median(samples.none.map((s) => s.callMs)),
      [`ingest ${label}, commit alone`]: median(samples.blocks.map((s) => s.commitMs)),
    };
  },

  /** The files that the ingest cases take: not measured. */
  async files({ files, entries, valueBytes }) {
    const total = entries * files.length;
    const keyAt = (i) => {
      const key = Buffer.alloc(KEY_BYTES, 'user');
      writeDigits(key, 0, i * 2);
      return key;
    };
    const values = makeValues(Math.min(total, 4000), valueBytes);
    const valueAt = (i) => slices(values, valueBytes)(i % Math.min(total, 4000));
    mkdirSync(dirname(files[0]), { recursive: true });
    for (const [n, file] of files.entries()) {
      rmSync(file, { force: true });
      await engine.buildTable(file, keyAt, valueAt, n * entries, (n + 1) * entries);
    }
    return {};
  },
};

const rows = await kinds[task.kind](task);
const memoryBytes = statusBytes('VmHWM') - baseBytes;
console.log(JSON.stringify({ rows, memoryBytes, writtenBytes: writtenBytes() }));
