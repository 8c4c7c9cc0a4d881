/** Lookups of one table that read what they lack at once, and that leave the filter out where it is of no use. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PENDING, READY } from '../../src/mvcc/cursor.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import type { Table } from '../../src/sst/table.ts';
import { memoryDirectory } from '../base/database.ts';
import type { Entry } from '../mvcc/entries.ts';
import { tableAt, writeTable } from './written-table.ts';

const keyOf = (n: number): string => `k${String(n).padStart(5, '0')}`;

function put(key: string, value: Uint8Array): Entry {
  return { key: Buffer.from(key), version: versionOf(1), type: 1, value };
}

function lookUp(table: Table, probe: Probe, key: string): boolean {
  const bytes = Buffer.from(key);
  probe.reset(bytes, 0, bytes.length, versionOf(9));
  probe.blocking = true;
  expect(table.get(probe, undefined)).toBe(READY);
  return probe.found;
}

test('what was found stays what it was while other tables are read', () => {
  const dir = memoryDirectory();
  const cache = new BlockCache(1 << 20);
  const value = new Uint8Array(100).fill(7);
  writeTable(join(dir, 'a.sst'), [put('m', value)]);
  const probe = new Probe();
  expect(lookUp(tableAt(join(dir, 'a.sst'), cache), probe, 'm')).toBe(true);
  for (let i = 0; i < 40; i++) {
    const path = join(dir, `${i}.sst`);
    writeTable(path, [put('l', new Uint8Array(30_000).fill(i)), put('n', new Uint8Array(30_000))], {
      filterBitsPerKey: 0,
      blockBytes: 65_536,
      compression: 'none',
    });
    const table = tableAt(path, cache);
    table.openSync();
    expect(table.get(probe, undefined)).toBe(READY);
  }
  expect(cache.arena.evictions).toBeGreaterThan(20);
  const { valueBytes, valueStart, valueLength } = probe;
  expect(valueBytes.slice(valueStart, valueStart + valueLength)).toEqual(value);
});

test('what was found stays what it was while another table is opened', () => {
  const dir = memoryDirectory();
  const cache = new BlockCache(1 << 20);
  const value = new Uint8Array(100).fill(7);
  const asTheyAre = { filterBitsPerKey: 0, compression: 'none', blockBytes: 4096 } as const;
  writeTable(join(dir, 'a.sst'), [put('m', value)], asTheyAre);
  const large = Array.from({ length: 80 }, (_, n) => put(keyOf(n), new Uint8Array(30_000)));
  writeTable(join(dir, 'fill.sst'), large, asTheyAre);
  // Its filter is verified in the arena: there is no other room for so much.
  const keys = Array.from({ length: 24_000 }, (_, n) => put(keyOf(n), new Uint8Array(1)));
  writeTable(join(dir, 'b.sst'), [...keys, put('z', value)], { filterBitsPerKey: 100 });
  const [a, fill, b] = [
    tableAt(join(dir, 'a.sst'), cache),
    tableAt(join(dir, 'fill.sst'), cache),
    tableAt(join(dir, 'b.sst'), cache),
  ];
  const probe = new Probe();
  // Wherever in a full arena the value is.
  for (let round = 0, next = 0; round < 63; round++) {
    for (let n = 0; n < round % 21; n++) lookUp(fill, probe, keyOf(next++ % large.length));
    expect(lookUp(a, probe, 'm')).toBe(true);
    expect(b.get(probe, undefined)).toBe(READY);
    const { valueBytes, valueStart, valueLength } = probe;
    expect(valueBytes.slice(valueStart, valueStart + valueLength)).toEqual(value);
    expect(b.state?.facts.filterBytes).toBeGreaterThan(cache.scratchBytes);
    b.close();
  }
});

test('a table in which all is found is asked without its filter, until something is not found', () => {
  const path = join(memoryDirectory(), 'a.sst');
  const keys = Array.from({ length: 2000 }, (_, n) => keyOf(2 * n));
  writeTable(
    path,
    keys.map((key) => put(key, Buffer.from(key))),
    { blockBytes: 512 },
  );
  const cache = new BlockCache(1 << 20);
  const table = tableAt(path, cache);
  const probe = new Probe();
  const foundAll = (from: number, to: number): void => {
    for (let n = from; n < to; n++) {
      expect(lookUp(table, probe, keyOf(2 * n))).toBe(true);
      const { valueBytes, valueStart, valueLength } = probe;
      expect(Buffer.from(valueBytes.subarray(valueStart, valueStart + valueLength)).toString()).toBe(
        keyOf(2 * n),
      );
    }
  };
  for (let round = 0; round < 20; round++) {
    foundAll(0, 100);
    expect(table.state?.sureOfKeys).toBe(true);
    const missing = `${keyOf(2 * (1000 + 37 * round))}x`;
    const misses = cache.misses;
    if (round % 2 === 0) expect(lookUp(table, probe, missing)).toBe(false);
    else {
      // Whoever waits for a block meanwhile: `get` and what loads for it are sure of the same.
      const bytes = Buffer.from(missing);
      probe.reset(bytes, 0, bytes.length, versionOf(9));
      expect(table.get(probe, undefined)).toBe(PENDING);
      table.loadSync(probe);
      expect(table.get(probe, undefined)).toBe(READY);
      expect(probe.found).toBe(false);
    }
    expect(cache.misses).toBe(misses + 1);
    expect(table.state?.sureOfKeys).toBe(false);
    // In a block that is not there either. Of a hundred keys the filter lets one pass.
    expect(lookUp(table, probe, `${keyOf(2 * (1010 + 37 * round))}x`)).toBe(false);
    if (round !== 13) expect([round, cache.misses]).toEqual([round, misses + 1]);
    expect(table.state?.sureOfKeys).toBe(false);
    foundAll(0, 100);
    expect(lookUp(table, probe, keyOf(41))).toBe(false);
  }
});

test('heads are made while they pay: not for blocks that are soon pushed out', () => {
  const path = join(memoryDirectory(), 'a.sst');
  const value = new Uint8Array(100).map((_, i) => i * 89);
  writeTable(
    path,
    Array.from({ length: 30_000 }, (_, n) => put(keyOf(n), value)),
    { compression: 'none' },
  );
  const cache = new BlockCache(1 << 20);
  const table = tableAt(path, cache);
  const probe = new Probe();
  const heldBytesEach = (): number => cache.arena.bytesHeld / cache.arena.blocksHeld;
  for (let n = 0; n < 3000; n += 5) expect(lookUp(table, probe, keyOf(n))).toBe(true);
  const withHeads = heldBytesEach();
  for (let n = 0; n < 60_000; n += 7) expect(lookUp(table, probe, keyOf((n * 7919) % 30_000))).toBe(true);
  expect(heldBytesEach()).toBeLessThan(withHeads - 100);
  // A few blocks, again and again, with others between them that keep the cache changing.
  for (let n = 0; n < 40_000; n++)
    lookUp(table, probe, keyOf(n % 16 === 0 ? (n * 7919) % 30_000 : (n % 50) * 30));
  expect(heldBytesEach()).toBeGreaterThan(withHeads - 100);
});
