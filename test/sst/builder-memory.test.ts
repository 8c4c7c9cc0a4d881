/** Builders of tables that are done lend their memory to those that come after: never to two at a time, nor with anything in it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { createHeap } from '../../src/sst/heap.ts';
import { Table } from '../../src/sst/table.ts';
import { builderHeapBytes, TableBuilder } from '../../src/sst/table-builder.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { settle } from '../mvcc/entries.ts';

const ENTRIES = 40_000;

/** A table of small blocks, whose entries come as `next` is called: `parts` times. */
function building(
  path: string,
  salt: string,
  parts: number,
): { readonly builder: TableBuilder; next(): void } {
  const builder = new TableBuilder(nodeEnv.fs.openSync(path, 'create'), { external: false, blockBytes: 64 });
  let at = 0;
  const next = (): void => {
    for (const end = at + ENTRIES / parts; at < end; at++) {
      const key = Buffer.from(`${salt}${String(at).padStart(8, '0')}`);
      builder.add(key, 0, key.length, versionOf(1), TYPE_VALUE, key, 0, key.length);
    }
  };
  return { builder, next };
}

test('two builders at a time, after others that were finished, abandoned, or both', () => {
  const dir = temporaryDirectory();
  const read = (name: string): Buffer => readFileSync(join(dir, name));
  const alone = (name: string, salt: string): Buffer => {
    const { builder, next } = building(join(dir, name), salt, 1);
    next();
    builder.finish();
    // As whoever fails to sync the file does.
    builder.abandon();
    return read(name);
  };
  const expected = [alone('a-alone', 'a'), alone('b-alone', 'b')];
  const stopped = building(join(dir, 'stopped'), 'x', 2);
  stopped.next();
  stopped.builder.abandon();
  const [a, b] = [building(join(dir, 'a'), 'a', 4), building(join(dir, 'b'), 'b', 4)];
  for (let part = 0; part < 4; part++) {
    a.next();
    b.next();
  }
  a.builder.finish();
  b.builder.finish();
  expect([read('a'), read('b')].map((bytes, i) => bytes.equals(expected[i] ?? Buffer.alloc(0)))).toEqual([
    true,
    true,
  ]);
});

test('tables that are opened for a merge have their own index, whichever others are closed meanwhile', () => {
  const dir = temporaryDirectory();
  const cache = new BlockCache(4 << 20);
  const tables = ['a', 'b', 'c'].map((salt) => {
    const path = join(dir, salt);
    const { builder, next } = building(path, salt, 1);
    next();
    builder.finish();
    return new Table({ path, fs: nodeEnv.fs, cache, forMerge: true });
  });
  const [a, b, c] = tables;
  const keysOf = (table: Table | undefined): string => {
    const cursor = table?.cursor(undefined);
    if (cursor === undefined) return '';
    let [keys, first] = [0, ''];
    const key = (): string =>
      Buffer.from(cursor.keyBytes.slice(cursor.keyStart, cursor.keyStart + 9)).toString();
    settle(cursor, () => cursor.first());
    first = key();
    let last = first;
    for (; cursor.valid; settle(cursor, () => cursor.next())) {
      keys++;
      last = key();
    }
    cursor.close();
    return `${keys} from ${first} to ${last}`;
  };
  expect(a?.openSync().filter).toBeUndefined();
  b?.openSync();
  a?.close();
  c?.openSync();
  a?.openSync();
  expect(tables.map(keysOf)).toEqual(
    ['a', 'b', 'c'].map(
      (salt) => `${ENTRIES} from ${salt}00000000 to ${salt}${String(ENTRIES - 1).padStart(8, '0')}`,
    ),
  );
  for (const table of tables) table.dispose();
});

test('what lies behind the room of a builder in a heap is somebody else’s', () => {
  const blockBytes = 64;
  const roomEnd = builderHeapBytes(blockBytes);
  const heap = createHeap(roomEnd + (8 << 20));
  heap.bytes.fill(0xa5, roomEnd);
  const path = join(temporaryDirectory(), 'table');
  const file = nodeEnv.fs.openSync(path, 'create');
  // Its filter and index alone have more bytes than the builder has room.
  const builder = new TableBuilder(file, { external: false, blockBytes, filterBitsPerKey: 200, heap });
  for (let at = 0; at < ENTRIES * 4; at++) {
    const key = Buffer.from(String(at).padStart(8, '0'));
    builder.add(key, 0, key.length, versionOf(1), TYPE_VALUE, key, 0, key.length);
  }
  const { entries } = builder.finish();
  file.closeSync();
  expect(entries).toBe(ENTRIES * 4);
  expect(heap.bytes.subarray(roomEnd).findIndex((byte) => byte !== 0xa5)).toBe(-1);
});
