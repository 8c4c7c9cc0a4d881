/** `refresh()` of a read-only database moves on, and leaves what is open where it is. */

import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { at } from '../../src/base/assert.ts';
import type { Snapshot } from '../../src/index.ts';
import { memoryDirectory, outcomeOf, type TextDb, TINY } from '../base/database.ts';
import { numbered, tableFiles } from '../base/sst-files.ts';
import { LONG_DATABASES } from './databases.ts';

interface Pair {
  /** Of what the reader reads. */
  readonly dir: string;
  readonly writer: TextDb;
  readonly reader: TextDb;
  /** Of the writer, beside the reader. */
  readonly removalsWaiting: () => number;
}

const fill = (db: Pick<TextDb, 'batch'>, value: string) =>
  db.batch(numbered(0, 300).map(([key]) => ({ type: 'put', key, value })));

const last = 'k000299';

describe.each(LONG_DATABASES)('$name', ({ openers }) => {
  const { openDatabase, nodesOf, dirsOf, readerBeside } = openers();

  /** A writer with flushed tables, and a reader that sees them. */
  async function pair(): Promise<Pair> {
    const dir = join(memoryDirectory(), 'db');
    const writer = await openDatabase(dir, TINY);
    await fill(writer, 'old');
    await fill(writer.keyspace('extra'), 'old');
    await writer.flush();
    const reader = await openDatabase(dir, { ...TINY, readOnly: true });
    const removalsWaiting = () => at(nodesOf(writer), readerBeside).stats().removalsWaiting;
    return { dir: at(dirsOf(dir), readerBeside), writer, reader, removalsWaiting };
  }

  test('snapshots, iterators and transactions that are open keep their state, new ones have the new', async () => {
    const { writer, reader } = await pair();
    const snapshot = reader.snapshot();
    const iterator = reader.values();
    const txn = reader.begin({ readOnly: true });
    const first = await iterator.nextv(10);
    await fill(writer, 'new');
    await writer.del(last);
    await writer.flush();
    await reader.refresh();
    expect(reader.stats().snapshots).toMatchObject({ open: 3, oldestVersion: snapshot.version });
    expect(reader.version).toBeGreaterThan(snapshot.version);

    expect(await reader.get(last)).toBeUndefined();
    expect(await reader.get(last, { snapshot })).toBe('old');
    expect(reader.getSync(last, { snapshot })).toBe('old');
    expect(await reader.has(last, { snapshot })).toBe(true);
    expect(await reader.getMany(['k000000', last], { snapshot })).toEqual(['old', 'old']);
    expect(new Set(await reader.values({ snapshot }).all())).toEqual(new Set(['old']));
    expect(await reader.keyspace('extra').get(last, { snapshot })).toBe('old');
    expect(await txn.get(last)).toBe('old');
    expect(await txn.keyspace(reader.keyspace('extra')).get(last)).toBe('old');
    expect([...first, ...(await iterator.all())]).toEqual(Array(300).fill('old'));
    expect(await reader.values().all()).toEqual(Array(299).fill('new'));

    await txn.commit();
    snapshot.close();
    expect(await outcomeOf(() => reader.get(last, { snapshot }))).toBe('CLOSED');
    expect(reader.stats().snapshots).toEqual({ open: 0, oldestVersion: undefined, oldestAgeMs: 0 });
    expect(await reader.get('k000000')).toBe('new');
  });

  test('each of many refreshes keeps what was opened before it, in whatever order they end', async () => {
    const { writer, reader } = await pair();
    const snapshots: Snapshot[] = [];
    for (let n = 0; n < 6; n++) {
      await writer.put('n', String(n));
      await writer.flush();
      await reader.refresh();
      await reader.refresh();
      snapshots.push(reader.snapshot());
    }
    for (const n of [3, 0, 5, 1, 4, 2]) {
      using snapshot = at(snapshots, n);
      expect(await reader.get('n', { snapshot })).toBe(String(n));
      await reader.refresh();
    }
    expect(await reader.get('n')).toBe('5');
  });

  test('reads that are under way end in the state that they began in', async () => {
    const { writer, reader } = await pair();
    await fill(writer, 'new');
    await writer.flush();
    const reads = [
      reader.get(last),
      reader.getMany(numbered(0, 300).map(([key]) => key)),
      reader.values().all(),
      reader.keyspace('extra').get(last),
    ];
    await reader.refresh();
    expect((await Promise.all(reads)).flat()).toEqual(Array(602).fill('old'));
    expect(await reader.get(last)).toBe('new');
  });

  describe('files', () => {
    test('L2: stay as long as something that was open before the refresh may read them, and go then', async () => {
      const { dir, writer, reader, removalsWaiting } = await pair();
      await fill(writer.keyspace('more'), 'old');
      await writer.flush();
      await reader.refresh();
      const extra = reader.keyspace('extra');
      const snapshot = reader.snapshot();
      const before = tableFiles(dir).length;
      await writer.dropKeyspace('extra');
      await reader.refresh();
      expect(await outcomeOf(() => reader.keyspace('extra'))).toBe('KEYSPACE_NOT_FOUND');
      // Another drop asks at once who still reads, so this need not wait for the next time.
      await writer.dropKeyspace('more');
      expect(removalsWaiting()).toBe(2);
      expect(tableFiles(dir)).toHaveLength(before);
      expect(await extra.get(last)).toBeUndefined();
      expect(await extra.values({ snapshot }).all()).toEqual(Array(300).fill('old'));
      snapshot.close();
      await vi.waitFor(() => expect(removalsWaiting()).toBe(1), { timeout: 60_000 });
      const between = tableFiles(dir).length;
      expect(between).toBeLessThan(before);
      await reader.refresh();
      await vi.waitFor(() => expect(removalsWaiting()).toBe(0), { timeout: 60_000 });
      expect(tableFiles(dir).length).toBeLessThan(between);
      expect(await reader.get(last)).toBe('old');
    });

    test('are let go of when the database is closed with snapshots open', async () => {
      const { writer, reader, removalsWaiting } = await pair();
      const snapshot = reader.snapshot();
      await writer.dropKeyspace('extra');
      await reader.refresh();
      await reader.close();
      expect(await outcomeOf(() => reader.get(last, { snapshot }))).toBe('CLOSED');
      snapshot.close();
      await vi.waitFor(() => expect(removalsWaiting()).toBe(0), { timeout: 60_000 });
    });
  });

  test('a snapshot of another database is refused, refreshed or not', async () => {
    const [one, two] = [await pair(), await pair()];
    const snapshot = two.reader.snapshot();
    const refused = 'TypeError: options.snapshot belongs to another database';
    expect(await outcomeOf(() => one.reader.get(last, { snapshot }))).toBe(refused);
    await two.reader.refresh();
    expect(await outcomeOf(() => one.reader.get(last, { snapshot }))).toBe(refused);
    expect(await outcomeOf(() => two.writer.get(last, { snapshot }))).toBe(refused);
    snapshot.close();
  });
});
