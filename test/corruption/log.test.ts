/** The log of a database, damaged in any byte or cut at any length: a typed error, or the state after one of its commits. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isSluiceError } from '../../src/index.ts';
import { memoryDirectory, openText } from '../base/database.ts';
import { type Content, cuts, type Damage, flips, Image, openFiles, readings } from './damage.ts';

const SEGMENT = 'wal/000001.wal';
const OPTIONS = { walSegmentBytes: 1024, durability: 'fsync' } as const;
const KEYS = ['a', 'b', 'c', 'd', 'e'];
/** Each batch is one commit; undefined deletes. */
const COMMITS: readonly Readonly<Record<string, string | undefined>>[] = [
  { a: '1', b: '1' },
  { a: '2', c: 'x'.repeat(30) },
  { b: undefined, d: '' },
  { a: '4', b: '4', c: undefined, e: '4' },
];

/** What is there after so many of the commits. */
function stateAfter(count: number): Content {
  const state = Object.assign({}, ...COMMITS.slice(0, count)) as Record<string, string | undefined>;
  return KEYS.flatMap((key) => {
    const value = state[key];
    return value === undefined ? [] : [[key, value] as const];
  });
}

/** With all commits in the log, as a close or, without one, a crash leaves it. */
async function image(closed: boolean): Promise<Image> {
  const path = join(memoryDirectory(), 'db');
  const db = await openText(path, OPTIONS);
  for (const commit of COMMITS) {
    await db.batch(
      Object.entries(commit).map(([key, value]) =>
        value === undefined ? { type: 'del', key } : { type: 'put', key, value },
      ),
    );
  }
  if (!closed) {
    const crashed = new Image(path);
    await db.close();
    return crashed;
  }
  await db.close();
  return new Image(path);
}

/** How many commits are there, -1 when the damage is told instead; as the writer and as a reader beside it see it. */
async function survivors(whole: Image, damage: Damage): Promise<{ writer: number; reader: number }> {
  const counts: number[] = [];
  for (const readOnly of [true, false]) {
    whole.restore(SEGMENT, damage.bytes);
    const before = readdirSync(join(whole.path, 'wal'));
    const outcome = await whole.opened({ ...OPTIONS, readOnly }, (db) => readings(db, KEYS));
    if (isSluiceError(outcome)) {
      expect(['CORRUPTION', 'UNSUPPORTED_FORMAT'], `${damage.what}: ${outcome.message}`).toContain(
        outcome.code,
      );
      expect(outcome.message).toContain(SEGMENT);
      expect(readdirSync(join(whole.path, 'wal')), damage.what).toEqual(before);
      counts.push(-1);
      continue;
    }
    const count = COMMITS.findIndex((_, n) => isShown(outcome, stateAfter(n)));
    const all = isShown(outcome, stateAfter(COMMITS.length));
    expect(all || count >= 0, `${damage.what}: ${JSON.stringify(outcome)}`).toBe(true);
    counts.push(all ? COMMITS.length : count);
  }
  const [reader = -1, writer = -1] = counts;
  return { writer, reader };
}

function isShown(readings: readonly unknown[], state: Content): boolean {
  const text = JSON.stringify(state);
  return readings.every((reading) => JSON.stringify(reading) === text);
}

test('the newest segment as a crash leaves it, changed in any byte: what a later group proves durable is there, or the damage is told', async () => {
  const whole = await image(false);
  const bytes = whole.read(SEGMENT);
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const files = openFiles();
  let told = 0;
  for (const damage of flips(bytes.subarray(0, end + 8))) {
    const { writer } = await survivors(whole, damage);
    if (writer < 0) told++;
    else expect(writer, damage.what).toBeGreaterThanOrEqual(COMMITS.length - 1);
  }
  expect(told).toBeGreaterThan(end / 2);
  expect(openFiles()).toBeLessThan(files + 20);
});

test('a sealed segment changed in any byte: all is there, or the damage is told', async () => {
  const whole = await image(true);
  for (const damage of flips(whole.read(SEGMENT))) {
    const { writer, reader } = await survivors(whole, damage);
    if (writer >= 0) expect(writer, damage.what).toBe(COMMITS.length);
    expect(reader, damage.what).toBeLessThanOrEqual(COMMITS.length);
  }
});

test('cut at any length: the commits before are there, the more the longer', async () => {
  const whole = await image(false);
  const bytes = whole.read(SEGMENT);
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  let most = 0;
  for (const damage of cuts(bytes.subarray(0, end + 1))) {
    const { writer } = await survivors(whole, damage);
    expect(writer, damage.what).toBeGreaterThanOrEqual(most);
    most = writer;
  }
  expect(most).toBe(COMMITS.length);
});
