/** A large file is built by a thread, and nobody can tell but by the time it takes. */

import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { cores, nodeEnv } from '../../src/base/env/node-env.ts';
import { SstWriter, type SstWriterOptions } from '../../src/index.ts';
import { tableThreads } from '../../src/ingest/table-threads.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { NO_VERSION } from '../../src/mvcc/version.ts';
import { TableBuilder } from '../../src/sst/table-builder.ts';
import { memoryDirectory } from '../base/database.ts';

const HOOKS = new URL('../base/typescript-hooks.mjs', import.meta.url).href;
const CHILD = new URL('./writer-child.ts', import.meta.url).pathname;

interface Row {
  readonly key: Buffer;
  readonly value: Buffer | undefined;
}

/** Sorted; every seventh a tombstone, now and then a value that no block takes. */
function rows(count: number, valueBytes: number): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(`key${String(i).padStart(9, '0')}`),
    value: i % 7 === 0 ? undefined : Buffer.alloc(i % 9001 === 1 ? 400_000 : valueBytes, `${i * 7919}`),
  }));
}

function putAll(writer: SstWriter, all: readonly Row[]): void {
  for (const { key, value } of all) {
    if (value === undefined) writer.del(key);
    else writer.put(key, value);
  }
}

/** One behind the other, or in columns. */
function putStrings(writer: SstWriter, strings: readonly Buffer[], asColumns: boolean): void {
  const offsetsOf = (list: readonly Buffer[]): Uint32Array => {
    const offsets = new Uint32Array(list.length + 1);
    for (const [i, { length }] of list.entries()) offsets[i + 1] = (offsets[i] ?? 0) + length;
    return offsets;
  };
  const column = (list: readonly Buffer[]) => ({ bytes: Buffer.concat(list), offsets: offsetsOf(list) });
  const count = strings.length / 2;
  const every = (second: number) => column(strings.filter((_, i) => i % 2 === second));
  writer.putBatch(asColumns ? { keys: every(0), values: every(1), count } : { ...column(strings), count });
}

/** Values by batches, of which blocks are made here, every other one as columns, and tombstones one by one. */
function putBatches(writer: SstWriter, all: readonly Row[], size: number): void {
  let batches = 0;
  for (let from = 0; from < all.length; from += size) {
    let batch: Buffer[] = [];
    const flush = (): void => {
      putStrings(writer, batch, batches++ % 2 === 0);
      batch = [];
    };
    for (const { key, value } of all.slice(from, from + size)) {
      if (value !== undefined) batch.push(key, value);
      else {
        flush();
        writer.del(key);
      }
    }
    flush();
  }
}

/** The same table by a builder in this thread. */
function builtHere(path: string, all: readonly Row[], options: SstWriterOptions) {
  const file = nodeEnv.fs.openSync(path, 'create');
  const builder = new TableBuilder(file, { external: true, sha256: true, ...options });
  for (const { key, value } of all) {
    const type = value === undefined ? TYPE_DELETE : TYPE_VALUE;
    builder.add(key, 0, key.length, NO_VERSION, type, value ?? key, 0, value?.length ?? 0);
  }
  const built = builder.finish();
  file.closeSync();
  return built;
}

describe.each<SstWriterOptions>([
  {},
  { compression: 'zstd' },
  { compression: 'snappy', blockBytes: 1000 },
  { compression: 'none', filterBitsPerKey: 0, blockBytes: 16_384 },
  { blockBytes: 1 << 20 },
])('with %j', (options) => {
  test.each([
    [10, 'puts'],
    [60_000, 'puts'],
    [10, 'batches'],
    [60_000, 'batches'],
  ])('%i entries by %s give the bytes that a builder here gives', async (count, door) => {
    const dir = memoryDirectory();
    await SstWriter.loadZstd();
    const all = rows(count, 150);
    const expected = builtHere(join(dir, 'expected.sst'), all, options);
    const writer = new SstWriter(join(dir, 'a.sst'), options);
    if (door === 'puts') putAll(writer, all);
    else putBatches(writer, all, 300);
    const { bytes, entries, sha256, smallest, largest } = await writer.finish();
    expect(readFileSync(join(dir, 'a.sst')).equals(readFileSync(join(dir, 'expected.sst')))).toBe(true);
    expect({ bytes, entries, sha256 }).toEqual({
      bytes: expected.bytes,
      entries: count,
      sha256: expected.sha256,
    });
    expect([smallest, largest]).toEqual([Buffer.from(expected.smallest), Buffer.from(expected.largest)]);
  });
});

test('several large writers at once do not wait for each other, whoever has a thread', async () => {
  const dir = memoryDirectory();
  const all = rows(30_000, 300);
  const expected = builtHere(join(dir, 'expected.sst'), all, {});
  const writers = Array.from({ length: 12 }, (_, i) => new SstWriter(join(dir, `${i}.sst`)));
  for (const row of all) for (const writer of writers) putAll(writer, [row]);
  for (const writer of writers.reverse()) expect((await writer.finish()).sha256).toBe(expected.sha256);
});

test('NOT_SORTED comes from the put it is about, after what was handed over too, and the writer goes on', async () => {
  const all = rows(60_000, 150);
  using writer = new SstWriter(join(memoryDirectory(), 'a.sst'));
  let refused = 0;
  for (const [i, row] of all.entries()) {
    putAll(writer, [row]);
    if (i % 500 !== 1) continue;
    expect(() => writer.put(row.key, 'again')).toThrow(`key "${row.key}" comes twice`);
    expect(() => writer.put('key', 'before')).toThrow(`key "key" comes after "${row.key}"`);
    refused += 2;
  }
  expect(refused).toBe(240);
  expect((await writer.finish()).entries).toBe(all.length);
});

test('batches are given up, or go on after what they must not hold, while their blocks are under way', async () => {
  const dir = memoryDirectory();
  const all = rows(60_000, 150).filter(({ value }) => value !== undefined);
  const path = join(dir, 'a.sst');
  for (const end of ['abort', 'finish'] as const) {
    const writer = new SstWriter(path);
    putBatches(writer, all.slice(0, 50_000), 500);
    expect(() => putBatches(writer, all.slice(49_990, 50_000), 5)).toThrow(/comes twice|comes after/);
    putBatches(writer, all.slice(50_000), 500);
    if (end === 'finish') expect((await writer.finish()).entries).toBe(all.length);
    else {
      writer.abort();
      await writer[Symbol.asyncDispose]();
      expect(existsSync(path)).toBe(false);
    }
  }
});

describe('abort', () => {
  test('removes the name at once; a file that comes to its place meanwhile is left alone', async () => {
    const path = join(memoryDirectory(), 'a.sst');
    for (const entries of [1, 20_000, 60_000]) {
      const writer = new SstWriter(path);
      putAll(writer, rows(entries, 400));
      writer.abort();
      expect(existsSync(path)).toBe(false);
      writeFileSync(path, 'another');
      await writer[Symbol.asyncDispose]();
      expect(readFileSync(path, 'utf8')).toBe('another');
      nodeEnv.fs.unlinkSync(path);
    }
  });

  test('in the middle of finish makes it fail', async () => {
    const path = join(memoryDirectory(), 'a.sst');
    for (const entries of [10, 60_000]) {
      const writer = new SstWriter(path);
      putAll(writer, rows(entries, 150));
      const finished = writer.finish();
      writer.abort();
      await expect(finished).rejects.toThrow(expect.objectContaining({ code: 'CLOSED' }));
      expect(existsSync(path)).toBe(false);
      await turn();
    }
  });

  test('before the thread has opened the file makes finish say so, not that the file is missing', async () => {
    const path = join(memoryDirectory(), 'a.sst');
    const writer = new SstWriter(path);
    // The thread gets its job in finish, and abort follows in the same turn.
    writer.put('key', Buffer.alloc(5 << 20, 'v'));
    const finished = writer.finish();
    writer.abort();
    await expect(finished).rejects.toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect(existsSync(path)).toBe(false);
  });
});

test.each([2_000, 100_000])(
  'a disk that is full stays so for %i entries: put or finish says it, and no file is left',
  async (count) => {
    const path = join(memoryDirectory(), 'a.sst');
    // Blocks of 512 or 1,024 bytes, by the shell.
    const limited = ['-c', 'ulimit -f 600; exec "$0" "$@"', process.execPath, '--import', HOOKS, CHILD, path];
    const { stdout } = await promisify(execFile)('sh', [...limited, String(count)]);
    const told = JSON.parse(stdout) as { put: number; codes: unknown[]; exists: boolean };
    // What a thread builds fails later, but in a put before as much is waiting as may.
    if (count === 100_000)
      expect(told).toEqual({ put: expect.any(Number), codes: ['IO', 'IO', 'IO', 'IO'], exists: false });
    else expect(told).toEqual({ put: count, codes: ['IO'], exists: false });
    expect(told.put).toBeLessThan(60_000);
  },
);

test('writers that are forgotten give their threads back', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const dir = memoryDirectory();
  const all = rows(40_000, 150);
  // Where there is one core there are none.
  const threads = Math.min(8, cores() - 1);
  for (let i = 0; i < threads; i++) putAll(new SstWriter(join(dir, `${i}.sst`)), all);
  expect(tableThreads.take()).toBeUndefined();
  let thread: ReturnType<typeof tableThreads.take>;
  for (let tries = 0; thread === undefined && tries < 500 * threads; tries++) {
    collectGarbage();
    await nodeEnv.clock.sleep(10);
    thread = tableThreads.take();
  }
  expect(thread !== undefined).toBe(threads > 0);
  if (thread !== undefined) tableThreads.giveBack(thread);
});
