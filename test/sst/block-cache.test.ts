/** The block cache keeps its budget, never moves what is pinned, and lets every read finish however little room is left. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { MAX_VERSION, versionOf } from '../../src/mvcc/version.ts';
import { BlockArena, CHUNK_BYTES, PLACE_MARKS, PLACE_WORDS, USED } from '../../src/sst/block-arena.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { Table } from '../../src/sst/table.ts';
import { TableCache } from '../../src/sst/table-cache.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { type Entry, settle, show, showCursor } from '../mvcc/entries.ts';
import { tableAt, writeTable } from './written-table.ts';

function entriesOf(count: number, valueBytes: (i: number) => number, prefix = 'key'): Entry[] {
  return Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(`${prefix}${String(i).padStart(6, '0')}`),
    version: versionOf(1),
    type: 1 as const,
    value: new Uint8Array(valueBytes(i)).fill(i),
  }));
}

function getValue(table: Table, key: Uint8Array): Uint8Array | undefined {
  const probe = new Probe();
  probe.reset(key, 0, key.length, MAX_VERSION);
  settle({ loadSync: () => table.loadSync(probe) }, () => table.get(probe, undefined));
  if (!probe.found) return undefined;
  return probe.valueBytes.slice(probe.valueStart, probe.valueStart + probe.valueLength);
}

describe('the arena', () => {
  test('keeps the bytes of every block it holds, whatever is pinned, moved, dropped or taken', () => {
    const chunks = 12;
    const bytes = new Uint8Array(1000 + chunks * CHUNK_BYTES);
    const arena = new BlockArena(bytes, 1000, chunks);
    const slots = [new Int32Array(400), new Int32Array(400)];
    const owners = slots.map((s) => arena.addOwner(s));
    const pinned: { frame: number; owner: number; block: number }[] = [];
    let seed = 7;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return (seed >>> 8) % n;
    };
    const stamp = (owner: number, block: number): number => (owner * 131 + block * 7) & 255;
    const sizes = [new Map<number, number>(), new Map<number, number>()];
    const verify = (owner: number, block: number): void => {
      const frame = (slots[owner] as Int32Array)[block] as number;
      if (frame === 0) return;
      const at = arena.places[frame * PLACE_WORDS] as number;
      const size = sizes[owner]?.get(block) ?? 0;
      for (let i = 0; i < size; i += 97) {
        if (bytes[at + i] !== stamp(owner, block)) throw new Error(`block ${owner}/${block} was overwritten`);
      }
      if (bytes[at + size - 1] !== stamp(owner, block))
        throw new Error(`block ${owner}/${block} lost its end`);
    };
    for (let step = 0; step < 30_000; step++) {
      const owner = random(2);
      const block = random(400);
      const frame = (slots[owner] as Int32Array)[block] as number;
      verify(owner, block);
      if (frame !== 0) {
        if (random(3) === 0) arena.places[frame * PLACE_WORDS + PLACE_MARKS] = USED;
        if (random(6) === 0 && pinned.length < 8) {
          arena.pin(frame);
          pinned.push({ frame, owner, block });
        }
      } else {
        const size = random(40) === 0 ? CHUNK_BYTES + random(3 * CHUNK_BYTES) : 1 + random(9000);
        const start = arena.reserve(size, random(4) === 0);
        if (start >= 0) {
          expect(start + size).toBeLessThanOrEqual(bytes.length);
          bytes.fill(stamp(owner, block), start, start + size);
          arena.commit(start, size, start, 1, owners[owner] as number, block);
          sizes[owner]?.set(block, size);
        }
      }
      for (const pin of pinned) {
        expect(slots[pin.owner]?.[pin.block]).toBe(pin.frame);
        verify(pin.owner, pin.block);
      }
      if (pinned.length > 0 && random(5) === 0)
        arena.unpin(pinned.splice(random(pinned.length), 1)[0]?.frame ?? 0);
      if (step % 5000 === 4999) arena.limit(step % 10000 === 4999 ? 8 : 12);
    }
    for (let owner = 0; owner < 2; owner++) for (let block = 0; block < 400; block++) verify(owner, block);
    expect(arena.bytesHeld).toBeLessThanOrEqual(chunks * CHUNK_BYTES);
    for (const pin of pinned) arena.unpin(pin.frame);
    for (const owner of owners) arena.removeOwner(owner);
    expect([arena.bytesHeld, arena.blocksHeld]).toEqual([0, 0]);
  });
});

test('blocks that are read again stay, blocks that a cold scan brings do not push them out', () => {
  const path = join(temporaryDirectory(), 'a.sst');
  const entries = entriesOf(4000, () => 2000);
  writeTable(path, entries, { compression: 'none' });
  const cache = new BlockCache(2 << 20);
  const table = tableAt(path, cache);
  const hot = entries.slice(100, 140);
  for (let round = 0; round < 3; round++) for (const { key } of hot) getValue(table, key);
  const cursor = table.cursor(undefined, { readaheadBytes: 131072, fillCache: false });
  settle(cursor, () => cursor.first());
  while (cursor.valid) settle(cursor, () => cursor.next());
  cursor.close();
  const { misses } = cache.stats();
  for (const { key } of hot) getValue(table, key);
  expect(cache.stats().misses - misses).toBeLessThan(5);
  expect(cache.stats().heldBytes).toBeLessThanOrEqual(2 << 20);
  table.dispose();
});

test('an ordinary scan reads ahead, and pushes nothing out that is read again and again', () => {
  const path = join(temporaryDirectory(), 'a.sst');
  const entries = entriesOf(4000, () => 2000);
  writeTable(path, entries, { compression: 'none' });
  const cache = new BlockCache(2 << 20);
  const table = tableAt(path, cache);
  const scan = (): void => {
    const cursor = table.cursor(undefined);
    for (settle(cursor, () => cursor.first()); cursor.valid; settle(cursor, () => cursor.next()));
    cursor.close();
  };
  // Fills the cache: no scan needs to give way to another.
  scan();
  expect(cache.stats().misses).toBeLessThan((table.openSync().index.blocks + 1) / 8);
  const hot = entries.slice(100, 140);
  for (let round = 0; round < 3; round++) for (const { key } of hot) getValue(table, key);
  for (let round = 0; round < 3; round++) {
    scan();
    const { misses } = cache.stats();
    for (const { key } of hot) getValue(table, key);
    expect(cache.stats().misses - misses).toBeLessThan(5);
  }
  table.dispose();
});

test('a scan of what fits is in the cache afterwards', () => {
  const path = join(temporaryDirectory(), 'a.sst');
  const entries = entriesOf(1000, () => 1000);
  writeTable(path, entries, { compression: 'none' });
  const cache = new BlockCache(4 << 20);
  const table = tableAt(path, cache);
  for (let round = 0; round < 2; round++) {
    const cursor = table.cursor(undefined);
    for (settle(cursor, () => cursor.first()); cursor.valid; settle(cursor, () => cursor.next()));
    cursor.close();
  }
  const { misses } = cache.stats();
  for (const { key } of entries) getValue(table, key);
  expect(cache.stats().misses).toBe(misses);
  table.dispose();
});

test('with every chunk pinned by cursors, reads still finish, alone and together', async () => {
  const path = join(temporaryDirectory(), 'a.sst');
  const entries = entriesOf(3000, (i) => (i % 50 === 0 ? 40_000 : 900));
  writeTable(path, entries, { compression: 'none' });
  const cache = new BlockCache(1 << 20);
  const table = tableAt(path, cache);
  const cursors = Array.from({ length: 60 }, () => table.cursor(undefined));
  cursors.forEach((cursor, i) => {
    const { key } = entries[i * 50] as Entry;
    settle(cursor, () => cursor.seek(key, 0, key.length, MAX_VERSION));
  });
  for (const entry of entries.filter((_, i) => i % 37 === 0))
    expect(getValue(table, entry.key)).toEqual(entry.value);
  await Promise.all(
    entries
      .filter((_, i) => i % 41 === 0)
      .map(async ({ key, value }) => {
        const probe = new Probe();
        probe.reset(key, 0, key.length, MAX_VERSION);
        while (table.get(probe, undefined) === PENDING) await table.load(probe);
        const got = probe.valueBytes.subarray(probe.valueStart, probe.valueStart + probe.valueLength);
        expect(Buffer.compare(got, value)).toBe(0);
      }),
  );
  const last = table.cursor(undefined, { readaheadBytes: 100_000 });
  let n = 0;
  for (settle(last, () => last.first()); last.valid; settle(last, () => last.next())) {
    if (showCursor(last) !== show(entries[n++] as Entry)) throw new Error(`entry ${n - 1}`);
  }
  expect(n).toBe(entries.length);
  last.close();
  // The others are where they were.
  cursors.forEach((cursor, i) => {
    expect(showCursor(cursor)).toBe(show(entries[i * 50] as Entry));
    cursor.close();
  });
  expect(cache.holds).toBe(0);
  table.dispose();
  expect(cache.stats()).toMatchObject({ heldBytes: 0, metadataBytes: 0 });
});

describe('the table cache', () => {
  test('closes the tables used longest ago, and a get opens them again', () => {
    const directory = temporaryDirectory();
    const cache = new BlockCache(4 << 20);
    const tableCache = new TableCache(cache, 3);
    const tables = Array.from({ length: 8 }, (_, t) => {
      const path = join(directory, `${t}.sst`);
      writeTable(
        path,
        entriesOf(100, () => 50, `t${t}-`),
      );
      return new Table({ path, fs: nodeEnv.fs, cache, tableCache });
    });
    for (let round = 0; round < 3; round++) {
      for (const [t, table] of tables.entries()) {
        expect(getValue(table, Buffer.from(`t${t}-000042`))?.[0]).toBe(42);
        expect(tableCache.openCount).toBeLessThanOrEqual(3);
      }
    }
    // A cursor keeps its own, open or not.
    const cursors = tables.map((table) => {
      const cursor = table.cursor(undefined);
      settle(cursor, () => cursor.first());
      return cursor;
    });
    for (const cursor of cursors) {
      let n = 0;
      for (; cursor.valid; settle(cursor, () => cursor.next())) n++;
      expect(n).toBe(100);
      cursor.close();
    }
    for (const table of tables) table.dispose();
    expect(tableCache.openCount).toBe(0);
    expect(cache.stats()).toMatchObject({ heldBytes: 0, metadataBytes: 0 });
  });

  test('does not close those that every lookup asks', () => {
    const directory = temporaryDirectory();
    const cache = new BlockCache(4 << 20);
    const tableCache = new TableCache(cache, 3);
    const tables = Array.from({ length: 8 }, (_, t) => {
      const path = join(directory, `${t}.sst`);
      const entries = entriesOf(100, () => 50, `t${t}-`);
      writeTable(path, entries);
      return new Table({ path, fs: nodeEnv.fs, cache, tableCache });
    });
    const [kept, ...others] = tables;
    if (kept === undefined) throw new Error('no table');
    kept.keepsOpen = true;
    const opened = kept.openSync();
    for (let round = 0; round < 3; round++) for (const table of others) table.openSync();
    expect(kept.state).toBe(opened);
    expect(tableCache.openCount).toBeLessThanOrEqual(3);
    for (const table of tables) table.dispose();
  });

  test('a closed table opens again, a disposed one does not; its cursors go on until closed', () => {
    const path = join(temporaryDirectory(), 'a.sst');
    writeTable(
      path,
      entriesOf(1000, () => 50),
    );
    const table = tableAt(path);
    const cursor = table.cursor(undefined);
    settle(cursor, () => cursor.first());
    table.close();
    expect(getValue(table, Buffer.from('key000007'))?.[0]).toBe(7);
    table.dispose();
    let n = 0;
    for (; cursor.valid; settle(cursor, () => cursor.next())) n++;
    expect(n).toBe(1000);
    cursor.close();
    const probe = new Probe();
    probe.reset(Buffer.from('x'), 0, 1, MAX_VERSION);
    expect(table.get(probe, undefined)).toBe(PENDING);
    try {
      table.loadSync(probe);
      expect.unreachable();
    } catch (error) {
      expect(isSluiceError(error, 'CLOSED')).toBe(true);
    }
  });

  test('opening twice at once, or closing while it opens, leaves one open state or none', async () => {
    const path = join(temporaryDirectory(), 'a.sst');
    writeTable(
      path,
      entriesOf(1000, () => 50),
    );
    const cache = new BlockCache(1 << 20);
    const table = tableAt(path, cache);
    await Promise.all([table.open(), table.open(), table.open()]);
    const held = cache.metadataBytes;
    table.close();
    const opening = table.open();
    table.openSync();
    await opening;
    expect(cache.metadataBytes).toBe(held);
    table.close();
    const late = table.open();
    table.dispose();
    await expect(late).rejects.toMatchObject({ code: 'CLOSED' });
    expect(cache.metadataBytes).toBe(0);
  });
});
