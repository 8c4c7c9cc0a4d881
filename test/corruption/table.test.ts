/** A table inside a database, damaged in any byte or cut at any length: right data or a typed error, in every way to read. */

import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { isSluiceError } from '../../src/index.ts';
import { memoryDirectory, openText } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { type Entry, tableFiles, writeSst } from '../base/sst-files.ts';
import { type Content, cuts, type Damage, flips, Image, openFiles, readings } from './damage.ts';

vi.setConfig({ testTimeout: 300_000 });

const DAMAGE_CODES = ['CORRUPTION', 'CHECKSUM_MISMATCH', 'UNSUPPORTED_FORMAT', 'COMPARATOR_MISMATCH'];
const CONTENT: Content = [
  ['a', 'put before'],
  ['b1', 'of the file'],
  ['b2', ''],
  ['c', 'put after'],
  ['d'.repeat(20), 'e'.repeat(40)],
];
/** Every byte with the test command. */
const STEP = LENGTH > 1 ? 1 : 2;
const KEYS = [...CONTENT.map(([key]) => key), 'b', 'b3', 'gone', 'zzz'];

/** A closed database: entries in the log, and one ingested table of several blocks. */
async function image(): Promise<{ image: Image; table: string }> {
  const dir = memoryDirectory();
  const path = join(dir, 'db');
  const db = await openText(path, { durability: 'os' });
  await db.batch([
    { type: 'put', key: 'a', value: 'put before' },
    { type: 'put', key: 'c', value: 'covered by the file' },
    { type: 'put', key: 'gone', value: 'deleted by the file' },
  ]);
  const entries: Entry[] = CONTENT.slice(1);
  const file = await writeSst(join(dir, 'in.sst'), [...entries, ['gone', undefined]], { blockBytes: 64 });
  await db.ingest(file.path);
  await db.put('c', 'put after');
  await db.close();
  const [name = ''] = tableFiles(path);
  return { image: new Image(path), table: `tables/${name}` };
}

/** Whether any way to read met the damage. Each shows the right data or a typed error; verify finds what a read meets. */
async function meets(image: Image, { what }: Damage, readOnly: boolean): Promise<boolean> {
  const outcome = await image.opened({ readOnly }, async (db) => {
    const shown = await readings(db, KEYS);
    for (const result of shown) {
      if (isSluiceError(result)) expect(DAMAGE_CODES, `${what}: ${result.message}`).toContain(result.code);
      else expect(result, what).toEqual(CONTENT);
    }
    const met = shown.some((result) => isSluiceError(result));
    const { ok, problems } = await db.verify({ full: true });
    if (met) expect(problems, what).not.toEqual([]);
    expect(ok).toBe(problems.length === 0);
    return !ok;
  });
  if (!isSluiceError(outcome)) return outcome;
  expect(DAMAGE_CODES, `${what}: ${outcome.message}`).toContain(outcome.code);
  return true;
}

test.each([
  ['changed in any byte', flips],
  ['cut at any length', cuts],
])('a table %s', async (_, damages) => {
  const { image: whole, table } = await image();
  const bytes = whole.read(table);
  const before = openFiles();
  let [met, n] = [0, 0];
  for (const [i, damage] of [...damages(bytes)].entries()) {
    if (i % STEP !== 0) continue;
    writeFileSync(join(whole.path, table), damage.bytes);
    if (await meets(whole, damage, n++ % 8 !== 0)) met++;
  }
  // All but the padding of the footer is covered by a checksum or has one value only.
  expect(met).toBeGreaterThan(n - 45);
  expect(n).toBe(Math.ceil(bytes.length / STEP));
  expect(openFiles()).toBeLessThan(before + 20);
  // The opens with a damaged table have cost nothing but what was damaged.
  writeFileSync(join(whole.path, table), bytes);
  expect(await meets(whole, { what: 'restored', bytes }, false)).toBe(false);
});

test('a table that is gone, or another in its place, is told at open or at the first read', async () => {
  const { image: whole, table } = await image();
  const bytes = whole.read(table);
  const other = await writeSst(`${whole.path}.other.sst`, [['b1', 'of another file']]);
  rmSync(join(whole.path, table));
  for (const readOnly of [true, false]) {
    const outcome = await whole.opened({ readOnly }, (db) => readings(db, KEYS));
    const errors = isSluiceError(outcome) ? [outcome] : outcome;
    for (const error of errors) expect(error).toMatchObject({ message: expect.stringContaining(table) });
  }
  copyFileSync(other.path, join(whole.path, table));
  const problems = await whole.opened({}, async (db) => (await db.verify()).problems);
  if (isSluiceError(problems)) throw problems;
  for (const what of ['bytes', 'entries', 'largest key']) {
    expect(problems).toContainEqual(expect.stringMatching(`${table}: .*${what}`));
  }
  writeFileSync(join(whole.path, table), bytes);
  expect(await meets(whole, { what: 'restored', bytes }, false)).toBe(false);
});
