/** Ingests and imports that clients ask for: of what they upload, and of files that the node's configuration lets them name. */

import { linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';
import { startApi } from './api-node.ts';

describe('ingesting', () => {
  test('what was uploaded, in several pieces, once', async () => {
    const { db, client, uploads } = await startApi();
    const path = join(memoryDirectory(), 'a.sst');
    const { sha256 } = await writeSst(path, numbered(0, 1000));
    const content = readFileSync(path);
    async function* pieces() {
      for (let at = 0; at < content.length; at += 999) yield content.subarray(at, at + 999);
    }
    const uploaded = await client.upload(pieces(), { sha256 });
    expect(uploaded).toMatchObject({ bytes: content.length, sha256 });
    const ingest = { uploads: [uploaded.upload], id: 'first', sha256: true as const };
    expect(await client.ingest(ingest)).toMatchObject({ id: 'first', replayed: false, version: db.version });
    expect(await db.get('k000999')).toEqual(Buffer.from('v999'));
    expect(readdirSync(uploads)).toEqual([]);
    expect(await outcomeOf(() => client.ingest(ingest))).toBe('FILE_NOT_FOUND');
  });

  test('an upload that is not what it should be, or breaks off, leaves nothing', async () => {
    const { client, server, uploads } = await startApi({ limits: { uploadBytes: 1000 } });
    expect(await outcomeOf(() => client.upload(Buffer.alloc(10), { sha256: '0'.repeat(64) }))).toBe(
      'CHECKSUM_MISMATCH',
    );
    expect(await outcomeOf(() => client.upload(Buffer.alloc(1001)))).toBe('LIMIT_EXCEEDED');
    async function* broken() {
      yield Buffer.alloc(10);
      throw new Error('the disk it comes from has failed');
    }
    expect(await outcomeOf(() => client.upload(broken()))).not.toBe('ok');
    await expect.poll(() => server.counters.underWay).toBe(0);
    expect(readdirSync(uploads)).toEqual([]);
  });

  test('a file that is no table is refused, and stays to be looked at or sent again', async () => {
    const { client, uploads } = await startApi();
    const { upload } = await client.upload(Buffer.from('this is no table, whatever it says'));
    expect(await outcomeOf(() => client.ingest({ uploads: [upload] }))).toBe('CORRUPTION');
    expect(readdirSync(uploads)).toEqual([upload]);
  });

  test('there are only so many uploads that wait', async () => {
    const { client, ask } = await startApi({ limits: { uploads: 2 } });
    const [first] = [await client.upload(Buffer.alloc(10)), await client.upload(Buffer.alloc(10))];
    expect(await outcomeOf(() => client.upload(Buffer.alloc(10)))).toBe('UNAVAILABLE');
    const dropped = await ask(`/v1/uploads/${first.upload}`, undefined, 'DELETE');
    expect(dropped.status).toBe(200);
    expect(await outcomeOf(() => client.upload(Buffer.alloc(10)))).toBe('ok');
  });

  test('uploads that nobody ingests go', async () => {
    const { client, uploads, ask } = await startApi({ limits: { uploadMs: 10 } });
    const { upload } = await client.upload(Buffer.alloc(10));
    await expect.poll(() => readdirSync(uploads)).toEqual([]);
    expect((await ask('/v1/ingest', { uploads: [upload] })).status).toBe(404);
  });

  test('files below an allowed directory, and no others', async () => {
    const { db, client, files } = await startApi();
    const outside = join(memoryDirectory(), 'outside.sst');
    await writeSst(outside, numbered(0, 10, 'secret'));
    mkdirSync(join(files, 'deep'));
    await writeSst(join(files, 'deep/a.sst'), numbered(0, 10));
    linkSync(outside, join(files, 'hard.sst')); // whoever may do that may read it
    symlinkSync(outside, join(files, 'link.sst'));
    symlinkSync(join(outside, '..'), join(files, 'way-out'));
    symlinkSync(join(files, 'deep'), join(files, 'inside'));
    for (const path of [
      outside,
      `${files}/../${outside}`,
      `${files}/deep/../../db/LOCK`,
      `${files}/link.sst`,
      `${files}/way-out/outside.sst`,
      'deep/a.sst',
      files,
      '/etc/passwd',
      `${files}/deep/a.sst\u0000.txt`,
    ])
      expect([path, await outcomeOf(() => client.ingest({ files: [path] }))]).toEqual([path, 'PERMISSION']);
    for (const path of [`${files}/none.sst`, `${files}/deep`])
      expect(await outcomeOf(() => client.ingest({ files: [path] }))).toBe('FILE_NOT_FOUND');
    await client.ingest({ files: [`${files}/inside/a.sst`], into: 'there' });
    expect(await db.keyspace('there').get('k000009')).toEqual(Buffer.from('v9'));
  });

  test('policies, as the database has them', async () => {
    const { db, client, files } = await startApi();
    const path = join(files, 'a.sst');
    await writeSst(path, numbered(0, 10));
    await db.put('k000003', 'kept');
    expect(await outcomeOf(() => client.ingest({ files: [path], ifExists: 'fail' }))).toBe('KEY_EXISTS');
    await client.ingest({ files: [path], ifExists: 'keep' });
    expect(await db.get('k000003')).toEqual(Buffer.from('kept'));
    await client.ingest({
      files: [path],
      replace: { gte: 'k', lt: 'l' },
      prefix: { to: 'k-' },
      encoding: 'utf8',
    });
    expect((await db.keys().all()).map(String)).toEqual(numbered(0, 10, 'k-k').map(([key]) => key));
    const wrong = await client.ingest({ files: [path], ifExists: 'maybe' }).catch((error: unknown) => error);
    expect(String(wrong)).toContain('body.ifExists must be one of overwrite, keep, fail');
  });
});

describe('importing', () => {
  test('a file below an allowed directory; its task is told until it is done', async () => {
    const { db, client, files } = await startApi();
    writeFileSync(join(files, 'rows.csv'), 'id,name\n1,one\n2,two\n');
    const options = {
      source: [join(files, 'rows.csv')],
      into: 'rows',
      key: 'id',
      value: 'name',
      id: 'task-1',
    };
    const { id } = await client.import(options);
    expect(id).toBe('task-1');
    await expect.poll(async () => (await client.importStatus(id)).result?.rowsLoaded).toBe(2);
    expect(await db.keyspace('rows').get('2')).toEqual(Buffer.from('two'));
    expect((await client.imports()).map((one) => one.id)).toContain('task-1');
  });

  test('what fails it is told; what is not there is not found', async () => {
    const { client, files } = await startApi();
    writeFileSync(join(files, 'rows.jsonl'), 'this is no JSON\n');
    const { id } = await client.import({ source: [join(files, 'rows.jsonl')], key: 'id', path: 'ingest' });
    await expect.poll(async () => (await client.importStatus(id)).error?.code).toBe('BAD_INPUT');
    expect(await outcomeOf(() => client.importStatus('none'))).toBe('IMPORT_NOT_FOUND');
    expect(await outcomeOf(() => client.changeImport('none', 'cancel'))).toBe('IMPORT_NOT_FOUND');
  });

  test('paused, gone on with, and cancelled', async () => {
    const { client, files } = await startApi();
    const row = `${'x'.repeat(100)}\n`;
    writeFileSync(
      join(files, 'many.txt'),
      Array.from({ length: 200_000 }, (_, i) => `${i}\t${row}`).join(''),
    );
    const { id } = await client.import({
      source: [join(files, 'many.txt')],
      format: 'text',
      key: 0,
      value: 1,
      into: 'many',
      path: 'ingest',
    });
    await client.changeImport(id, 'pause');
    const paused = await client.importStatus(id);
    if (paused.state === 'paused') {
      expect((await client.changeImport(id, 'resume')).state).not.toBe('paused');
      await client.changeImport(id, 'cancel');
    }
    await expect.poll(async () => (await client.importStatus(id)).state).toMatch(/^(cancelled|imported)$/);
  });

  test('no other sources: patterns, directories that lead out, URLs, standard input', async () => {
    const { client, files } = await startApi();
    mkdirSync(join(files, 'dir'));
    symlinkSync('/etc', join(files, 'dir/way-out'));
    for (const source of [`${files}/dir`, 'https://example.org/a.csv', '-', '/etc/*', `${files}/*.csv`])
      expect(await outcomeOf(() => client.import({ source: [source] }))).toMatch(
        /^(PERMISSION|FILE_NOT_FOUND)$/,
      );
    writeFileSync(join(files, 'a*.csv'), '');
    expect(await outcomeOf(() => client.import({ source: [`${files}/a*.csv`] }))).toMatch(/^TypeError/);
    const rejects = client.import({ source: [`${files}/a*.csv`], rejectFile: '/tmp/x' });
    await expect(rejects).rejects.toBeInstanceOf(TypeError);
  });
});
