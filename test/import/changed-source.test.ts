/** A source that is another one when an import goes on: its rows never come beside those of the one before. */

import { once } from 'node:events';
import { utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { File, OpenMode } from '../../src/base/env/file-system.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { envOf, memoryDirectory, openDatabase, openText, outcomeOf } from '../base/database.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { contents, type TestImportOptions } from './rows.ts';

const OPTIONS: TestImportOptions = { format: 'csv', path: 'ingest', threads: 2, runBytes: 30_000, id: 'one' };
const ROWS = 6000;

function csv(value: string): Buffer {
  return Buffer.from(`id,value\n${Array.from({ length: ROWS }, (_, i) => `k${i},${value}\n`).join('')}`);
}

/** A server of one document that says which it is, and sends no more than `limit` bytes of it. */
class Server {
  content = csv('old');
  /** As of the response. */
  says: Record<string, string> = { etag: '"1"' };
  limit = Number.POSITIVE_INFINITY;
  readonly ranges: (string | undefined)[] = [];
  url = '';

  async start(): Promise<void> {
    const server = createServer(({ headers: { range } }, response) => {
      this.ranges.push(range);
      const { content, says } = this;
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
      const headers = { ...says, 'content-length': content.length - from };
      const part = { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` };
      response.writeHead(
        range === undefined ? 200 : 206,
        range === undefined ? headers : { ...headers, ...part },
      );
      if (this.limit >= content.length) response.end(content.subarray(from));
      else response.write(content.subarray(from, this.limit));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rows.csv`;
  }
}

/** A database in which the import of a source has runs of a part of it, and was ended. */
async function interrupted(source: string, fs = new FaultyFileSystem(nodeEnv.fs)): Promise<string> {
  const path = join(memoryDirectory(), 'db');
  const db = await openText(path, { env: envOf(fs) });
  const task = db.import(source, OPTIONS);
  while ((db.tasks()[0]?.runs ?? 0) < 2) await new Promise((resolve) => setImmediate(resolve));
  await db.close();
  expect(await outcomeOf(() => task.done)).toBe('CLOSED');
  return path;
}

for (const [name, before, after] of [
  ['ETag', { etag: '"1"' }, { etag: '"2"' }],
  [
    'Last-Modified',
    { 'last-modified': 'Sat, 21 Nov 2026 00:00:00 GMT' },
    { 'last-modified': 'Sun, 22 Nov 2026 00:00:00 GMT' },
  ],
] as [string, Record<string, string>, Record<string, string>][]) {
  test(`a document whose ${name} is another after a restart is BAD_INPUT; the import then begins anew`, async () => {
    const server = new Server();
    await server.start();
    server.says = before;
    server.limit = server.content.length - 1000;
    const db = await openDatabase(await interrupted(server.url));
    Object.assign(server, { limit: Number.POSITIVE_INFINITY, says: after, content: csv('new') });
    const failed = db.resumeImport('one');
    await expect(failed.done).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/the server sends another document now/),
    });
    expect(db.tasks()).toMatchObject([{ state: 'failed', runs: 0, rowsRead: 0, bytesWritten: 0 }]);
    expect(await contents(db)).toEqual(new Map());
    const again = await db.import(server.url, OPTIONS).done;
    expect(again).toMatchObject({ rowsRead: ROWS, rowsLoaded: ROWS });
    expect(new Set((await contents(db)).values())).toEqual(new Set(['new']));
  });
}

test('a document that is the same is gone on with where its runs end', async () => {
  const server = new Server();
  await server.start();
  server.limit = server.content.length - 1000;
  const db = await openDatabase(await interrupted(server.url));
  server.limit = Number.POSITIVE_INFINITY;
  server.ranges.length = 0;
  expect(await db.resumeImport('one').done).toMatchObject({ rowsRead: ROWS, rowsLoaded: ROWS });
  expect(server.ranges.every((range) => range !== undefined || server.ranges.length > 1)).toBe(true);
  expect(server.ranges.some((range) => /^bytes=[1-9]/.test(range ?? ''))).toBe(true);
});

/** Of a CSV file nothing but its first chunk ever comes. */
class StallingFiles extends FaultyFileSystem {
  override async open(path: string, mode: OpenMode): Promise<File> {
    const file = await super.open(path, mode);
    if (!path.endsWith('.csv')) return file;
    const read = file.read.bind(file);
    file.read = (target, start, length, position) =>
      position > 0 ? new Promise(() => undefined) : read(target, start, length, position);
    return file;
  }
}

test('a file that was written again is BAD_INPUT', async () => {
  const file = join(memoryDirectory(), 'rows.csv');
  const long = 'x'.repeat(200);
  writeFileSync(file, csv(`old${long}`));
  utimesSync(file, 1000, 1000);
  const db = await openDatabase(await interrupted(file, new StallingFiles(nodeEnv.fs)));
  writeFileSync(file, csv(`new${long}`));
  utimesSync(file, 2000, 2000);
  await expect(db.import(file, OPTIONS).done).rejects.toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringMatching(
      /rows\.csv has changed since a part of it was read: it had \d+ bytes of 1000000,/,
    ),
  });
  await db.import(file, OPTIONS).done;
  expect(new Set((await contents(db)).values())).toEqual(new Set([`new${long}`]));
});
