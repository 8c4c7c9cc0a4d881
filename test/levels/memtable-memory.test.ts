/** Memtables take the memory of those before them, and never while somebody still reads it (it is zeroed when it is freed). */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { flushMemtable } from '../../src/levels/flush.ts';
import type { FileId } from '../../src/manifest/rows.ts';
import { ArenaPool } from '../../src/mvcc/arena-pool.ts';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { Memtable } from '../../src/mvcc/memtable.ts';
import { mergeCursors } from '../../src/mvcc/merge.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { SnapshotRegistry } from '../../src/mvcc/snapshots.ts';
import { NO_VERSION, versionOf } from '../../src/mvcc/version.ts';
import { VisibleCursor } from '../../src/mvcc/visible.ts';
import { Catalog } from '../../src/txn/catalog.ts';
import { StoreReader } from '../../src/txn/store-reader.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import type { Entry } from '../mvcc/entries.ts';
import { collect, TreeFixture } from './tree-fixture.ts';

const MEMTABLE_BYTES = 65_536;

const put = (key: string, value: string): Pick<Entry, 'key' | 'type' | 'value'> => ({
  key: Buffer.from(key),
  type: TYPE_VALUE,
  value: Buffer.from(value),
});

const text = ({ valueBytes, valueStart, valueLength }: Probe): string =>
  Buffer.from(valueBytes.slice(valueStart, valueStart + valueLength)).toString();

/** Of the database whose only keyspace is the fixture's tree. */
function readerOf(fixture: TreeFixture): StoreReader {
  const catalog = new Catalog();
  catalog.addTree(fixture.tree);
  catalog.setHistory({ name: 'default', history: [{ version: NO_VERSION, tree: fixture.tree.id }] });
  const snapshots = new SnapshotRegistry(nodeEnv.clock);
  return new StoreReader({ catalog, snapshots, visible: fixture.version }, {});
}

/** Seals, flushes, and fills the memtables that follow with something else. */
async function turnOver(fixture: TreeFixture, rounds = 3): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    fixture.commit([put('later', 'z'.repeat(10_000))]);
    fixture.tree.seal();
    await fixture.flushOldest();
  }
}

describe('the memory of flushed memtables', () => {
  it('is used again', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), MEMTABLE_BYTES);
    await turnOver(fixture, 20);
    // Beside the one in use: it was taken before the first came back.
    expect(fixture.arenas.freeBytes).toBe(MEMTABLE_BYTES);
    expect(fixture.scan(fixture.version, false)).toHaveLength(1);
  });

  it('also that of one made for a large entry; what is much too large for the next one waits', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), MEMTABLE_BYTES);
    for (let i = 0; i < 5; i++) {
      fixture.commit([put('large', 'y'.repeat(500_000))]);
      fixture.tree.seal();
      await fixture.flushOldest();
    }
    expect(fixture.arenas.freeBytes).toBeGreaterThan(500_000);
    expect(fixture.arenas.freeBytes).toBeLessThan(1_000_000);
  });

  it('stays while a scan reads it', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), MEMTABLE_BYTES);
    fixture.commit([put('a', '1'), put('b', '2')]);
    const scan = fixture.tree.scan();
    const cursor = new VisibleCursor(mergeCursors(scan.cursors), { snapshot: versionOf(1) });
    await turnOver(fixture);
    const free = fixture.arenas.freeBytes;
    expect(collect(cursor, false)).toEqual(['a@1=1', 'b@1=2']);
    expect(collect(cursor, true)).toEqual(['b@1=2', 'a@1=1']);
    cursor.close();
    scan.release();
    expect(fixture.arenas.freeBytes).toBe(free + MEMTABLE_BYTES);
  });

  it('stays while a flush reads it, though the tree is destroyed meanwhile', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), MEMTABLE_BYTES);
    fixture.commit([put('a', '1'), put('b', '2')]);
    fixture.tree.seal();
    const memtable = fixture.tree.oldestSealed;
    if (memtable === undefined) throw new Error('nothing was sealed');
    let resolve = (): void => undefined;
    const destroyed = new Promise<void>((done) => {
      resolve = done;
    });
    const flushed = fixture.tree.flush(memtable, 9 as FileId, async (sealed, job) => {
      await destroyed;
      return flushMemtable(sealed, job, nodeEnv);
    });
    fixture.tree.destroy();
    expect(fixture.arenas.freeBytes).toBe(MEMTABLE_BYTES);
    resolve();
    const { row, discard } = await flushed;
    expect([row.entries, String(Buffer.from(row.largest))]).toEqual([2, 'b']);
    expect(fixture.arenas.freeBytes).toBe(2 * MEMTABLE_BYTES);
    discard();
  });

  it('stays while a flush is tried again', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), MEMTABLE_BYTES);
    fixture.commit([put('a', '1')]);
    fixture.tree.seal();
    const memtable = fixture.tree.oldestSealed;
    if (memtable === undefined) throw new Error('nothing was sealed');
    const failing = fixture.tree.flush(memtable, 9 as FileId, () => Promise.reject(new Error('full')));
    await expect(failing).rejects.toThrow('full');
    expect(fixture.arenas.freeBytes).toBe(0);
    await fixture.flushOldest();
    expect(fixture.getSync(Buffer.from('a'), fixture.version)).toBe('a@1=1');
  });

  it('may go while a lookup waits for a block: what it found in memory it has copied', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), MEMTABLE_BYTES);
    fixture.commit([put('k', 'in memory')]);
    fixture.ingest([put('k', 'in a file')]);
    const probe = new Probe();
    probe.reset(Buffer.from('k'), 0, 1, versionOf(2));
    expect(fixture.tree.get(probe)).toBe(PENDING);
    expect(probe.version).toBe(1);
    const loading = fixture.tree.load(probe);
    await turnOver(fixture);
    await loading;
    expect(text(probe)).toBe('in memory');
    while (fixture.tree.get(probe) === PENDING) fixture.tree.loadSync(probe);
    expect(text(probe)).toBe('in a file');
  });

  it('may go before the caller of an asynchronous lookup has copied the value', async () => {
    const fixture = new TreeFixture(temporaryDirectory(), MEMTABLE_BYTES);
    fixture.commit([put('k', 'in memory')]);
    const reader = readerOf(fixture);
    const probe = await reader.lookupLater('default', Buffer.from('k'), undefined);
    await turnOver(fixture);
    expect(text(probe)).toBe('in memory');
  });
});

describe('the pool', () => {
  it('gives the smallest buffer that is large enough, and none that is much too large', () => {
    const pool = new ArenaPool();
    const [small, middle, large] = [100, 200, 10_000].map((bytes) => new SharedArrayBuffer(bytes));
    for (const buffer of [large, small, middle]) if (buffer !== undefined) pool.give(buffer);
    expect(pool.take(150)).toBe(middle);
    expect(pool.take(150)).toHaveProperty('byteLength', 150);
    expect(pool.take(100)).toBe(small);
    expect(pool.take(9000)).toBe(large);
    expect(pool.freeBytes).toBe(0);
  });

  it('hands out what is in a buffer: a memtable counts on no zeros', () => {
    const pool = new ArenaPool();
    const dirty = pool.take(MEMTABLE_BYTES);
    pool.give(dirty);
    new Uint8Array(dirty).fill(0xdb);
    const memtable = new Memtable(MEMTABLE_BYTES, pool);
    const names = Array.from({ length: 200 }, (_, i) => `key${(i * 37) % 200}`);
    for (const name of names) {
      const key = Buffer.from(name);
      expect(memtable.insert(key, 0, key.length, versionOf(1), TYPE_VALUE, key, 0, key.length)).toBe(true);
    }
    expect(memtable.image.buffer).toBe(dirty);
    expect(collect(new VisibleCursor(memtable.cursor(), { snapshot: versionOf(1) }), false)).toEqual(
      names.sort().map((name) => `${name}@1=${name}`),
    );
  });

  it('keeps no more than its bound', () => {
    const pool = new ArenaPool(1000);
    for (let i = 0; i < 10; i++) pool.give(new SharedArrayBuffer(300));
    expect(pool.freeBytes).toBe(900);
  });

  it('gives up what nobody has needed for a while, and takes it again if it is still there', async () => {
    const pool = new ArenaPool(undefined, 10);
    const buffer = pool.take(1000);
    pool.give(buffer);
    await expect.poll(() => pool.freeBytes).toBe(0);
    expect(pool.take(1000)).toBe(buffer);
    pool.give(buffer);
    await expect.poll(() => pool.freeBytes).toBe(0);
    // One too small for it makes it look as well: nothing is made beside what is there.
    expect(pool.take(2000)).not.toBe(buffer);
    expect(pool.freeBytes).toBe(1000);
  });

  it('holds nothing of what is given up', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: unknown = runInNewContext('gc');
    const pool = new ArenaPool(undefined, 10);
    const given = (): WeakRef<SharedArrayBuffer> => {
      const buffer = new SharedArrayBuffer(1 << 20);
      pool.give(buffer);
      return new WeakRef(buffer);
    };
    const references = Array.from({ length: 8 }, given);
    expect(pool.freeBytes).toBe(8 << 20);
    await expect
      .poll(() => {
        if (typeof collectGarbage === 'function') collectGarbage();
        return references.filter((reference) => reference.deref() !== undefined).length;
      })
      .toBe(0);
    expect(pool.freeBytes).toBe(0);
  });
});
