/** What becomes of files of each text format, from `db.import` to the reads. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Decimal, type ImportOptions, open, tupleRange } from '../../src/index.ts';
import { memoryDirectory } from '../base/database.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';

async function openTuples() {
  const db = await open(join(memoryDirectory(), 'db'), { keyEncoding: 'tuple', valueEncoding: 'json' });
  onTestFinished(() => db.close());
  return db;
}

async function openText() {
  const db = await open(join(memoryDirectory(), 'db'), { keyEncoding: 'utf8', valueEncoding: 'utf8' });
  onTestFinished(() => db.close());
  return db;
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, content);
  return path;
}

test('CSV with keys of several typed columns is read by ranges of tuples', async () => {
  const db = await openTuples();
  const path = file(
    'orders.csv',
    'user,day,total,note\n10,2024-01-02,1.10,"a, ""b"""\n9,2024-01-03,12345678901234567890.5,\n10,2024-01-01,-3,c\n',
  );
  const task = db.import(path, {
    key: ['user', 'day', 'total'],
    types: { user: 'int', day: 'date', total: 'decimal' },
  });
  expect(await task.done).toMatchObject({ rowsRead: 3, rowsLoaded: 3 });
  const rows = await db.iterator().all();
  expect(rows).toEqual([
    [[9, new Date('2024-01-03'), new Decimal('12345678901234567890.5')], { note: null }],
    [[10, new Date('2024-01-01'), -3], { note: 'c' }],
    [[10, new Date('2024-01-02'), 1.1], { note: 'a, "b"' }],
  ]);
  expect(await db.iterator(tupleRange([10])).all()).toEqual(rows.slice(1));
  expect(await db.get([10, new Date('2024-01-01'), new Decimal('-3.0')])).toEqual({ note: 'c' });
});

test('JSON Lines in gzip, with the rows as they stand', async () => {
  const db = await openText();
  const lines = Array.from({ length: 5000 }, (_, i) => `{"user":{"id":"u${i}"},"n":${i}}`);
  const path = file('rows.jsonl.gz', gzipSync(lines.join('\n')));
  expect(await db.import(path, { key: { template: 'user:{user.id}' } }).done).toMatchObject({
    rowsLoaded: 5000,
  });
  expect(await db.get('user:u4321')).toBe('{"user":{"id":"u4321"},"n":4321}');
});

test('a directory of TSV, with bad rows told by file, row and byte', async () => {
  const db = await openText();
  const dir = temporaryDirectory();
  mkdirSync(join(dir, 'day=2'));
  writeFileSync(join(dir, 'day=1.tsv'), '# one\nk\tv\na\t1\nb\n');
  writeFileSync(join(dir, 'day=2', 'part.tsv'), '# two\nk\tv\na\t2\n');
  writeFileSync(join(dir, '_SUCCESS'), '');
  const options: ImportOptions = { format: 'tsv', skipLines: 1 };
  const task = db.import(dir, options);
  await expect(task.done).rejects.toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringMatching(/day=1\.tsv: row 2, at byte 14: it has 1 columns, not 2/),
  });
  const result = await db.import(dir, { ...options, onBadRow: 'skip' }).done;
  expect(result).toMatchObject({ rowsRead: 3, rowsBad: 1, rowsDuplicate: 1, rowsLoaded: 1 });
  expect(await db.get('a')).toBe('2');
});

test('a URL and a stream', async () => {
  const db = await openText();
  const server = createServer((_, response) => void response.end('k,v\na,1\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rows.csv`;
  await db.import(url, {}).done;
  const text = Readable.from(['k = v = w', '\nb = "2', '"\n']);
  await db.import(text, { format: 'text', separator: ' = ', header: ['k', 'v', 'w'], onBadRow: 'skip' }).done;
  const web = new Blob(['x\\"y|"a \\" b"\n']).stream();
  await db.import(web, { format: 'csv', separator: '|', escape: '\\', header: false }).done;
  expect(await db.iterator().all()).toEqual([
    ['a', '1'],
    ['k', '{"v":"v","w":"w"}'],
    ['x\\"y', 'a " b'],
  ]);
});

describe('an option that is wrong is a TypeError of the call', () => {
  for (const [options, message] of [
    [{ format: 'csv', separator: '' }, /options\.separator/],
    [{ format: 'csv', escape: 'ab' }, /options\.escape/],
    [{ format: 'csv', skipLines: -1 }, /options\.skipLines/],
    [{ format: 'csv', key: [] }, /options\.key/],
    [{ format: 'csv', key: { template: 'x' } }, /options\.key\.template/],
    [{ format: 'jsonl' }, /options\.key/],
    [{ format: 'jsonl', key: 'a..b' }, /a\.\.b/],
    [{ format: 'jsonl', key: 'a', types: { b: 'int' } }, /options\.types\.b/],
    [{ format: 'parquet', value: { as: 'json', columns: [] } }, /options\.value/],
  ] as [ImportOptions, RegExp][]) {
    test(JSON.stringify(options), async () => {
      const db = await openText();
      expect(() => db.import('rows', options)).toThrow(expect.objectContaining({ name: 'TypeError' }));
      expect(() => db.import('rows', options)).toThrow(message);
      expect(db.tasks()).toEqual([]);
    });
  }
});
