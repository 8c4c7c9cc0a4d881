/** bzip2: streams of the program itself, and none that gets out of hand. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isSluiceError } from '../../../src/base/errors.ts';
import { bunzip2 } from '../../../src/import/format/sequencefile/bzip2.ts';
import { SeededRandom } from '../../base/seeded-random.ts';
import { bzip2 } from './bzip2-encoder.ts';
import { noise, runs, words } from './compressed-content.ts';

const folder = fileURLToPath(new URL('../../fixtures/compressed/', import.meta.url));
const file = (name: string) => readFileSync(`${folder}${name}`);
const equal = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

describe('what the program wrote', () => {
  for (const [name, content] of [
    ['words-1.bz2', words()],
    ['words-9.bz2', words()],
    ['runs.bz2', runs()],
    ['noise.bz2', noise()],
    ['empty.bz2', Buffer.alloc(0)],
  ] as const) {
    test(name, () => {
      expect(equal(bunzip2(file(name), content.length), content)).toBe(true);
      if (content.length > 0)
        expect(() => bunzip2(file(name), content.length - 1)).toThrow(/is over \d+ bytes long/);
    });
  }

  test('several streams after each other are one', () => {
    const three = Buffer.concat([file('runs.bz2'), file('empty.bz2'), file('noise.bz2')]);
    expect(equal(bunzip2(three, 1 << 20), Buffer.concat([runs(), noise()]))).toBe(true);
    expect(() => bunzip2(Buffer.concat([file('runs.bz2'), Buffer.from('more')]), 1 << 20)).toThrow(/BZh/);
  });
});

test('a stream that is cut short anywhere is damaged', () => {
  for (const whole of [file('runs.bz2'), bzip2(Buffer.from('banana'.repeat(30)), 50)])
    for (let length = 0; length < whole.length; length++)
      expect(() => bunzip2(whole.subarray(0, length), 1 << 20)).toThrow(/bzip2: /);
});

test('a stream that was changed anywhere is damaged, or the same: it never becomes another', () => {
  const random = new SeededRandom(11);
  for (const [whole, content] of [
    [file('runs.bz2'), runs()],
    [file('noise.bz2'), noise()],
    [bzip2(Buffer.from('banana'.repeat(30)), 50), Buffer.from('banana'.repeat(30))],
  ] as const) {
    for (let i = 0; i < 400; i++) {
      const changed = Uint8Array.from(whole);
      const at = random.below(whole.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
      try {
        // A bit that only says how large blocks may be, or one of a table that is not used.
        expect(equal(bunzip2(changed, 1 << 20), content)).toBe(true);
      } catch (error) {
        if (!isSluiceError(error, 'BAD_INPUT')) throw error;
      }
    }
  }
});
