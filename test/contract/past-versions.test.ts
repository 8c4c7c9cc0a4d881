/** `db.snapshot({ at })`: the past reads as it was as far as it is kept, and is refused beyond. */

import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { describe, expect, test, vi } from 'vitest';
import { at } from '../../src/base/assert.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/index.ts';
import {
  COUNTERS_KEY,
  DATABASE_KEY,
  decodeCounters,
  decodeDatabase,
  encodeCounters,
  encodeDatabase,
} from '../../src/manifest/format.ts';
import {
  memoryDirectory,
  openDatabase as openAlone,
  outcomeOf,
  type TextDb,
  TINY,
} from '../base/database.ts';
import { tableFiles, writeSst } from '../base/sst-files.ts';
import { LONG_DATABASES } from './databases.ts';

const BY_HAND = { ...TINY, compaction: 'off' as const, memtableBytes: 1 << 16 };
/** Of a cluster, the least. */
const WINDOW_VERSIONS = 16;
const KEPT = { ...BY_HAND, keepHistoryMs: 3_600_000 };

/** Puts the values one after the other; resolves with the version of each. */
async function putAll(db: Pick<TextDb, 'batch'>, whole: TextDb, values: string[]): Promise<number[]> {
  const versions: number[] = [];
  for (const value of values) {
    await db.batch([{ type: 'put', key: 'k', value }]);
    versions.push(whole.version);
  }
  return versions;
}

async function valuesAt(db: TextDb, versions: readonly number[], keyspace = 'default'): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const at of versions) {
    using snapshot = db.snapshot({ at });
    values.push(await db.keyspace(keyspace).get('k', { snapshot }));
  }
  return values;
}

describe.each(LONG_DATABASES)('$name', ({ openers }) => {
  const { openDatabase, nodesOf, dirsOf, settled } = openers();

  /** How many files keyspaces have, those that are dropped and kept too: the same number on all nodes, if they are alike. */
  const tablesOf = (db: TextDb, dir: string): ReadonlySet<number> =>
    new Set(
      nodesOf(db).map(
        (node, i) => tableFiles(at(dirsOf(dir), i)).length - (node.stats().replica?.tables ?? 0),
      ),
    );

  test('every version reads as it was, flushed, compacted, reopened, and beside the writer', async () => {
    const dir = join(memoryDirectory(), 'db');
    const db = await openDatabase(dir, KEPT);
    const [before] = [db.version];
    const versions = [before, ...(await putAll(db, db, ['1', '2', '3']))];
    const wanted = [undefined, '1', '2', '3'];
    expect(await valuesAt(db, versions)).toEqual(wanted);
    await db.flush();
    await db.compactRange();
    expect(await valuesAt(db, versions)).toEqual(wanted);
    expect(db.stats()).toMatchObject({ oldestReadableVersion: 0, snapshots: { open: 0 } });
    const reader = await openDatabase(dir, { ...BY_HAND, readOnly: true });
    expect(await valuesAt(reader, versions)).toEqual(wanted);
    await db.close();
    const again = await openDatabase(dir, KEPT);
    expect(await valuesAt(again, versions)).toEqual(wanted);
  });

  test('what compaction may have taken is refused, from the turn on in which it was begun', async () => {
    const dir = join(memoryDirectory(), 'db');
    const db = await openDatabase(dir, BY_HAND);
    const [first = 0, second = 0, third = 0] = await putAll(db, db, ['1', '2', '3']);
    await db.flush();
    using held = db.snapshot({ at: second });
    const compacting = db.compactRange();
    await expect.poll(() => db.stats().compaction.running, { interval: 0 }).toBe(1);
    expect(await outcomeOf(() => db.snapshot({ at: first }))).toBe('TOO_OLD');
    await compacting;
    expect(await db.get('k', { snapshot: held })).toBe('2');
    expect(await valuesAt(db, [third])).toEqual(['3']);
    expect(db.stats().oldestReadableVersion).toBe(third);
    try {
      db.snapshot({ at: third - 1 });
      expect.unreachable();
    } catch (error) {
      expect(error).toSatisfy(isSluiceError);
      expect(error).toMatchObject({ code: 'TOO_OLD', retryable: false });
      expect(String(error)).toContain(`the oldest that can be read is ${third}`);
    }
    const reader = await openDatabase(dir, { ...BY_HAND, readOnly: true });
    expect(reader.stats().oldestReadableVersion).toBe(third);
    expect(await outcomeOf(() => reader.snapshot({ at: first }))).toBe('TOO_OLD');
  });

  test('a snapshot of the past holds it against compaction, though the history would not', async () => {
    const db = await openDatabase(join(memoryDirectory(), 'db'), BY_HAND);
    const [first = 0] = await putAll(db, db, ['1', '2', '3']);
    await db.flush();
    const snapshot = db.snapshot({ at: first });
    await db.compactRange();
    expect(await db.get('k', { snapshot })).toBe('1');
    expect(await db.values({ snapshot }).all()).toEqual(['1']);
    expect(db.stats().snapshots.oldestVersion).toBe(first);
    snapshot.close();
  });

  test('L1: a version in the middle of a commit reads as the commit before it', async () => {
    const home = memoryDirectory();
    const dir = join(home, 'db');
    await writeSst(join(home, 'in.sst'), [['file', '1']]);
    const db = await openDatabase(dir, KEPT);
    await db.put('k', 'before');
    const before = db.version;
    await db.transaction(async (txn) => {
      txn.put('k', 'early');
      await txn.ingest(join(home, 'in.sst'));
      txn.put('k', 'late');
    });
    const after = db.version;
    expect(after - before).toBeGreaterThan(1);
    const look = async (from: TextDb) => {
      for (let at = before; at < after; at++) {
        using snapshot = from.snapshot({ at });
        expect(snapshot.version).toBe(before);
        expect(await from.iterator({ snapshot }).all()).toEqual([['k', 'before']]);
      }
      expect(await valuesAt(from, [after])).toEqual(['late']);
    };
    await look(db);
    await db.compactRange();
    await look(db);
    await db.checkpoint(join(home, 'checkpoint'));
    // A node's too is a database.
    await look(await openAlone(join(home, 'checkpoint'), KEPT));
    await db.close();
    await look(await openDatabase(dir, { ...BY_HAND, readOnly: true }));
  });

  test('a dropped keyspace is there in the past, what was only in memory too, until the history has passed it', async () => {
    const dir = join(memoryDirectory(), 'db');
    let aheadMs = 0;
    const clock = { ...nodeEnv.clock, monotonicMs: () => nodeEnv.clock.monotonicMs() + aheadMs };
    const options = { ...KEPT, env: { ...nodeEnv, clock } };
    const db = await openDatabase(dir, options);
    const gone = db.keyspace('gone');
    const [first = 0] = await putAll(gone, db, ['1']);
    await db.flush();
    const [second = 0] = await putAll(gone, db, ['2']);
    await db.dropKeyspace('gone');
    const dropped = db.version;
    expect(db.keyspaces()).toEqual(['default']);
    {
      using now = db.snapshot();
      await db.put('other', '1');
      expect(now.version).toBe(dropped);
      using snapshot = db.snapshot({ at: second });
      expect(await gone.get('k', { snapshot })).toBe('2');
    }
    await db.flush();
    await db.close();
    const again = await openDatabase(dir, options);
    again.keyspace('gone');
    await settled();
    expect(await valuesAt(again, [first, second, dropped, again.version], 'gone')).toEqual([
      '1',
      '2',
      undefined,
      undefined,
    ]);
    await again.put('a', '1');
    aheadMs += 2 * KEPT.keepHistoryMs;
    expect(tablesOf(again, dir)).toEqual(new Set([3]));
    await again.put('a', '2');
    await expect.poll(() => tablesOf(again, dir)).toEqual(new Set([1]));
    const { oldestReadableVersion: oldest, version } = again.stats();
    expect(oldest).toBe(version - 1);
    expect(await outcomeOf(() => again.snapshot({ at: oldest - 1 }))).toBe('TOO_OLD');
    expect(await valuesAt(again, [oldest], 'gone')).toEqual([undefined]);
  });

  test('the log of a dropped keyspace goes once its memtables are tables, though the history keeps it', async () => {
    const options = { ...KEPT, walSegmentBytes: 1 << 12 };
    const dir = join(memoryDirectory(), 'db');
    const db = await openDatabase(dir, options);
    const gone = db.keyspace('gone');
    await putAll(gone, db, ['1']);
    await db.dropKeyspace('gone');
    // A long log has the memtables sealed for whose sake it is kept.
    await vi.waitFor(async () => {
      for (let i = 0; i < 20; i++) await db.put('k', 'x'.repeat(500));
      expect(Math.min(...tablesOf(db, dir))).toBeGreaterThan(1);
      for (const node of nodesOf(db)) expect(node.stats().log.segments).toBeLessThan(6);
    }, 60_000);
  });

  test('the garbage of range deletions waits for the history', async () => {
    const home = memoryDirectory();
    await writeSst(join(home, 'in.sst'), [['k', '1']]);
    const kept = await openDatabase(join(home, 'kept'), KEPT);
    const free = await openDatabase(join(home, 'free'), {
      ...BY_HAND,
      ...{ windowVersions: WINDOW_VERSIONS },
    });
    for (const db of [kept, free]) {
      await db.ingest(join(home, 'in.sst'));
      await db.deleteRange({ gte: 'a', lt: 'z' });
    }
    const inLevels = (node: TextDb): number =>
      node
        .stats()
        .keyspaces.reduce((sum, { levels }) => sum + levels.reduce((all, { tables }) => all + tables, 0), 0);
    await expect.poll(() => nodesOf(free).map(inLevels)).toEqual(nodesOf(free).map(() => 0));
    expect(free.stats().oldestReadableVersion).toBe(free.version);
    expect(await outcomeOf(() => free.snapshot({ at: free.version - 1 }))).toBe('TOO_OLD');
    await kept.compactRange();
    expect(await valuesAt(kept, [kept.version - 1, kept.version])).toEqual(['1', undefined]);
    // In a cluster the window holds the file for so many commits, whoever may still ask it.
    for (let n = 0; n < 2 * WINDOW_VERSIONS; n++) await free.put('k', String(n));
    await expect.poll(() => tablesOf(free, join(home, 'free'))).toEqual(new Set([0]));
  });

  test('arguments', async () => {
    const db = await openDatabase(join(memoryDirectory(), 'db'), BY_HAND);
    for (const at of [-1, 0.5, Number.NaN, 2 ** 53, '1', null]) {
      expect(() => db.snapshot({ at: at as number })).toThrow(TypeError);
    }
    expect(() => db.snapshot(null as never)).toThrow(TypeError);
    expect(await outcomeOf(() => db.snapshot({ at: db.version + 1 }))).toBe('TOO_NEW');
    using now = db.snapshot({ at: db.version });
    expect(now.version).toBe(db.version);
    await db.close();
    expect(await outcomeOf(() => db.snapshot({ at: 0 }))).toBe('CLOSED');
  });
});

test('a database of software that did not know of it reads from the version on that it was opened at', async () => {
  const dir = join(memoryDirectory(), 'db');
  const db = await openAlone(dir, KEPT);
  await putAll(db, db, ['1', '2']);
  const { version } = db;
  await db.close();
  const lmdb = openLmdb<Buffer, Buffer>({
    path: join(dir, 'manifest'),
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
  });
  const { counters, rows } = decodeCounters(lmdb.get(COUNTERS_KEY) ?? Buffer.alloc(0));
  const database = decodeDatabase(lmdb.get(DATABASE_KEY) ?? Buffer.alloc(0));
  expect(counters.oldestReadable).toBe(0);
  const old = [
    encodeCounters({ ...counters, oldestReadable: undefined }, rows),
    encodeDatabase({ ...database, formatVersion: 3 }),
  ];
  for (const { key, value } of old) await lmdb.put(Buffer.from(key), Buffer.from(value ?? []));
  await lmdb.close();
  for (const readOnly of [true, false]) {
    const again = await openAlone(dir, { ...KEPT, readOnly });
    expect(again.stats().oldestReadableVersion).toBe(version);
    expect(await valuesAt(again, [version])).toEqual(['2']);
    expect(await outcomeOf(() => again.snapshot({ at: version - 1 }))).toBe('TOO_OLD');
    if (!readOnly) await again.put('k', '3');
    await again.close();
  }
  const last = await openAlone(dir, KEPT);
  expect(await valuesAt(last, [version, version + 1])).toEqual(['2', '3']);
});
