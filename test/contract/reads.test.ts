/** One contract of reading, through every door. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IteratorOptions } from '../../src/index.ts';
import { outcomeOf } from '../base/database.ts';
import { LONG_DATABASES } from './databases.ts';
import { CONTENT, DOORS, openDoor } from './doors.ts';

type Options = IteratorOptions<'utf8', 'utf8'>;
type Pair = readonly [string, string];

const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The contract, said with an array. */
function expected({ gt, gte, lt, lte, reverse, limit = -1 }: Options): Pair[] {
  const inside = CONTENT.filter(
    ([key]) =>
      (gt === undefined || order(key, String(gt)) > 0) &&
      (gte === undefined || order(key, String(gte)) >= 0) &&
      (lt === undefined || order(key, String(lt)) < 0) &&
      (lte === undefined || order(key, String(lte)) <= 0),
  );
  if (reverse) inside.reverse();
  return limit === -1 ? inside : inside.slice(0, limit);
}

const ENDS = ['', '\0', 'a', 'a\0', 'aa', 'm0040', 'm0041', 'm0200', 'zz', '\u{10ffff}', '\u{10ffff}\0'];

const RANGES: Options[] = [
  {},
  ...ENDS.flatMap((end): Options[] => [{ gt: end }, { gte: end }, { lt: end }, { lte: end }]),
  { gte: 'a', lt: 'b' },
  { gt: 'a', lte: 'b' },
  { gt: 'm0040', lt: 'm0042' },
  { gte: 'm0041', lte: 'm0041' },
  { gt: 'b', lt: 'a' },
  { gte: 'z', lt: 'z' },
  { gt: 'a', gte: 'aa' },
  { gt: 'aa', gte: 'a' },
  { lt: 'm0100', lte: 'm0200', gte: 'm0090' },
  { lt: 'm0200', lte: 'm0100', gte: 'm0090' },
];

const EVERY_WAY: Options[] = RANGES.flatMap((range) => [
  range,
  { ...range, reverse: true },
  { ...range, limit: 3 },
  { ...range, limit: 3, reverse: true },
  { ...range, limit: 0 },
]);

describe.each(LONG_DATABASES)('$name', ({ openers, every }) => {
  const { openText } = openers();
  const doors = Object.keys(DOORS).filter((_, i) => i % every === 0);

  describe.each(doors)('%s', (name) => {
    let door: Awaited<ReturnType<typeof openDoor>>;
    beforeAll(async () => {
      door = await openDoor(name, openText);
    });
    afterAll(() => door.close());

    test('finds every key, and no other, by every way to ask for one', async () => {
      const { reader, options } = door;
      for (const [key, value] of CONTENT) {
        expect(await reader.get(key, options)).toBe(value);
        expect(reader.getSync(key, options)).toBe(value);
        expect(await reader.has(key, options)).toBe(true);
      }
      for (const key of [
        '\0\0',
        'a!gone',
        'ac',
        'm',
        'm0001',
        'm9999',
        'zzz',
        '\u{10ffff}a',
        'x'.repeat(65_535),
      ]) {
        expect(await reader.get(key, options)).toBeUndefined();
        expect(reader.getSync(key, options)).toBeUndefined();
        expect(await reader.has(key, options)).toBe(false);
      }
      const asked = ['zz', 'missing', 'a', 'a', 'm0040'];
      const values = asked.map((key) => CONTENT.find(([known]) => known === key)?.[1]);
      expect(await reader.getMany(asked, options)).toEqual(values);
      expect(await reader.getMany([], options)).toEqual([]);
    });

    test('iterates any range, both ways, limited or not', async () => {
      const { reader, options } = door;
      for (const range of EVERY_WAY) {
        const entries = await reader.iterator({ ...range, ...options }).all();
        expect(entries, JSON.stringify(range)).toEqual(expected(range));
      }
      expect(await reader.keys(options).all()).toEqual(CONTENT.map(([key]) => key));
      expect(await reader.values({ reverse: true, ...options }).all()).toEqual(
        CONTENT.map(([, value]) => value).reverse(),
      );
    });

    test('hands entries out one by one, by number and by for await, alike', async () => {
      const { reader, options } = door;
      for (const range of [{}, { reverse: true }, { gte: 'm0020', lt: 'm0200' }, { limit: 131 }]) {
        const wanted = expected(range);
        const one = reader.iterator({ ...range, ...options });
        for (const entry of wanted) expect(await one.next()).toEqual(entry);
        expect(await one.next()).toBeUndefined();
        expect(await one.next()).toBeUndefined();
        one.close();
        const many = reader.iterator({ ...range, ...options });
        const got: Pair[] = [];
        for (let more = await many.nextv(7); more.length > 0; more = await many.nextv(7)) {
          expect(more.length).toBeLessThanOrEqual(7);
          got.push(...more);
        }
        many.close();
        expect(got).toEqual(wanted);
        const looped: Pair[] = [];
        for await (const entry of reader.iterator({ ...range, ...options })) looped.push(entry);
        expect(looped).toEqual(wanted);
      }
    });

    test('a cursor shows the same, in batches of any size, waiting or not', async () => {
      const { reader, options } = door;
      for (const [n, range] of EVERY_WAY.entries()) {
        const cursor = reader.cursor({ ...range, ...options });
        const size = [1, 2, 7, 1000][n % 4] as number;
        const got: Pair[] = [];
        for (let step = 0; ; step++) {
          const batch = step % 2 === 0 ? await cursor.nextBatch(size) : cursor.nextBatchSync(size);
          if (batch === undefined) break;
          expect(batch.count).toBeGreaterThan(0);
          expect(batch.count).toBeLessThanOrEqual(size);
          for (let i = 0; i < batch.count; i++) got.push([String(batch.key(i)), String(batch.value(i))]);
        }
        expect(await cursor.nextBatch()).toBeUndefined();
        cursor.close();
        expect(got, JSON.stringify(range)).toEqual(expected(range));
      }
      const cursor = reader.cursor({ gte: 'aa', ...options });
      for (const target of ['m0041', '', 'zz']) {
        cursor.seek(target);
        const after = expected({ gte: 'aa' }).filter(([key]) => order(key, target) >= 0);
        expect(String((await cursor.nextBatch(5))?.key(0))).toBe(after[0]?.[0]);
      }
      cursor.close();
    });

    test('seeks within its bounds, forward and back', async () => {
      const { reader, options } = door;
      const bounds = { gte: 'a\0', lte: 'm0200' };
      const forward = reader.iterator({ ...bounds, ...options });
      const backward = reader.iterator({ ...bounds, reverse: true, ...options });
      for (const target of ['m0040', 'a', 'm0041', 'm0200', 'm0201', '', 'zzz', 'aa', 'aa\0', 'm0002']) {
        forward.seek(target);
        const after = expected(bounds).filter(([key]) => order(key, target) >= 0);
        expect([await forward.next(), await forward.next()], target).toEqual([after[0], after[1]]);
        backward.seek(target);
        const before = expected({ ...bounds, reverse: true }).filter(([key]) => order(key, target) <= 0);
        expect([await backward.next(), await backward.next()], target).toEqual([before[0], before[1]]);
      }
      forward.close();
      backward.close();
    });

    test('shows each encoding what it asked for', async () => {
      const { reader, options } = door;
      const buffer = await reader.get('aa', { ...options, valueEncoding: 'buffer' });
      expect(buffer).toBeInstanceOf(Buffer);
      expect(buffer?.toString()).toBe(await reader.get('aa', options));
      const view = await reader.get(Buffer.from('aa'), { ...options, valueEncoding: 'view' });
      expect(Buffer.isBuffer(view)).toBe(false);
      expect(Buffer.from(view ?? []).toString()).toBe(await reader.get('aa', options));
      const [first] = await reader.iterator({ ...options, gte: 'a', keyEncoding: 'view' }).all();
      expect(first?.[0]).toEqual(Uint8Array.of(97));
      expect(await outcomeOf(() => reader.get('aa', { ...options, valueEncoding: 'json' }))).toBe(
        'CORRUPTION',
      );
    });

    test('stops for a signal, and a closed iterator says so', async () => {
      const { reader, options } = door;
      const abort = new AbortController();
      const iterator = reader.iterator({ ...options, signal: abort.signal });
      expect((await iterator.nextv(5)).length).toBeGreaterThan(0);
      abort.abort(new Error('enough'));
      expect(await outcomeOf(() => iterator.nextv(5))).toBe('ABORTED');
      await iterator[Symbol.asyncDispose]();
      iterator.close();
      expect(await outcomeOf(() => iterator.next())).toBe('CLOSED');
      expect(await outcomeOf(() => iterator.nextv(1))).toBe('CLOSED');
      expect(await outcomeOf(() => iterator.all())).toBe('CLOSED');
      expect(await outcomeOf(() => iterator.seek('a'))).toBe('CLOSED');
      const call = { ...options, signal: abort.signal };
      expect(await outcomeOf(() => reader.get('a', call))).toBe('ABORTED');
      expect(await outcomeOf(() => reader.getMany(['a'], call))).toBe('ABORTED');
      const error = await reader.get('a', call).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'AbortError', cause: { message: 'enough' } });
    });

    test('breaking out of a loop closes the iterator', async () => {
      const { reader, options } = door;
      const iterator = reader.iterator(options);
      for await (const [key] of iterator) if (key === 'b') break;
      expect(await outcomeOf(() => iterator.next())).toBe('CLOSED');
    });
  });
});
