/** Entries in plain form, and arbitraries of them: few short keys over a tiny alphabet, so that everything collides. */

import fc from 'fast-check';
import { compareBytes } from '../../src/base/bytes.ts';
import { type Cursor, PENDING, type Status } from '../../src/mvcc/cursor.ts';
import { type EntryType, TYPE_DELETE, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { Memtable } from '../../src/mvcc/memtable.ts';
import { type Version, versionOf } from '../../src/mvcc/version.ts';

export interface Entry {
  readonly key: Uint8Array;
  readonly version: Version;
  readonly type: EntryType;
  readonly value: Uint8Array;
}

export function compareEntries(a: Entry, b: Entry): number {
  return compareBytes(a.key, b.key) || b.version - a.version;
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

export function show(entry: Entry): string {
  return `${text(entry.key)}@${entry.version}${entry.type === TYPE_VALUE ? `=${text(entry.value)}` : ' deleted'}`;
}

/** The entry at a cursor, in the form of `show`; 'end' when it has none. */
export function showCursor(cursor: Cursor): string {
  if (!cursor.valid) return 'end';
  const { keyBytes, keyStart, keyLength, version, type, valueBytes, valueStart, valueLength } = cursor;
  const key = keyBytes.slice(keyStart, keyStart + keyLength);
  return show({ key, version, type, value: valueBytes.slice(valueStart, valueStart + valueLength) });
}

/** Runs a call until it is READY, loading each time it is PENDING. */
export function settle(cursor: { loadSync(): void }, call: () => Status): void {
  for (let tries = 0; call() === PENDING; tries++) {
    if (tries > 10_000) throw new Error('a call stays PENDING for ever');
    cursor.loadSync();
  }
}

export const keyArbitrary: fc.Arbitrary<Uint8Array> = fc
  .array(fc.constantFrom(0, 1, 97, 98, 255), { minLength: 1, maxLength: 7 })
  .map((bytes) => Uint8Array.from(bytes));

/** Distinct (key, version) pairs in random order. */
export function entriesArbitrary(
  maxLength: number,
  maxVersion = 30,
  size: fc.SizeForArbitrary = 'small',
): fc.Arbitrary<Entry[]> {
  const entry = fc.record({
    key: keyArbitrary,
    version: fc.integer({ min: 1, max: maxVersion }).map(versionOf),
    deleted: fc.integer({ min: 0, max: 2 }).map((n) => n === 0),
  });
  return fc
    .uniqueArray(entry, { maxLength, size, selector: (e) => `${text(e.key)}@${e.version}` })
    .map((entries) =>
      entries.map(({ key, version, deleted }) => ({
        key,
        version,
        type: deleted ? TYPE_DELETE : TYPE_VALUE,
        value: deleted ? new Uint8Array(0) : Buffer.from(`v${version}`),
      })),
    );
}

export function memtableOf(entries: readonly Entry[], capacityBytes = 1 << 20): Memtable {
  const memtable = new Memtable(capacityBytes);
  for (const entry of entries) {
    if (!insertEntry(memtable, entry)) throw new Error('the test memtable is too small');
  }
  return memtable;
}

export function insertEntry(memtable: Memtable, { key, version, type, value }: Entry): boolean {
  return memtable.insert(key, 0, key.length, version, type, value, 0, value.length);
}
