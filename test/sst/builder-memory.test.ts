/** Builders of tables that are done lend their memory to those that come after: never to two at a time, nor with anything in it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { Table } from '../../src/sst/table.ts';
import { TableBuilder } from '../../src/sst/table-builder.ts';
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

test('a table that is read without its filter has all its entries', () => {
  const path = join(temporaryDirectory(), 'a');
  const { builder, next } = building(path, 'k', 1);
  next();
  builder.finish();
  const cache = new BlockCache(4 << 20);
  const table = new Table({ path, fs: nodeEnv.fs, cache, withoutFilter: true });
  expect(table.openSync().filter).toBeUndefined();
  const cursor = table.cursor(undefined);
  let entries = 0;
  settle(cursor, () => cursor.first());
  while (cursor.valid) {
    entries++;
    settle(cursor, () => cursor.next());
  }
  cursor.close();
  table.dispose();
  expect(entries).toBe(ENTRIES);
});
