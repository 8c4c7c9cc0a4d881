import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { Memtable, type MemtableImage } from '../../src/mvcc/memtable.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { MAX_VERSION, OVERLAY_FLOOR, type Version, versionOf } from '../../src/mvcc/version.ts';
import { expectWalk, walkArbitrary } from './cursor-walk.ts';
import {
  compareEntries,
  type Entry,
  entriesArbitrary,
  insertEntry,
  keyArbitrary,
  memtableOf,
  show,
  showCursor,
  text,
} from './entries.ts';
import { dice } from './stutter-cursor.ts';

const VALUE = Buffer.from('value');

function get(memtable: Memtable, key: Uint8Array, snapshot: Version): string | undefined {
  const probe = new Probe();
  probe.reset(key, 0, key.length, snapshot);
  memtable.get(probe);
  if (!probe.found) return undefined;
  return text(probe.valueBytes.subarray(probe.valueStart, probe.valueStart + probe.valueLength));
}

describe('a memtable', () => {
  it('is the sorted list of what was inserted, both ways and from any place', () => {
    fc.assert(
      fc.property(entriesArbitrary(300), walkArbitrary, (entries, walk) => {
        expectWalk(memtableOf(entries).cursor(), [...entries].sort(compareEntries), walk);
      }),
    );
  });

  it('holds its order over many splits, whatever the order of the inserts', () => {
    for (const order of ['ascending', 'descending', 'random', 'versions', 'long prefix'] as const) {
      const entries = Array.from({ length: 20_000 }, (_, i): Entry => {
        const n = order === 'random' ? (i * 7919) % 20_011 : order === 'descending' ? 20_000 - i : i;
        const key =
          order === 'versions'
            ? `k${n % 3}`
            : `${order === 'long prefix' ? 'p'.repeat(300) : ''}${String(n).padStart(7, '0')}`;
        return {
          key: Buffer.from(key),
          version: versionOf(i + 1),
          type: TYPE_VALUE,
          value: Buffer.from(`${i}`),
        };
      });
      const memtable = memtableOf(entries, 32 << 20);
      const sorted = entries.sort(compareEntries);
      const cursor = memtable.cursor();
      cursor.first();
      for (const entry of sorted) {
        if (showCursor(cursor) !== show(entry)) expect(showCursor(cursor)).toBe(show(entry));
        cursor.next();
      }
      expect(cursor.valid).toBe(false);
      for (const entry of sorted) {
        if (get(memtable, entry.key, entry.version) !== entry.value.toString())
          expect.fail(`${order}: ${show(entry)}`);
      }
    }
  });

  it('gets the newest version at or below the snapshot, and only one newer than was found', () => {
    fc.assert(
      fc.property(
        entriesArbitrary(200),
        fc.array(fc.tuple(keyArbitrary, fc.integer({ min: 0, max: 32 }), fc.integer({ min: 0, max: 32 }))),
        (entries, gets) => {
          const memtable = memtableOf(entries);
          const probe = new Probe();
          for (const [key, snapshot, known] of gets) {
            if (known > snapshot) continue;
            probe.reset(key, 0, key.length, versionOf(snapshot));
            if (known > 0) probe.accept(versionOf(known), TYPE_VALUE, VALUE, 0, 5);
            memtable.get(probe);
            const versions = entries.filter((e) => compareBytes(e.key, key) === 0).map((e) => e.version);
            const newest = Math.max(known, ...versions.filter((v) => v <= snapshot));
            expect(probe.version).toBe(newest);
            const entry = entries.find((e) => compareBytes(e.key, key) === 0 && e.version === newest);
            if (entry !== undefined && newest > known) {
              expect(probe.type).toBe(entry.type);
              const end = probe.valueStart + probe.valueLength;
              expect(Buffer.from(probe.valueBytes.slice(probe.valueStart, end))).toEqual(
                Buffer.from(entry.value),
              );
            }
          }
        },
      ),
    );
  });

  it('knows its bounds and counts', () => {
    fc.assert(
      fc.property(entriesArbitrary(100), (entries) => {
        const memtable = memtableOf(entries);
        const sorted = [...entries].sort(compareEntries);
        expect(memtable.entries).toBe(entries.length);
        expect(memtable.deletes).toBe(entries.filter((e) => e.type !== TYPE_VALUE).length);
        expect(memtable.smallest).toEqual(Uint8Array.from(sorted[0]?.key ?? []));
        expect(memtable.largest).toEqual(Uint8Array.from(sorted.at(-1)?.key ?? []));
        if (entries.length > 0) {
          expect(memtable.minVersion).toBe(Math.min(...entries.map((e) => e.version)));
          expect(memtable.maxVersion).toBe(Math.max(...entries.map((e) => e.version)));
        }
      }),
    );
  });

  it('shows a cursor the same snapshot while inserts go on all around it', () => {
    const keyOf = (n: number) => Buffer.from(`k${String(n).padStart(4, '0')}`);
    fc.assert(
      fc.property(fc.integer(), fc.boolean(), fc.integer({ min: 1, max: 8 }), (seed, reverse, near) => {
        const draw = dice(seed);
        const memtable = new Memtable(8 << 20);
        let version = 0;
        const insert = (n: number) => {
          const entry: Entry = {
            key: keyOf(n),
            version: versionOf(++version),
            type: TYPE_VALUE,
            value: VALUE,
          };
          expect(insertEntry(memtable, entry)).toBe(true);
        };
        for (let n = 0; n < 1000; n++) insert(n * 3);
        const cursor = memtable.cursor();
        const seen: string[] = [];
        for (
          reverse ? cursor.last() : cursor.first();
          cursor.valid;
          reverse ? cursor.prev() : cursor.next()
        ) {
          if (cursor.version > 1000) continue;
          const n = Number(
            text(cursor.keyBytes.slice(cursor.keyStart + 1, cursor.keyStart + cursor.keyLength)),
          );
          seen.push(text(keyOf(n)));
          for (let i = 0; i < 4; i++) insert(Math.max(0, n + Math.floor((draw() - 0.5) * 3 * 2 ** near)));
        }
        const all = Array.from({ length: 1000 }, (_, n) => text(keyOf(n * 3)));
        expect(seen).toEqual(reverse ? all.reverse() : all);
      }),
      { numRuns: 30 },
    );
  });

  it('says when it is full, changes nothing then, and takes any entry that its capacity was made for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 65_535 }),
        fc.constantFrom(0, 1, 100, 65_535, 65_536, 65_537, 200_000),
        (keyLength, valueLength) => {
          const memtable = new Memtable(Memtable.bytesNeeded(keyLength, valueLength));
          const value = Buffer.alloc(valueLength, 7);
          const insert = (keyByte: number) => {
            const key = Buffer.alloc(keyLength, keyByte);
            return memtable.insert(key, 0, keyLength, versionOf(1), TYPE_VALUE, value, 0, valueLength);
          };
          expect(insert(1)).toBe(true);
          let taken = 1;
          while (insert(taken + 1)) taken++;
          expect(memtable.entries).toBe(taken);
          expect(memtable.bytesUsed).toBeLessThanOrEqual(memtable.capacityBytes);
          expect(get(memtable, Buffer.alloc(keyLength, taken), versionOf(9))).toHaveLength(valueLength);
          expect(get(memtable, Buffer.alloc(keyLength, taken + 1), versionOf(9))).toBeUndefined();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps a copy of a large value', () => {
    const memtable = new Memtable(4 << 20);
    const value = Buffer.alloc(3 << 20, 5);
    expect(
      memtable.insert(Buffer.from('big'), 0, 3, versionOf(1), TYPE_VALUE, value, 1, value.length - 1),
    ).toBe(true);
    value.fill(6);
    expect(get(memtable, Buffer.from('big'), versionOf(1))).toBe('\x05'.repeat(value.length - 1));
    expect(memtable.bytesUsed).toBeGreaterThan(3 << 20);
    expect(memtable.insert(Buffer.from('big'), 0, 3, versionOf(2), TYPE_VALUE, value, 0, value.length)).toBe(
      false,
    );
  });

  it('finds keys longer than any it holds, and orders versions over 32 bits', () => {
    const memtable = new Memtable(Memtable.bytesNeeded(3, 5) + 100);
    const key = Buffer.from('abc');
    memtable.insert(key, 0, 3, versionOf(2 ** 40 + 1), TYPE_VALUE, VALUE, 0, 5);
    memtable.insert(key, 0, 3, versionOf(2 ** 32 - 1), TYPE_VALUE, VALUE, 0, 4);
    memtable.insert(key, 0, 3, (OVERLAY_FLOOR + 5) as Version, TYPE_VALUE, VALUE, 0, 3);
    const cursor = memtable.cursor();
    const long = Buffer.alloc(65_535, 'a');
    cursor.seek(long, 0, long.length, MAX_VERSION);
    expect(cursor.version).toBe(OVERLAY_FLOOR + 5);
    long.write('abc');
    cursor.seek(long, 0, long.length, MAX_VERSION);
    expect(cursor.valid).toBe(false);
    cursor.seekBefore(long, 0, long.length, true);
    expect(cursor.version).toBe(2 ** 32 - 1);
    expect(get(memtable, key, versionOf(2 ** 40))).toBe('valu');
    expect(get(memtable, key, MAX_VERSION)).toBe('val');
    expect(get(memtable, long, MAX_VERSION)).toBeUndefined();
  });
});

it('another thread reads the image of a full memtable, nothing of it copied', () => {
  const memtable = new Memtable(1 << 20);
  const large = new Uint8Array(70_000).fill(9);
  for (let i = 0; i < 1000; i++) {
    const key = Buffer.from(`key${(i * 7919) % 1000}`);
    const value = i % 400 === 0 ? large : Buffer.from(`value${i}`);
    expect(
      memtable.insert(key, 0, key.length, versionOf(i + 1), i % 3 === 0 ? 1 : 0, value, 0, value.length),
    ).toBe(true);
  }
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(memtable.image);
  const image = receiveMessageOnPort(port2)?.message as MemtableImage;
  port1.close();
  const copy = new Memtable(image.capacityBytes, image);
  expect([copy.entries, copy.deletes, copy.minVersion, copy.maxVersion]).toEqual([
    memtable.entries,
    memtable.deletes,
    memtable.minVersion,
    memtable.maxVersion,
  ]);
  const ours = memtable.cursor();
  const theirs = copy.cursor();
  for (ours.first(), theirs.first(); ours.valid; ours.next(), theirs.next()) {
    expect(showCursor(theirs)).toBe(showCursor(ours));
  }
  expect(theirs.valid).toBe(false);
  expect(copy.smallest).toEqual(memtable.smallest);
  expect(copy.largest).toEqual(memtable.largest);
  // The same memory: what is written there now, the other sees.
  const seen = theirs.keyBytes.buffer;
  expect(seen).toBeInstanceOf(SharedArrayBuffer);
  ours.keyBytes[image.tail * 4] = 77;
  expect(theirs.keyBytes[image.tail * 4]).toBe(77);
});
