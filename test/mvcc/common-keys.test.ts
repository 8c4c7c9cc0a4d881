/** CommonKeys: what both sources have, whatever call is pending and however far apart they lie. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { CommonKeys, EntryKeys, SLICE } from '../../src/mvcc/common-keys.ts';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { type Entry, entriesArbitrary, keyArbitrary, memtableOf, text } from './entries.ts';
import { ALWAYS_PENDING, dice, StutterCursor } from './stutter-cursor.ts';

function all(common: CommonKeys): string[] {
  const keys: string[] = [];
  for (let tries = 0; tries < 1e6; tries++) {
    const status = common.next();
    if (status === PENDING) common.loadSync();
    else if (status !== SLICE) {
      if (common.key === undefined) return keys;
      keys.push(text(common.key));
    }
  }
  throw new Error('it goes on for ever');
}

const sorted = (keys: Iterable<string>): string[] =>
  [...new Set(keys)].sort((a, b) => compareBytes(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1')));

it('finds what two sources share, from a key on, of the versions that are seen', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(keyArbitrary, { maxLength: 40, selector: text }),
      entriesArbitrary(60),
      keyArbitrary,
      fc.boolean(),
      fc.option(fc.integer(), { nil: undefined }),
      (lefts, rights, from, alsoEven, seed) => {
        const chance = seed === undefined ? ALWAYS_PENDING : dice(seed);
        const left = lefts.map((key): Entry => {
          return { key, version: versionOf(1), type: TYPE_VALUE, value: new Uint8Array(0) };
        });
        const also = (_: Uint8Array, __: number, length: number): boolean => length % 2 === 0;
        const cursor = (entries: readonly Entry[]): StutterCursor =>
          new StutterCursor(memtableOf(entries).cursor(), chance);
        const common = new CommonKeys(
          new EntryKeys(cursor(left)),
          new EntryKeys(cursor(rights), (version) => version <= 15),
          from,
          alsoEven ? also : undefined,
        );
        const there = new Set(rights.filter(({ version }) => version <= 15).map(({ key }) => text(key)));
        const wanted = lefts.filter(
          (key) =>
            compareBytes(key, from) >= 0 && (there.has(text(key)) || (alsoEven && key.length % 2 === 0)),
        );
        expect(all(common)).toEqual(sorted(wanted.map(text)));
        expect(common.key).toBeUndefined();
      },
    ),
    { numRuns: 1000 },
  );
});

it('leaps: a few keys against very many cost a few seeks', () => {
  const many = Array.from({ length: 2000 }, (_, n): Entry => {
    return {
      key: Buffer.from(String(n).padStart(6, '0')),
      version: versionOf(1),
      type: TYPE_VALUE,
      value: Buffer.from('v'),
    };
  });
  const few = [10, 1000, 1001, 1999].map((n) => many[n] as Entry);
  let calls = 0;
  const counted = (entries: readonly Entry[]): StutterCursor =>
    new StutterCursor(memtableOf(entries).cursor(), () => {
      calls++;
      return 1;
    });
  const common = new CommonKeys(new EntryKeys(counted(few)), new EntryKeys(counted(many)), Buffer.from('0'));
  expect(all(common)).toEqual(few.map(({ key }) => text(key)));
  expect(calls).toBeLessThan(60);
});
