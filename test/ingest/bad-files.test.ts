/** Files that cannot be ingested: each is refused with an error that names it and its cause, and nothing is left behind. */

import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/index.ts';
import { TRAILER_BYTES, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { NO_VERSION } from '../../src/mvcc/version.ts';
import type { TableBuilderOptions } from '../../src/sst/table-builder.ts';
import { envOf, memoryDirectory, openDatabase, type TextDb } from '../base/database.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';
import { openFiles } from '../corruption/damage.ts';
import type { Entry } from '../mvcc/entries.ts';
import { writeTable } from '../sst/written-table.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/rocksdb/', import.meta.url));

async function fixture(): Promise<{ dir: string; db: TextDb; path: string }> {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
  return { dir, db, path: join(dir, 'bad.sst') };
}

/** The error of ingesting the file, which must name it and leave database and file as they were. */
async function refused(db: TextDb, path: string, code: string, cause: RegExp): Promise<void> {
  const before = tableFiles(db.path);
  for (const mode of ['copy', 'move'] as const) {
    const error = await db.ingest(path, { mode }).catch((reason: unknown) => reason);
    if (!isSluiceError(error)) throw new Error(`not refused: ${String(error)}`);
    expect(error.code, error.message).toBe(code);
    expect(error.message).toContain(path);
    expect(error.message).toMatch(cause);
    expect(error.retryable).toBe(false);
  }
  expect(tableFiles(db.path)).toEqual(before);
  await db.put('still', 'works');
}

describe('refused, naming the file and the cause', () => {
  test('a file that is not there, or whose directory is a file', async () => {
    const { db, path } = await fixture();
    await refused(db, path, 'FILE_NOT_FOUND', /no such file/);
    writeFileSync(path, 'x');
    await refused(db, `${path}/a.sst`, 'FILE_NOT_FOUND', /not a directory/);
  });

  test('a directory, and a link to one', async () => {
    const { db, path } = await fixture();
    mkdirSync(path);
    await refused(db, path, 'UNSUPPORTED_FORMAT', /directory/);
    symlinkSync(path, `${path}.link`);
    await refused(db, `${path}.link`, 'UNSUPPORTED_FORMAT', /directory/);
  });

  test('an empty file, and one shorter than a footer', async () => {
    const { db, path } = await fixture();
    writeFileSync(path, '');
    await refused(db, path, 'CORRUPTION', /empty/);
    writeFileSync(path, 'short');
    await refused(db, path, 'CORRUPTION', /not an SST file/);
  });

  test('a file of something else', async () => {
    const { db, path } = await fixture();
    for (const bytes of [
      Buffer.alloc(4096),
      Buffer.alloc(4096, 0xff),
      Buffer.from('{"a": 1}\n'.repeat(999)),
    ]) {
      writeFileSync(path, bytes);
      await refused(db, path, 'CORRUPTION', /not an SST file/);
    }
  });

  test('a file without permission', async () => {
    const dir = memoryDirectory();
    const fs = new FaultyFileSystem(nodeEnv.fs);
    const db = await openDatabase(join(dir, 'db'), { durability: 'os', env: envOf(fs) });
    const { path } = await writeSst(join(dir, 'a.sst'), numbered(0, 10));
    fs.fail({ op: ['open', 'copy', 'link', 'stat'], path: /a\.sst$/, errno: 'EACCES', times: 9 });
    await refused(db, path, 'PERMISSION', /permission denied/);
    fs.heal();
    await db.ingest(path);
  });

  test.each([
    ['v7.8/v_ops.sst', /merge/],
    ['v11.8/v_ops.sst', /merge/],
    ['v11.8/v_separate_kv.sst', /separate|block footer|feature|flag/i],
  ])('%s of RocksDB, which needs what is not supported', async (name, cause) => {
    const { db } = await fixture();
    await refused(db, FIXTURES + name, 'UNSUPPORTED_FORMAT', cause);
    expect(statSync(FIXTURES + name).size).toBeGreaterThan(0);
  });

  test('a file of another comparator', async () => {
    const { db, path } = await fixture();
    const bytes = readFileSync((await writeSst(path, numbered(0, 10), { compression: 'none' })).path);
    const name = Buffer.from('leveldb.BytewiseComparator');
    expect(bytes.includes(name)).toBe(true);
    // With its checksum wrong the block says CORRUPTION first; a file without checksums shows what is asked for.
    const plain = readFileSync(`${FIXTURES}v11.8/v_nocksum.sst`);
    const at = plain.indexOf(name);
    expect(at).toBeGreaterThan(0);
    plain.write('rocksdb.ReverseComparators', at);
    writeFileSync(path, plain);
    await refused(
      db,
      path,
      'COMPARATOR_MISMATCH',
      /rocksdb\.ReverseComparators.*leveldb\.BytewiseComparator/s,
    );
  });

  test('a file whose keys are not in order', async () => {
    const { db, path } = await fixture();
    // Without checksums, so that another name for the second key is seen as what it is; the index keeps the right one.
    const entries = ['key1', 'key2', 'key3'].map((key) => ({
      key: Buffer.from(key),
      version: NO_VERSION,
      type: TYPE_VALUE,
      value: Buffer.alloc(100, 'v'),
    })) satisfies Entry[];
    const options: Partial<TableBuilderOptions> = {
      compression: 'none',
      filterBitsPerKey: 0,
      checksum: 'none',
      external: true,
    };
    const cases = [
      { blockBytes: 64, code: 'NOT_SORTED', cause: /its first key does not come after the last key/ },
      { blockBytes: 4096, code: 'CORRUPTION', cause: /keys do not ascend/ },
    ];
    for (const { blockBytes, code, cause } of cases) {
      for (const wrong of [0, 1]) {
        writeTable(path, entries, { ...options, blockBytes });
        const bytes = readFileSync(path);
        const value = Buffer.alloc(100, 'v');
        const second = bytes.indexOf(value, bytes.indexOf(value) + 100) - TRAILER_BYTES - 1;
        expect(String.fromCharCode(bytes[second] ?? 0)).toBe('2');
        bytes.write(String(wrong), second);
        writeFileSync(path, bytes);
        await refused(db, path, code, cause);
      }
    }
  });

  test('a file cut at any length', async () => {
    const { dir, db } = await fixture();
    const good = readFileSync(
      (await writeSst(join(dir, 'good.sst'), numbered(0, 20), { blockBytes: 64 })).path,
    );
    for (let length = 0; length < good.length; length++) {
      const path = join(dir, 'cut.sst');
      writeFileSync(path, good.subarray(0, length));
      const error = await db.ingest(path).catch((reason: unknown) => reason);
      if (!isSluiceError(error)) throw new Error(`cut at ${length}: ${String(error)}`);
      expect(['CORRUPTION', 'UNSUPPORTED_FORMAT', 'CHECKSUM_MISMATCH']).toContain(error.code);
      expect(error.message).toContain(path);
    }
    expect(tableFiles(db.path)).toEqual([]);
    expect(await db.keys().all()).toEqual([]);
  });

  test('a file with any byte wrong, unless it still reads the same', async () => {
    const { dir, db } = await fixture();
    const wanted = numbered(0, 12);
    const good = readFileSync((await writeSst(join(dir, 'good.sst'), wanted, { blockBytes: 64 })).path);
    const keyspace = db.keyspace('target');
    let taken = 0;
    for (let at = 0; at < good.length; at++) {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      const path = join(dir, 'bad.sst');
      writeFileSync(path, bytes);
      const outcome = await db.ingest(path, { into: 'target' }).catch((reason: unknown) => reason);
      if (!(outcome instanceof Error)) {
        expect(await keyspace.iterator().all(), `byte ${at}`).toEqual(wanted);
        await db.dropKeyspace('target');
        taken++;
      } else if (!isSluiceError(outcome)) throw outcome;
    }
    expect(taken).toBeLessThan(good.length / 10);
  });
});

test('verify asks for less, and a digest still finds what it did not', async () => {
  const { dir, db } = await fixture();
  const good = await writeSst(join(dir, 'good.sst'), numbered(0, 3000));
  const path = join(dir, 'bad.sst');
  copyFileSync(good.path, path);
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  await refused(db, path, 'CHECKSUM_MISMATCH', /checksum/i);
  const digest = db.ingest(path, { verify: 'none', sha256: [good.sha256] });
  await expect(digest).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  for (const verify of ['none', 'footer'] as const) {
    await db.ingest(path, { verify, into: verify });
    const reading = db.keyspace(verify).iterator().all();
    await expect(reading).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    expect(await db.keyspace(verify).get('k000000')).toBe('v0');
  }
  const { problems } = await db.verify({ full: true });
  expect(problems).toHaveLength(2);
  expect(createHash('sha256').update(bytes).digest('hex')).not.toBe(good.sha256);
});

test('explainIngest refuses what ingest refuses, and keeps no file open', async () => {
  const { dir, db, path } = await fixture();
  const good = await writeSst(join(dir, 'good.sst'), numbered(0, 9));
  writeFileSync(path, 'something else'.repeat(20));
  const before = openFiles();
  for (let n = 0; n < 20; n++) {
    await expect(db.explainIngest([good.path, path])).rejects.toMatchObject({ code: 'CORRUPTION' });
    await expect(db.explainIngest(`${path}.not`)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  }
  expect(openFiles()).toBeLessThan(before + 10);
});
