/** What is applied is there after a reopen; what is refused leaves everything as it was. */

import fs from 'node:fs';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { open } from 'lmdb';
import { pack, unpack } from 'msgpackr';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { encodeCounters, encodeDatabase, encodeEdit, FORMAT_VERSION } from '../../src/manifest/format.ts';
import { Manifest, type ManifestOptions } from '../../src/manifest/manifest.ts';
import type { Edit, FileId, TreeId } from '../../src/manifest/rows.ts';
import { FIRST_COUNTERS, type ManifestState } from '../../src/manifest/state.ts';
import type { Version } from '../../src/mvcc/version.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { edit, table } from './rows.ts';

function openAt(dir: string, options: Partial<ManifestOptions> = {}): Manifest {
  const manifest = Manifest.open({ env: nodeEnv, dir, ...options });
  onTestFinished(() => manifest.close());
  return manifest;
}

/** A copy that later edits leave alone. */
function copyOf(state: ManifestState): ManifestState {
  const { database, counters, tables, keyspaces, trees, ingests, datasets, imports, ranges } = state;
  return {
    database,
    counters,
    tables: new Map(tables),
    keyspaces: new Map(keyspaces),
    trees: new Map(trees),
    ingests: new Map(ingests),
    datasets: new Map(datasets),
    imports: new Map(imports),
    sharedImports: new Map(),
    ranges: new Map(ranges),
    commitBlocks: new Map(state.commitBlocks),
    replicaCommits: new Map(state.replicaCommits),
  };
}

test('random edits: what is in memory is what a reopen reads', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(edit, { maxLength: 12 }), { maxLength: 6 }), async (batches) => {
      const dir = fs.mkdtempSync('/tmp/sluice-manifest-');
      try {
        const manifest = Manifest.open({ env: nodeEnv, dir });
        for (const edits of batches) manifest.apply(edits);
        const before = copyOf(manifest.state);
        await manifest.close();
        const again = Manifest.open({ env: nodeEnv, dir, createIfMissing: false });
        expect(copyOf(again.state)).toEqual(before);
        await again.close();
      } finally {
        fs.rmSync(dir, { recursive: true });
      }
    }),
    { numRuns: 40 },
  );
});

test('counters rise above every id and version that an edit names, and never fall', async () => {
  const manifest = openAt(temporaryDirectory());
  expect(manifest.state.counters).toEqual(FIRST_COUNTERS);
  manifest.apply([
    { kind: 'addTable', table: table(7, { maxVersion: 90 as Version }) },
    {
      kind: 'putTree',
      tree: { id: 4 as TreeId, keyspace: 'k', flushedThrough: 0 as Version, keepsTombstones: false },
    },
    {
      kind: 'putKeyspace',
      keyspace: { name: 'k', history: [{ version: 95 as Version, tree: 4 as TreeId }] },
    },
  ]);
  expect(manifest.state.counters).toEqual({
    nextFileId: 8,
    nextTreeId: 5,
    lastVersion: 95,
    visibleVersion: 0,
    oldestReadable: 0,
  });
  manifest.apply([{ kind: 'dropTable', id: 7 as FileId }]);
  expect(manifest.state.counters.nextFileId).toBe(8);
  const lower: Edit = { kind: 'counters', counters: FIRST_COUNTERS };
  expect(() => manifest.apply([lower])).toThrow(/ids are never given out again/);
});

test('a hundred thousand rows in one edit', async () => {
  const dir = temporaryDirectory();
  const manifest = openAt(dir);
  manifest.apply(
    Array.from({ length: 100_000 }, (_, i) => ({
      kind: 'addTable' as const,
      table: table(i + 1, { smallest: Buffer.from(`key ${i}`), largest: Buffer.from(`key ${i}~`) }),
    })),
  );
  await manifest.close();
  const again = openAt(dir);
  expect(again.state.tables.size).toBe(100_000);
  expect(again.state.tables.get(99_999 as FileId)).toEqual(
    table(99_999, {
      smallest: Uint8Array.from(Buffer.from('key 99998')),
      largest: Uint8Array.from(Buffer.from('key 99998~')),
    }),
  );
});

describe('refusals', () => {
  test('NO_SPACE before LMDB meets it, and nothing has changed', async () => {
    const faulty = new FaultyFileSystem(nodeEnv.fs);
    const dir = temporaryDirectory();
    const manifest = openAt(dir, { env: { ...nodeEnv, fs: faulty } });
    manifest.apply([{ kind: 'addTable', table: table(1) }]);
    const before = copyOf(manifest.state);
    const { commitId } = manifest;
    faulty.freeBytes = 1 << 20;
    const add: Edit = { kind: 'addTable', table: table(2) };
    expect(() => manifest.apply([add])).toThrow(expect.objectContaining({ code: 'NO_SPACE' }));
    expect(copyOf(manifest.state)).toEqual(before);
    expect(manifest.commitId).toBe(commitId);
    faulty.heal();
    manifest.apply([add]);
    expect(manifest.state.tables.size).toBe(2);
  });

  test('an ingest id or keyspace name that LMDB could not hold is a TypeError', () => {
    const manifest = openAt(temporaryDirectory());
    const ingest = {
      id: 'i'.repeat(2000),
      version: 1 as Version,
      timeMs: 0,
      files: [],
      undo: undefined,
      undoneAt: undefined,
      undoes: undefined,
    };
    expect(() => manifest.apply([{ kind: 'putIngest', ingest }])).toThrow(TypeError);
    expect(() => manifest.apply([{ kind: 'putKeyspace', keyspace: { name: '', history: [] } }])).toThrow(
      TypeError,
    );
    expect(manifest.state.ingests.size).toBe(0);
    manifest.apply([{ kind: 'addTable', table: table(1) }]);
  });

  test('a readOnly manifest takes no edits', () => {
    const dir = temporaryDirectory();
    openAt(dir);
    const reader = openAt(dir, { readOnly: true });
    expect(() => reader.apply([])).toThrow(expect.objectContaining({ code: 'READ_ONLY' }));
  });
});

describe('opening', () => {
  const code = (expected: string): unknown => expect.objectContaining({ code: expected });

  test('createIfMissing and errorIfExists', async () => {
    const dir = `${temporaryDirectory()}/some.db`;
    expect(() => openAt(dir, { createIfMissing: false })).toThrow(code('NOT_A_DATABASE') as Error);
    expect(() => openAt(dir, { readOnly: true })).toThrow(code('NOT_A_DATABASE') as Error);
    expect(fs.existsSync(dir)).toBe(false);
    const { database } = openAt(dir, { errorIfExists: true }).state;
    expect(database).toMatchObject({
      formatVersion: FORMAT_VERSION,
      comparator: 'leveldb.BytewiseComparator',
    });
    expect(database.id).toMatch(/^[0-9a-f]{32}$/);
    expect(() => openAt(dir, { errorIfExists: true })).toThrow(code('ALREADY_EXISTS') as Error);
    expect(fs.existsSync(`${dir}/manifest/data.mdb`)).toBe(true);
  });

  test('a foreign directory or file is left alone', () => {
    const dir = temporaryDirectory();
    fs.writeFileSync(`${dir}/thesis.txt`, 'mine');
    expect(() => openAt(dir)).toThrow(/thesis.txt/);
    expect(fs.readdirSync(dir)).toEqual(['thesis.txt']);
    expect(() => openAt(`${dir}/thesis.txt`)).toThrow(code('NOT_A_DATABASE') as Error);
  });

  test('a database without its manifest is not begun anew', () => {
    const dir = temporaryDirectory();
    fs.mkdirSync(`${dir}/tables`);
    fs.writeFileSync(`${dir}/tables/000001.sst`, 'data');
    expect(() => openAt(dir)).toThrow(code('CORRUPTION') as Error);
  });

  test('a creation that a crash cut short is finished', () => {
    const dir = temporaryDirectory();
    for (const name of ['manifest', 'wal', 'tables']) fs.mkdirSync(`${dir}/${name}`);
    fs.writeFileSync(`${dir}/LOCK`, '1\n');
    fs.writeFileSync(`${dir}/manifest/data.mdb`, '');
    openAt(dir).apply([{ kind: 'addTable', table: table(1) }]);
  });

  test('rows are there only once the names of the environment are durable', async () => {
    const dir = temporaryDirectory();
    const faulty = new FaultyFileSystem(nodeEnv.fs);
    const env = { ...nodeEnv, fs: faulty };
    faulty.fail({ op: 'syncDirectory', path: /manifest$/, errno: 'EIO' });
    expect(() => Manifest.open({ env, dir })).toThrow('sync');
    // The failed open lets go of the environment a little later.
    await nodeEnv.clock.sleep(20);
    faulty.calls.length = 0;
    openAt(dir, { env });
    expect(faulty.count('syncDirectory', /manifest$/)).toBe(1);
  });

  test('a file that is not LMDB, or cut, is CORRUPTION and not the end of the process', async () => {
    const dir = temporaryDirectory();
    await Manifest.open({ env: nodeEnv, dir }).close();
    const path = `${dir}/manifest/data.mdb`;
    const whole = fs.readFileSync(path);
    for (const bytes of [Buffer.alloc(10_000, 'x'), whole.subarray(0, 100), whole.subarray(0, 8192)]) {
      fs.writeFileSync(path, bytes);
      expect(() => openAt(dir)).toThrow(code('CORRUPTION') as Error);
      expect(() => openAt(dir, { readOnly: true })).toThrow(code('CORRUPTION') as Error);
    }
    fs.writeFileSync(path, whole);
    openAt(dir);
  });

  async function withRows(
    rows: readonly { key: Uint8Array; value: Uint8Array | undefined }[],
  ): Promise<string> {
    const dir = temporaryDirectory();
    const db = open({
      path: `${dir}/manifest`,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      // As the manifest does: it is written in the meta pages.
      overlappingSync: false,
    });
    for (const { key, value } of rows) await db.put(key, value);
    await db.close();
    return dir;
  }
  const row = {
    formatVersion: FORMAT_VERSION,
    id: '0'.repeat(32),
    comparator: 'leveldb.BytewiseComparator',
    createdMs: 1,
  };

  test('an older format is read as it is, and raised once its software could no longer read it', async () => {
    const { key, value } = encodeEdit({ kind: 'addTable', table: table(1) });
    const packed = pack((unpack(Buffer.from(value ?? []).subarray(4)) as unknown[]).slice(0, 12));
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32LE(crc32(packed, crc32(key)));
    const dir = await withRows([
      encodeDatabase({ ...row, formatVersion: 1 }),
      encodeCounters({ ...FIRST_COUNTERS, nextFileId: 2 as FileId }, 1),
      { key, value: Buffer.concat([checksum, packed]) },
    ]);
    const versionAt = async (readOnly: boolean): Promise<number> => {
      const manifest = Manifest.open({ env: nodeEnv, dir, readOnly });
      const { formatVersion } = manifest.state.database;
      expect([...manifest.state.tables.values()]).toEqual([table(1)]);
      await manifest.close();
      return formatVersion;
    };
    expect([await versionAt(true), await versionAt(false), await versionAt(true)]).toEqual([
      1,
      1,
      FORMAT_VERSION,
    ]);
  });

  test('a newer format, another comparator, a damaged or a lost row', async () => {
    const counters = encodeCounters(FIRST_COUNTERS, 0);
    const newer = await withRows([encodeDatabase({ ...row, formatVersion: FORMAT_VERSION + 1 }), counters]);
    expect(() => openAt(newer)).toThrow(code('UNSUPPORTED_FORMAT') as Error);
    const reverse = await withRows([encodeDatabase({ ...row, comparator: 'rev:bytewise' }), counters]);
    expect(() => openAt(reverse)).toThrow(code('COMPARATOR_MISMATCH') as Error);
    const lost = await withRows([encodeDatabase(row), encodeCounters(FIRST_COUNTERS, 3)]);
    expect(() => openAt(lost)).toThrow(/has 0 rows, 3 were written/);
    const { key, value } = encodeDatabase(row);
    const flipped = Uint8Array.from(value ?? []);
    flipped[9] = (flipped[9] as number) ^ 1;
    const damaged = await withRows([{ key, value: flipped }, counters]);
    expect(() => openAt(damaged)).toThrow(/fails its checksum/);
    openAt(await withRows([encodeDatabase(row), counters]));
  });
});
