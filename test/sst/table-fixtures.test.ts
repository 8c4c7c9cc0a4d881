/** Every file that a real RocksDB wrote reads as what went into it, whatever its options. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { MAX_VERSION, versionOf } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { Table } from '../../src/sst/table.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/rocksdb/', import.meta.url));
const KEY = 16;
const VALUE = 100;
const entries = readFileSync(`${FIXTURES}entries.bin`);
const COUNT = entries.length / (KEY + VALUE);
const keyAt = (i: number): Buffer => entries.subarray(i * (KEY + VALUE), i * (KEY + VALUE) + KEY);
const valueAt = (i: number): Buffer => entries.subarray(i * (KEY + VALUE) + KEY, (i + 1) * (KEY + VALUE));

const REFUSED = ['v_ops.sst', 'v_separate_kv.sst'];
const files = ['v7.8', 'v11.8']
  .flatMap((version) => readdirSync(FIXTURES + version).map((name) => `${version}/${name}`))
  .filter((name) => !REFUSED.some((refused) => name.endsWith(refused)));

async function open(name: string, cacheBytes = 4 << 20): Promise<Table> {
  const cache = new BlockCache(cacheBytes);
  const table = new Table({ path: FIXTURES + name, fs: nodeEnv.fs, cache });
  await table.open();
  return table;
}

describe.each(files)('%s', (name) => {
  test('reads forward and backward as the entries that went in', async () => {
    const table = await open(name);
    const cursor = table.cursor(undefined);
    let n = 0;
    while (cursor.first() === PENDING) cursor.loadSync();
    while (cursor.valid) {
      const key = Buffer.from(
        cursor.keyBytes.buffer,
        cursor.keyBytes.byteOffset + cursor.keyStart,
        cursor.keyLength,
      );
      if (Buffer.compare(key, keyAt(n)) !== 0) throw new Error(`key ${n}`);
      const value = cursor.valueBytes.slice(cursor.valueStart, cursor.valueStart + cursor.valueLength);
      if (Buffer.compare(value, valueAt(n)) !== 0) throw new Error(`value ${n}`);
      n++;
      while (cursor.next() === PENDING) await cursor.load();
    }
    expect(n).toBe(COUNT);
    while (cursor.last() === PENDING) cursor.loadSync();
    while (cursor.valid) {
      n--;
      const key = cursor.keyBytes.slice(cursor.keyStart, cursor.keyStart + cursor.keyLength);
      if (Buffer.compare(key, keyAt(n)) !== 0) throw new Error(`key ${n} backward`);
      const value = cursor.valueBytes.slice(cursor.valueStart, cursor.valueStart + cursor.valueLength);
      if (Buffer.compare(value, valueAt(n)) !== 0) throw new Error(`value ${n} backward`);
      while (cursor.prev() === PENDING) await cursor.load();
    }
    expect(n).toBe(0);
    cursor.close();
    table.dispose();
  });

  test('finds every key and no other', async () => {
    const table = await open(name);
    const probe = new Probe();
    for (let i = 0; i < COUNT; i++) {
      probe.reset(keyAt(i), 0, KEY, MAX_VERSION);
      while (table.get(probe, versionOf(7)) === PENDING) table.loadSync(probe);
      if (!probe.found || probe.version !== 7) throw new Error(`key ${i} not found`);
      const value = probe.valueBytes.slice(probe.valueStart, probe.valueStart + probe.valueLength);
      if (Buffer.compare(value, valueAt(i)) !== 0) throw new Error(`value ${i}`);
      const missing = Buffer.concat([keyAt(i), Buffer.from([0])]);
      probe.reset(missing, 0, missing.length, MAX_VERSION);
      while (table.get(probe, undefined) === PENDING) table.loadSync(probe);
      if (probe.found) throw new Error(`found ${missing}`);
    }
    expect(table.facts.entries).toBe(COUNT);
    expect(Buffer.from(table.facts.smallest ?? [])).toEqual(keyAt(0));
    expect(Buffer.from(table.facts.largest ?? [])).toEqual(keyAt(COUNT - 1));
    table.dispose();
  });
});

test('a file with keys and values apart is refused by that name', async () => {
  const table = await open('v11.8/v_separate_kv.sst');
  const cursor = table.cursor(undefined);
  expect(cursor.first()).toBe(PENDING);
  expect(() => cursor.loadSync()).toThrow(/stored apart/);
});

test('merge operands are refused by name', async () => {
  for (const version of ['v7.8', 'v11.8']) {
    const table = await open(`${version}/v_ops.sst`);
    const cursor = table.cursor(undefined);
    expect(cursor.first()).toBe(PENDING);
    try {
      cursor.loadSync();
      expect.unreachable();
    } catch (error) {
      expect(isSluiceError(error, 'UNSUPPORTED_FORMAT')).toBe(true);
      expect(String(error)).toMatch(/merge operand/);
    }
  }
});
