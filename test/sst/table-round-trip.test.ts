/** What is written is read back: by cursor both ways, by get at every snapshot, for all options and awkward keys. */

import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { MAX_VERSION, type Version, versionOf } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { checkTable } from '../../src/sst/check-table.ts';
import type { Table } from '../../src/sst/table.ts';
import { ensureZstd } from '../../src/sst/zstd.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { expectWalk, walkArbitrary } from '../mvcc/cursor-walk.ts';
import { compareEntries, type Entry, entriesArbitrary, settle, show, showCursor } from '../mvcc/entries.ts';
import { tableAt, writeTable } from './written-table.ts';

beforeAll(() => ensureZstd());

function lookUp(table: Table, key: Uint8Array, snapshot: Version, globalVersion?: Version): string {
  const probe = new Probe();
  probe.reset(key, 0, key.length, snapshot);
  settle({ loadSync: () => table.loadSync(probe) }, () => table.get(probe, globalVersion));
  if (!probe.found) return 'none';
  const { version, type, valueBytes, valueStart, valueLength } = probe;
  return show({ key, version, type, value: valueBytes.slice(valueStart, valueStart + valueLength) });
}

const optionsArbitrary = fc.record({
  compression: fc.constantFrom('none' as const, 'lz4' as const, 'snappy' as const, 'zstd' as const),
  checksum: fc.constantFrom(
    'none' as const,
    'crc32c' as const,
    'xxhash' as const,
    'xxhash64' as const,
    'xxh3' as const,
  ),
  blockBytes: fc.constantFrom(1, 64, 300, 4096),
  filterBitsPerKey: fc.constantFrom(0, 10),
});

describe('small colliding keys', () => {
  test('walks agree with a sorted array, and gets at every snapshot', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'a.sst');
    await fc.assert(
      fc.asyncProperty(
        entriesArbitrary(120),
        walkArbitrary,
        optionsArbitrary,
        async (entries, walk, options) => {
          const sorted = [...entries].sort(compareEntries);
          writeTable(path, sorted, options);
          const table = tableAt(path);
          const cursor = table.cursor(undefined);
          expectWalk(cursor, sorted, walk);
          cursor.close();
          for (const { key } of sorted.slice(0, 20)) {
            for (const snapshot of [0, 1, 7, 15, 31].map(versionOf)) {
              const newest = sorted.find((e) => Buffer.compare(e.key, key) === 0 && e.version <= snapshot);
              expect(lookUp(table, key, snapshot)).toBe(newest === undefined ? 'none' : show(newest));
            }
            expect(lookUp(table, Uint8Array.of(...key, 0, 0, 0, 0, 0, 0, 0, 0), MAX_VERSION)).toBe('none');
          }
          const facts = await checkTable(table, { verify: 'blocks', external: false });
          expect(facts.entries).toBe(sorted.length);
          table.dispose();
        },
      ),
      { numRuns: 150 },
    );
  });

  test('with a global version every entry has it', () => {
    const path = join(temporaryDirectory(), 'a.sst');
    fc.assert(
      fc.property(entriesArbitrary(80), walkArbitrary, optionsArbitrary, (entries, walk, options) => {
        const unique = new Map(entries.map((e) => [Buffer.from(e.key).toString('hex'), e]));
        const written = [...unique.values()]
          .map((e): Entry => ({ ...e, version: versionOf(0) }))
          .sort(compareEntries);
        writeTable(path, written, { ...options, external: true });
        const table = tableAt(path);
        const seen = written.map((e): Entry => ({ ...e, version: versionOf(9) }));
        const cursor = table.cursor(versionOf(9));
        expectWalk(cursor, seen, walk);
        cursor.close();
        for (const entry of seen.slice(0, 20)) {
          expect(lookUp(table, entry.key, versionOf(8), versionOf(9))).toBe('none');
          expect(lookUp(table, entry.key, versionOf(9), versionOf(9))).toBe(show(entry));
        }
        table.dispose();
      }),
      { numRuns: 100 },
    );
  });
});

describe('keys of 1 to 300 bytes, values of 0 to 9 KB', () => {
  test('scan and get read them back through a cache far smaller than the file', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'a.sst');
    let seed = 1;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed % n;
    };
    for (const compression of ['none', 'lz4', 'snappy', 'zstd'] as const) {
      const entries: Entry[] = [];
      for (let i = 0; i < 1200; i++) {
        const key = new Uint8Array(1 + random(300)).map(() => 97 + random(3));
        const value = new Uint8Array(random(3) === 0 ? random(9000) : random(60)).map(
          (_, j) => (j * 7) >>> 3,
        );
        for (let v = random(6); v >= 0; v--) {
          entries.push({ key, version: versionOf(1e15 + i * 8 + v), type: random(9) === 0 ? 0 : 1, value });
        }
      }
      entries.sort(compareEntries);
      const sorted = entries.filter((e, i) => i === 0 || compareEntries(entries[i - 1] as Entry, e) !== 0);
      const built = writeTable(path, sorted, { compression, sha256: true });
      expect(built.entries).toBe(sorted.length);
      expect(built.sha256).toMatch(/^[0-9a-f]{64}$/);
      for (const fillCache of [true, false]) {
        const table = tableAt(path, new BlockCache(1 << 20));
        const cursor = table.cursor(undefined, { readaheadBytes: 262144, fillCache });
        settle(cursor, () => cursor.first());
        for (const entry of sorted) {
          if (showCursor(cursor) !== show(entry)) expect(showCursor(cursor)).toBe(show(entry));
          while (cursor.next() === PENDING) await cursor.load();
        }
        expect(cursor.valid).toBe(false);
        settle(cursor, () => cursor.last());
        for (const entry of [...sorted].reverse()) {
          if (showCursor(cursor) !== show(entry)) expect(showCursor(cursor)).toBe(show(entry));
          settle(cursor, () => cursor.prev());
        }
        cursor.close();
        for (let i = 0; i < 500; i++) {
          const entry = sorted[random(sorted.length)] as Entry;
          expect(lookUp(table, entry.key, entry.version)).toBe(show(entry));
        }
        table.dispose();
      }
    }
  });
});

test('values larger than the cache are read, and concurrently', async () => {
  const path = join(temporaryDirectory(), 'a.sst');
  const entries = [10, 70_000, 300_000, 3_000_000, 5].map(
    (bytes, i): Entry => ({
      key: Uint8Array.of(97 + i),
      version: versionOf(1),
      type: 1,
      value: new Uint8Array(bytes).map((_, j) => (j * (i + 1)) >>> 2),
    }),
  );
  for (const compression of ['none', 'lz4'] as const) {
    writeTable(path, entries, { compression });
    const table = tableAt(path);
    await Promise.all(
      entries.flatMap((entry) =>
        [1, 2, 3].map(async () => {
          const probe = new Probe();
          probe.reset(entry.key, 0, 1, MAX_VERSION);
          while (table.get(probe, undefined) === PENDING) await table.load(probe);
          const value = probe.valueBytes.subarray(probe.valueStart, probe.valueStart + probe.valueLength);
          expect(Buffer.compare(value, entry.value)).toBe(0);
        }),
      ),
    );
    const cursor = table.cursor(undefined);
    let n = 0;
    for (settle(cursor, () => cursor.first()); cursor.valid; settle(cursor, () => cursor.next())) n++;
    expect(n).toBe(entries.length);
    cursor.close();
    await checkTable(table, { verify: 'blocks', external: false });
    table.dispose();
  }
});
