/** What a reader gathers in bulk, by batches of any size, is what it sees step by step. */

import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { type Cursor, PENDING } from '../../src/mvcc/cursor.ts';
import { EntryBatch } from '../../src/mvcc/entry-batch.ts';
import { mergeCursors } from '../../src/mvcc/merge.ts';
import { OVERLAY_FLOOR, type Version, versionOf } from '../../src/mvcc/version.ts';
import { VisibleCursor } from '../../src/mvcc/visible.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { memoryDirectory } from '../base/database.ts';
import { tableAt, writeTable } from '../sst/written-table.ts';
import {
  compareEntries,
  type Entry,
  entriesArbitrary,
  keyArbitrary,
  memtableOf,
  settle,
  text,
} from './entries.ts';

/** `version`: a global version. */
type Kind = 'table' | 'global' | 'own' | 'memtable';
const GLOBAL: Record<Kind, Version | undefined> = {
  table: undefined,
  memtable: undefined,
  global: versionOf(6),
  own: (OVERLAY_FLOOR + 1) as Version,
};

interface Source {
  readonly kind: Kind;
  /** As the reader has them: with a global version there is one of each key. */
  readonly entries: readonly Entry[];
}

/** No (key, version) comes from two sources. */
const sourcesArbitrary: fc.Arbitrary<Source[]> = fc
  .array(
    fc.tuple(
      fc.constantFrom<Kind>('table', 'table', 'table', 'global', 'own', 'memtable'),
      entriesArbitrary(80, 12, 'max'),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((pairs) => {
    const taken = new Set<string>();
    return pairs.map(([kind, entries]) => {
      const own = entries
        .map((entry) => ({ ...entry, version: GLOBAL[kind] ?? entry.version }))
        .filter(({ key, version }) => {
          const name = `${text(key)}@${version}`;
          return !taken.has(name) && taken.add(name);
        });
      return { kind, entries: own.sort(compareEntries) };
    });
  });

const readerArbitrary = fc.record({
  snapshot: fc.oneof(fc.integer({ min: 0, max: 13 }), fc.constant(13)).map(versionOf),
  own: fc.boolean(),
  lower: fc.option(keyArbitrary),
  upper: fc.option(keyArbitrary),
  entries: fc.constantFrom(1, 5, 1000, 1000),
  bytes: fc.constantFrom(1, 40, 65536, 65536),
  withValues: fc.boolean(),
});
type Reader = typeof readerArbitrary extends fc.Arbitrary<infer T> ? T : never;

function seen(sources: readonly Source[], reader: Reader): string[] {
  const newest = new Map<string, Entry>();
  for (const entry of sources.flatMap(({ entries }) => entries)) {
    if (entry.version >= OVERLAY_FLOOR ? !reader.own : entry.version > reader.snapshot) continue;
    if (reader.lower !== null && compareBytes(entry.key, reader.lower) < 0) continue;
    if (reader.upper !== null && compareBytes(entry.key, reader.upper) >= 0) continue;
    const known = newest.get(text(entry.key));
    if (known === undefined || entry.version > known.version) newest.set(text(entry.key), entry);
  }
  return [...newest.values()]
    .filter(({ type }) => type === 1)
    .sort(compareEntries)
    .map(({ key, value }) => `${text(key)}=${reader.withValues ? text(value) : ''}`);
}

function visible(cursors: readonly Cursor[], reader: Reader): VisibleCursor {
  const own = reader.own && {
    overlayFloor: OVERLAY_FLOOR,
    overlayThrough: (OVERLAY_FLOOR + 3) as Version,
  };
  const bounds = { ...(reader.lower && { gte: reader.lower }), ...(reader.upper && { lt: reader.upper }) };
  return new VisibleCursor(mergeCursors(cursors), { snapshot: reader.snapshot, ...own }, bounds);
}

/** As ScanBatches does it. Returns what was seen, and how much of it was gathered. */
function scan(cursor: VisibleCursor, reader: Reader): { got: string[]; gathered: number } {
  const got: string[] = [];
  let gathered = 0;
  let begun = false;
  const batch = new EntryBatch(reader.bytes, reader.withValues);
  for (;;) {
    batch.clear(reader.entries);
    while (!batch.isFull) {
      settle(cursor, () => (begun ? cursor.next() : cursor.first()));
      begun = true;
      if (!cursor.valid) break;
      batch.push(cursor);
      const before = batch.count;
      cursor.gather(batch);
      gathered += batch.count - before;
    }
    if (batch.count === 0) return { got, gathered };
    expect(batch.count).toBeLessThanOrEqual(reader.entries);
    const piece = (n: number): string => text(batch.bytes.subarray(batch.offsets[n], batch.offsets[n + 1]));
    for (let i = 0; i < batch.count; i++) got.push(`${piece(2 * i)}=${piece(2 * i + 1)}`);
    if (!cursor.valid) return { got, gathered };
  }
}

test('batches of any size show what a reader may see, whatever the sources', () => {
  const dir = memoryDirectory();
  let all = 0;
  fc.assert(
    fc.property(
      sourcesArbitrary,
      readerArbitrary,
      fc.constantFrom(64, 4096),
      (sources, reader, blockBytes) => {
        const cache = new BlockCache(1 << 20);
        const tables = sources.map(({ kind, entries }, i) => {
          if (kind === 'memtable' || entries.length === 0) return undefined;
          const path = join(dir, `${i}.sst`);
          const written = kind === 'table' ? entries : entries.map((e) => ({ ...e, version: versionOf(0) }));
          writeTable(path, written, { blockBytes });
          return tableAt(path, cache);
        });
        const cursors = (): Cursor[] =>
          sources.map(
            ({ kind, entries }, i) => tables[i]?.cursor(GLOBAL[kind]) ?? memtableOf(entries).cursor(),
          );
        // Once with blocks to load, once with all of them in the cache.
        for (let pass = 0; pass < 2; pass++) {
          const cursor = visible(cursors(), reader);
          const { got, gathered } = scan(cursor, reader);
          cursor.close();
          expect(got).toEqual(seen(sources, reader));
          all += gathered;
        }
        for (const table of tables) table?.dispose();
      },
    ),
    { numRuns: 200 },
  );
  expect(all).toBeGreaterThan(300);
});

test('values larger than any room go from batch to batch one by one', () => {
  const entries = Array.from(
    { length: 5 },
    (_, n): Entry => ({
      key: Buffer.from(`k${n}`),
      version: versionOf(1),
      type: 1,
      value: new Uint8Array(400_000).fill(n),
    }),
  );
  const path = join(memoryDirectory(), 'a.sst');
  writeTable(path, entries);
  const cursor = new VisibleCursor(tableAt(path).cursor(undefined), { snapshot: versionOf(9) });
  const batch = new EntryBatch(65536, true);
  for (const { value } of entries) {
    batch.clear(1000);
    settle(cursor, () => (cursor.valid ? cursor.next() : cursor.first()));
    batch.push(cursor);
    cursor.gather(batch);
    expect(batch.count).toBe(1);
    const got = batch.bytes.subarray(batch.offsets[1], batch.offsets[2]);
    expect(Buffer.compare(got, value)).toBe(0);
  }
  while (cursor.next() === PENDING) cursor.loadSync();
  expect(cursor.valid).toBe(false);
  cursor.close();
});
