/** The manifest of a database, cut short or with a damaged meta page: a typed error or right data, and the process lives. */

import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Child } from '../base/child.ts';
import { memoryDirectory, openText } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { writeSst } from '../base/sst-files.ts';
import { type Damage, flips, Image } from './damage.ts';

vi.setConfig({ testTimeout: 300_000 });

const DATA = 'manifest/data.mdb';
const CHILD = new URL('./manifest-child.ts', import.meta.url);
const CODES = ['CORRUPTION', 'UNSUPPORTED_FORMAT', 'NOT_A_DATABASE', 'COMPARATOR_MISMATCH'];
const PAGE_BYTES = 4096;
const META_BYTES = 168;
/** Every byte with the test command. */
const STEP = LENGTH > 1 ? 1 : 3;

async function image(): Promise<{ whole: Image; content: readonly unknown[] }> {
  const dir = memoryDirectory();
  const path = join(dir, 'db');
  const db = await openText(path, { durability: 'os' });
  // Many rows, so that the tree has branches, and free pages.
  for (let n = 0; n < 60; n++) db.keyspace(`keyspace ${n} ${'x'.repeat(40)}`);
  for (let n = 0; n < 60; n += 2) await db.dropKeyspace(`keyspace ${n} ${'x'.repeat(40)}`);
  await db.put('a', 'put and flushed');
  await db.flush();
  const file = await writeSst(join(dir, 'in.sst'), [['b', 'ingested']]);
  await db.ingest(file.path);
  await db.put('c', 'in the log');
  const content = await db.iterator().all();
  await db.close();
  return { whole: new Image(path), content };
}

/** One process for many cases; another when one has died, which is reported. */
class Shower {
  readonly died: string[] = [];
  #child = new Child(CHILD);

  async show(whole: Image, { what, bytes }: Damage, content: readonly unknown[]): Promise<string> {
    let codes = '';
    for (const readOnly of [true, false]) {
      whole.restore(DATA, bytes);
      try {
        const shown = await this.#child.ask('show', whole.path, readOnly);
        expect(shown, what).toEqual([content, content, []]);
        codes += 'ok ';
      } catch (error) {
        const { code, message } = error as Error & { code?: string };
        if (message.startsWith('the child ended')) {
          this.died.push(`${what}, readOnly ${readOnly}: ${message}`);
          this.#child = new Child(CHILD);
        } else if (code === undefined) throw error;
        else expect(CODES, `${what}: ${message}`).toContain(code);
        codes += `${code} `;
      }
    }
    return codes;
  }
}

test('cut at a range of lengths', async () => {
  const { whole, content } = await image();
  const bytes = whole.read(DATA);
  expect(bytes.length).toBeGreaterThan(10 * PAGE_BYTES);
  const shower = new Shower();
  for (let length = 0; length < bytes.length; length += STEP * (length < 2 * PAGE_BYTES ? 331 : 1024)) {
    const cut = { what: `length ${length} of ${bytes.length}`, bytes: bytes.subarray(0, length) };
    await shower.show(whole, cut, content);
  }
  expect(shower.died.join('; ')).toBe('');
  expect(await shower.show(whole, { what: 'restored', bytes }, content)).toBe('ok ok ');
});

test('any byte of its meta pages changed', async () => {
  const { whole, content } = await image();
  const bytes = whole.read(DATA);
  const shower = new Shower();
  for (const page of [0, PAGE_BYTES]) {
    for (const [i, damage] of [...flips(bytes.subarray(page, page + META_BYTES))].entries()) {
      if (i % STEP !== 0) continue;
      const damaged = Buffer.from(bytes);
      damaged.set(damage.bytes, page);
      await shower.show(whole, { what: `page ${page}, ${damage.what}`, bytes: damaged }, content);
    }
  }
  expect(shower.died.join('; ')).toBe('');
});

test.each([
  { how: 'cut', bytes: 0 },
  { how: 'cut', bytes: 4096 },
  { how: 'cut', bytes: 3 * PAGE_BYTES },
  { how: 'cut', bytes: 1 << 30 },
  { how: 'remove', bytes: 0 },
  { how: 'replace', bytes: 0 },
])('under an open database: $how, to $bytes bytes', async ({ how, bytes }) => {
  const child = new Child(CHILD);
  expect(await child.ask('live', join(memoryDirectory(), 'db'), how, bytes)).toEqual({
    outcomes: ['CORRUPTION', 'CORRUPTION', 'POISONED', 'POISONED'],
    values: ['1', '1'],
  });
});
