/** Random walks over a cursor, compared at each step with a sorted array. */

import fc from 'fast-check';
import { expect } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { type Cursor, PENDING } from '../../src/mvcc/cursor.ts';
import { type Version, versionOf } from '../../src/mvcc/version.ts';
import { compareEntries, type Entry, keyArbitrary, show, showCursor } from './entries.ts';

export type Step =
  | { readonly call: 'first' | 'last' | 'next' | 'prev' }
  | { readonly call: 'seek'; readonly key: Uint8Array; readonly version: Version }
  | { readonly call: 'seekBefore'; readonly key: Uint8Array; readonly inclusive: boolean };

const relative = fc.constantFrom('next' as const, 'prev' as const);

export const walkArbitrary: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { arbitrary: relative.map((call): Step => ({ call })), weight: 12 },
    {
      arbitrary: fc.constantFrom('first' as const, 'last' as const).map((call): Step => ({ call })),
      weight: 1,
    },
    {
      arbitrary: fc
        .record({ key: keyArbitrary, version: fc.integer({ min: 0, max: 32 }).map(versionOf) })
        .map((target): Step => ({ call: 'seek', ...target })),
      weight: 2,
    },
    {
      arbitrary: fc
        .record({ key: keyArbitrary, inclusive: fc.boolean() })
        .map((target): Step => ({ call: 'seekBefore', ...target })),
      weight: 2,
    },
  ),
  { maxLength: 60 },
);

/** Where the step leads in `sorted`; `at` is where it starts. Outside the array means: no entry. */
function modelStep(sorted: readonly Entry[], at: number, step: Step): number {
  switch (step.call) {
    case 'first':
      return 0;
    case 'last':
      return sorted.length - 1;
    case 'next':
      return at + 1;
    case 'prev':
      return at - 1;
    case 'seek': {
      const target = { ...step, type: 0 as const, value: new Uint8Array(0) };
      const index = sorted.findIndex((entry) => compareEntries(entry, target) >= 0);
      return index < 0 ? sorted.length : index;
    }
    case 'seekBefore': {
      const index = sorted.findIndex((entry) => {
        const order = compareBytes(entry.key, step.key);
        return step.inclusive ? order > 0 : order >= 0;
      });
      return (index < 0 ? sorted.length : index) - 1;
    }
  }
}

function runStep(cursor: Cursor, step: Step) {
  if (step.call === 'seek') return cursor.seek(step.key, 0, step.key.length, step.version);
  if (step.call === 'seekBefore') return cursor.seekBefore(step.key, 0, step.key.length, step.inclusive);
  return cursor[step.call]();
}

/**
 * REQUIRES: `sorted` is in internal order. A step from nowhere is left out, as the contract asks. `pending`: what stays
 * as it was while a call is pending.
 */
export function expectWalk(
  cursor: Cursor,
  sorted: readonly Entry[],
  walk: readonly Step[],
  pending: 'entry' | 'key' = 'entry',
): void {
  const cut = (shown: string): string => (pending === 'key' ? (shown.split(/[ =]/)[0] as string) : shown);
  let at = -1;
  for (const step of walk) {
    const here = sorted[at];
    if (here === undefined && (step.call === 'next' || step.call === 'prev')) continue;
    for (let tries = 0; runStep(cursor, step) === PENDING; tries++) {
      if (tries > 1000) expect.fail(`${step.call} stays PENDING for ever`);
      // PENDING: nothing has moved.
      expect(cut(showCursor(cursor))).toBe(here === undefined ? 'end' : cut(show(here)));
      cursor.loadSync();
    }
    at = modelStep(sorted, at, step);
    const there = sorted[at];
    expect(showCursor(cursor)).toBe(there === undefined ? 'end' : show(there));
  }
}
