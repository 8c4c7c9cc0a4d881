/** `prefix`: files whose keys are read under another prefix than they have. L7: as if the entries were put by those keys. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type IngestOptions, listBackups, restoreBackup, type SluiceError } from '../../src/index.ts';
import {
  memoryDirectory,
  openDatabase,
  outcomeOf,
  type TestOptions,
  type TextDb,
  TINY,
} from '../base/database.ts';
import { type Entry, numbered, tableFiles, writeSst } from '../base/sst-files.ts';
import { readEntries } from '../rocksdb/entries.ts';

interface Place {
  readonly db: TextDb;
  readonly dir: string;
  file(name: string, entries: readonly Entry[], options?: Parameters<typeof writeSst>[2]): Promise<string>;
}

async function place(options: TestOptions = {}): Promise<Place> {
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'), { durability: 'os', ...options });
  return { db, dir, file: async (name, ...rest) => (await writeSst(join(dir, name), ...rest)).path };
}

const pairs = (keys: string, value: string, prefix = ''): [string, string][] =>
  [...keys].map((key) => [prefix + key, value]);

async function errorOf(act: Promise<unknown>): Promise<SluiceError> {
  return act.then(
    () => {
      throw new Error('nothing was thrown');
    },
    (error: SluiceError) => error,
  );
}

async function contentOf(db: TextDb): Promise<[string, string][]> {
  const all = await db.iterator().all();
  expect(await db.iterator({ reverse: true }).all()).toEqual(all.toReversed());
  for (const [key, value] of all) {
    expect(await db.get(key)).toBe(value);
    expect(db.getSync(key)).toBe(value);
  }
  return all;
}

describe('what it takes', () => {
  test('a prefix of keys that all have it; else the first key without it is named, and nothing is left', async () => {
    const { db, dir, file } = await place();
    const path = await file('in.sst', [...pairs('abc', '1', 'p/'), ...pairs('ab', '2', 'q/')], {
      blockBytes: 64,
    });
    const before = await file('before.sst', [['o', '1'], ...pairs('abc', '1', 'p/')]);
    const wrong: [string, string, string][] = [
      [path, 'p/', 'q/a'],
      [before, 'p/', 'o'],
      [path, 'q/', 'p/a'],
      [path, 'p/a', 'p/b'],
      [path, 'p/a/longer than any', 'p/a'],
    ];
    for (const [source, from, key] of wrong) {
      const error = await errorOf(db.ingest(source, { prefix: { from, to: 'x' }, mode: 'move' }));
      expect(error.code).toBe('PREFIX_MISMATCH');
      expect(error.message).toContain(`${source}: the key ${JSON.stringify(key)} does not begin with`);
      expect(await outcomeOf(() => db.explainIngest(source, { prefix: { from, to: 'x' } }))).toBe(
        'PREFIX_MISMATCH',
      );
      expect(existsSync(source)).toBe(true);
    }
    expect(tableFiles(join(dir, 'db'))).toEqual([]);
    expect(await contentOf(db)).toEqual([]);
  });

  test('keys of 1 to 65,535 bytes once the prefix is there, in whichever block they are', async () => {
    const { db, dir, file } = await place();
    const longest = 'k'.repeat(65_535);
    const path = await file('in.sst', [
      ['a', '1'],
      [longest, '2'],
      ['z', '3'],
    ]);
    expect(await outcomeOf(() => db.ingest(path, { prefix: 'x' }))).toBe('INVALID_KEY');
    const last = await file('last.sst', [
      ['a', '1'],
      [longest, '2'],
    ]);
    for (const verify of ['checksums', 'footer', 'none'] as const)
      expect(await outcomeOf(() => db.ingest(last, { prefix: 'x', verify }))).toBe('INVALID_KEY');
    const one = await file('one.sst', pairs('a', '1'));
    expect(await outcomeOf(() => db.ingest(one, { prefix: { from: 'a' } }))).toBe('INVALID_KEY');
    expect(tableFiles(join(dir, 'db'))).toEqual([]);

    const fits = await file('fits.sst', [
      ['a', '1'],
      [longest.slice(3), '2'],
      ['z', '3'],
    ]);
    await db.ingest(fits, { prefix: 'xyz' });
    await db.ingest(one, { prefix: { from: 'a', to: 'whole' } });
    expect((await contentOf(db)).map(([key]) => key.length)).toEqual([5, 4, 65_535, 4]);
    await db.compactRange({});
    expect((await contentOf(db)).map(([key]) => key.length)).toEqual([5, 4, 65_535, 4]);
  });

  test('a key that no check has looked at and that is too long is an error when it is read, and only it', async () => {
    const { db, file } = await place({ compaction: 'off' });
    const path = await file('in.sst', [
      ['a', '1'],
      ['k'.repeat(65_535), '2'],
      ['z', '3'],
    ]);
    await db.ingest(path, { prefix: 'x', verify: 'footer' });
    expect(await db.getMany(['xa', 'xz', 'xk'])).toEqual(['1', '3', undefined]);
    expect(await outcomeOf(() => db.iterator().all())).toBe('INVALID_KEY');
    expect(await db.iterator({ gte: 'xl' }).all()).toEqual([['xz', '3']]);
  });

  test('strings, bytes, or an object of them; both empty is none', async () => {
    const { db, file } = await place();
    const path = await file('in.sst', pairs('ab', '1'));
    const bad: [unknown, RegExp][] = [
      [7, /options\.prefix must be a string, a Uint8Array, or an object with from and to; got 7/],
      [null, /options\.prefix must be .* got null/],
      [{ from: 'a', into: 'b' }, /it has into/],
      [{ from: 7 }, /options\.prefix\.from must be a string or a Uint8Array/],
      ['x'.repeat(65_536), /options\.prefix\.to must have at most 65535 bytes/],
    ];
    for (const [prefix, message] of bad) {
      const options = { prefix } as IngestOptions;
      expect(await outcomeOf(() => db.ingest(path, options))).toMatch(message);
      expect(await outcomeOf(() => db.explainIngest(path, options))).toMatch(message);
    }
    const given = Buffer.from('né/');
    const done = db.ingest(path, { prefix: given });
    given.fill(0);
    await done;
    await db.ingest(path, { prefix: {} });
    await db.ingest(path, { prefix: { from: '', to: new Uint8Array(0) }, into: 'other' });
    expect(await contentOf(db)).toEqual([...pairs('ab', '1'), ...pairs('ab', '1', 'né/')]);
    expect(db.ingests().map(({ files }) => files[0]?.prefix?.to.toString())).toEqual([
      'né/',
      undefined,
      undefined,
    ]);
  });
});

describe('what is told of it', () => {
  test('keys as they are read, in results, plans and the list of ingests; the id is that of a prefix too', async () => {
    const { db, dir, file } = await place();
    const path = await file('in.sst', pairs('abc', '1', 'p/'));
    const options = { prefix: { from: 'p/', to: 'q/' }, id: 'once' };
    const [plan] = await db.explainIngest(path, options);
    expect([plan?.smallest, plan?.largest].map(String)).toEqual(['q/a', 'q/c']);
    await db.transaction(async (txn) => {
      const { files } = await txn.ingest(path, options);
      expect([files[0]?.smallest, files[0]?.largest].map(String)).toEqual(['q/a', 'q/c']);
    });
    const prefix = { from: Buffer.from('p/'), to: Buffer.from('q/') };
    expect(db.ingests()).toMatchObject([
      { files: [{ file: path, smallest: Buffer.from('q/a'), largest: Buffer.from('q/c'), prefix }] },
    ]);
    expect(await db.ingest(path, options)).toMatchObject({ replayed: true });
    expect(await outcomeOf(() => db.ingest(path, { id: 'once' }))).toBe('INGEST_ID_REUSED');
    expect(await outcomeOf(() => db.ingest(path, { ...options, prefix: 'q/' }))).toBe('INGEST_ID_REUSED');
    await db.close();
    const again = await openDatabase(join(dir, 'db'), { readOnly: true });
    expect(again.ingests()).toMatchObject([{ files: [{ prefix }] }]);
    expect(await contentOf(again)).toEqual(pairs('abc', '1', 'q/'));
    expect((await again.verify({ full: true })).problems).toEqual([]);
  });
});

describe('one file under several prefixes', () => {
  test('in one transaction, by links; in checkpoints, backups and read-only processes too', async () => {
    const { db, dir, file } = await place({ ...TINY, compaction: 'off', durability: 'fsync' });
    const path = await file('in.sst', numbered(0, 200, 'n'), { blockBytes: 64 });
    await db.transaction(async (txn) => {
      for (const prefix of ['a/', 'b/', { from: 'n', to: 'c/' }])
        await txn.ingest(path, { prefix, mode: 'link' });
      txn.put('b/n000007', 'put after');
    });
    const expected = [
      ...numbered(0, 200, 'a/n'),
      ...numbered(0, 200, 'b/n').map(([key, value]) => [key, key === 'b/n000007' ? 'put after' : value]),
      ...numbered(0, 200, 'c/'),
    ];
    expect(await contentOf(db)).toEqual(expected);
    expect(tableFiles(join(dir, 'db'))).toHaveLength(4);

    const reader = await openDatabase(join(dir, 'db'), { readOnly: true });
    expect(await contentOf(reader)).toEqual(expected);
    await db.checkpoint(join(dir, 'checkpoint'));
    await db.backup(join(dir, 'backups'));
    expect(await listBackups(join(dir, 'backups'), { full: true })).toMatchObject([{ problems: [] }]);
    await restoreBackup(join(dir, 'backups'), join(dir, 'restored'));
    for (const name of ['checkpoint', 'restored']) {
      const other = await openDatabase(join(dir, name), TINY);
      expect(await contentOf(other)).toEqual(expected);
      expect((await other.verify({ full: true })).problems).toEqual([]);
      await other.compactRange({});
      expect(await contentOf(other)).toEqual(expected);
      expect((await other.verify({ full: true })).problems).toEqual([]);
    }
    await db.compactRange({});
    expect(await contentOf(db)).toEqual(expected);
    expect(readdirSync(dir)).toContain('in.sst');
  });
});

describe('conflicts', () => {
  test('it has written the keys as they are read, and no others; and is read so by policies', async () => {
    const { db, file } = await place();
    const path = await file('in.sst', pairs('ace', '1', 'p/'));
    const options = { prefix: { from: 'p/', to: 'q/' } };
    const outcomeAfter = async (
      read: (txn: ReturnType<TextDb['begin']>) => Promise<unknown>,
      other: () => Promise<unknown>,
    ): Promise<string> => {
      const txn = db.begin();
      await read(txn);
      txn.put('log', 'x');
      await other();
      return outcomeOf(() => txn.commit());
    };
    const ingest = (): Promise<unknown> => db.ingest(path, options);
    expect(await outcomeAfter((txn) => txn.get('q/c'), ingest)).toBe('CONFLICT');
    expect(await outcomeAfter((txn) => txn.get('q/d'), ingest)).toBe('ok');
    expect(await outcomeAfter((txn) => txn.get('p/c'), ingest)).toBe('ok');
    expect(await outcomeAfter((txn) => txn.keys({ gte: 'q/d', lt: 'q/f' }).all(), ingest)).toBe('CONFLICT');
    expect(await outcomeAfter((txn) => txn.keys({ gt: 'q/c', lt: 'q/e' }).all(), ingest)).toBe('ok');
    expect(await outcomeAfter((txn) => txn.keys({ gte: 'p/', lt: 'q/a' }).all(), ingest)).toBe('ok');
    expect(await outcomeAfter((txn) => txn.keys({ gte: 'q/', lt: 'q0' }).all(), ingest)).toBe('CONFLICT');
    const keep = (into: string) => (txn: ReturnType<TextDb['begin']>) =>
      txn.ingest(path, { ...options, ifExists: 'keep', into });
    const there = db.keyspace('there');
    expect(await outcomeAfter(keep('there'), () => there.put('q/c', 'x'))).toBe('CONFLICT');
    expect(await outcomeAfter(keep('there'), () => there.put('p/c', 'x'))).toBe('ok');
    expect(await outcomeAfter(keep('there'), () => there.deleteRange({ gte: 'q/d' }))).toBe('CONFLICT');
    expect(await outcomeAfter(keep('there'), () => there.deleteRange({ gt: 'q/e' }))).toBe('ok');
    const others = await file('others.sst', pairs('bde', '2'));
    const ingestOthers = (prefix: string) => () => db.ingest(others, { into: 'there', prefix });
    expect(await outcomeAfter(keep('there'), ingestOthers('p/'))).toBe('ok');
    expect(await outcomeAfter(keep('there'), ingestOthers('q/'))).toBe('CONFLICT');
  });
});

describe('policies', () => {
  test('keep, fail, replace and undo take keys as they are read', async () => {
    const { db, file } = await place();
    const path = await file('in.sst', pairs('abc', 'new', 'p/'));
    const options = { prefix: { from: 'p/', to: 'q/' } };
    await db.batch(pairs('b', 'old', 'q/').map(([key, value]) => ({ type: 'put', key, value })));
    await db.put('p/a', 'beside');
    const failed = await errorOf(db.ingest(path, { ...options, ifExists: 'fail' }));
    expect([failed.code, failed.keys.map(String)]).toEqual(['KEY_EXISTS', ['q/b']]);
    const kept = await db.ingest(path, { ...options, ifExists: 'keep' });
    expect(kept.ingested).toMatchObject([{ entries: 2, skipped: 1 }]);
    const beside: [string, string] = ['p/a', 'beside'];
    expect(await contentOf(db)).toEqual([beside, ['q/a', 'new'], ['q/b', 'old'], ['q/c', 'new']]);
    await db.put('q/z', 'replaced');
    const { id } = await db.ingest(path, {
      ...options,
      replace: { gte: 'q/' },
      undoable: true,
    });
    expect(await contentOf(db)).toEqual([beside, ...pairs('abc', 'new', 'q/')]);
    await db.compactRange({});
    await db.undoIngest(id);
    expect(await contentOf(db)).toEqual([
      beside,
      ['q/a', 'new'],
      ['q/b', 'old'],
      ['q/c', 'new'],
      ['q/z', 'replaced'],
    ]);
    expect((await db.verify({ full: true })).problems).toEqual([]);
  });

  test('behind what was deleted', async () => {
    const { db, file } = await place();
    db.keyspace('old', { allowIngestBehind: true });
    const old = db.keyspace('old');
    await old.put('q/a', 'there');
    await old.del('q/b');
    await db.ingest(await file('in.sst', pairs('abc', 'new')), { into: 'old', behind: true, prefix: 'q/' });
    expect(await old.iterator().all()).toEqual([
      ['q/a', 'there'],
      ['q/c', 'new'],
    ]);
  });
});

describe('range deletions in the file', () => {
  const FIXTURES = fileURLToPath(new URL('../fixtures/rocksdb/ranges/', import.meta.url));
  const RANGES = [`${FIXTURES}ranges.sst`, `${FIXTURES}ranges-only.sst`];
  const entriesOf = (name: string): [string, string][] =>
    readEntries(`${FIXTURES}${name}.bin`).map(({ key, value }) => [
      Buffer.from(key).toString(),
      Buffer.from(value ?? []).toString(),
    ]);

  test.each([[{ from: '', to: 'é/' }], [{ from: 'key', to: '' }], [{ from: 'key00', to: 'another/' }]])(
    'delete what is under the prefix, and nothing else: %j',
    async (prefix) => {
      const { db, dir } = await place(TINY);
      const read = ([key, value]: [string, string]): [string, string] => [
        prefix.to + key.slice(prefix.from.length),
        value,
      ];
      const before = entriesOf('ranges-before');
      await db.batch([...before, ...before.map(read)].map(([key, value]) => ({ type: 'put', key, value })));
      const [first] = before;
      await db.ingest(RANGES, { prefix });
      const expected = [...before, ...entriesOf('ranges-after').map(read)];
      expected.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(first?.[0].startsWith('key00')).toBe(true);
      expect(await contentOf(db)).toEqual(expected);
      await db.close();
      const again = await openDatabase(join(dir, 'db'), TINY);
      expect(await contentOf(again)).toEqual(expected);
      expect((await again.verify({ full: true })).problems).toEqual([]);
      await again.compactRange({});
      expect(await contentOf(again)).toEqual(expected);
    },
  );

  test('one that reaches beyond the prefix is refused', async () => {
    const { db } = await place();
    const error = await errorOf(db.ingest(RANGES, { prefix: { from: 'key001' } }));
    expect(error.code).toBe('PREFIX_MISMATCH');
    expect(error.message).toMatch(/range deletion|key "key00/);
  });
});

test('compactions of many tables, in parts and by moves, give what puts would have given', async () => {
  const { db, file } = await place({ ...TINY, maxSubcompactions: 3, compaction: 'off' });
  const twin = db.keyspace('twin');
  const put = async (prefix: string, entries: readonly Entry[]): Promise<void> => {
    await db.batch(
      entries.map(([key, value]) => ({
        type: 'put',
        keyspace: 'twin',
        key: prefix + key,
        value: value ?? '',
      })),
    );
  };
  for (let n = 0; n < 12; n++) {
    const entries = numbered(n * 40, n * 40 + 100, 'n', `value ${n} `);
    const path = await file(`${n}.sst`, entries, { blockBytes: 64 });
    const to = n % 3 === 0 ? 'a/' : n % 3 === 1 ? 'b/long/' : '';
    await db.ingest(path, { prefix: n % 2 === 0 ? to : { from: 'n0', to } });
    await put(to, n % 2 === 0 ? entries : entries.map(([key, value]) => [key.slice(2), value]));
  }
  const expected = await twin.iterator().all();
  expect(await contentOf(db)).toEqual(expected);
  await db.compactRange({ lt: 'b/' });
  expect(await contentOf(db)).toEqual(expected);
  await db.compactRange({});
  expect(await contentOf(db)).toEqual(expected);
  expect((await db.verify({ full: true })).problems).toEqual([]);
});

test('a version of a dataset can be published under a prefix, and diffs are of keys as they are read', async () => {
  const { db, file } = await place();
  const path = await file('in.sst', pairs('abc', '1', 'p/'));
  const dataset = db.dataset('features', { keepVersions: 3 });
  await dataset.publish(path, { prefix: { from: 'p/', to: 'q/' }, mode: 'link' });
  await dataset.publish(path, { kind: 'delta', prefix: { from: 'p/', to: 'r/' }, mode: 'link' });
  expect(await db.keyspace('features').iterator().all()).toEqual([
    ...pairs('abc', '1', 'q/'),
    ...pairs('abc', '1', 'r/'),
  ]);
  const changes: string[] = [];
  for await (const { key } of dataset.diff(1, 2)) changes.push(String(key));
  expect(changes).toEqual(['r/a', 'r/b', 'r/c']);
  await dataset.rollback();
  expect(await db.keyspace('features').keys().all()).toEqual(['q/a', 'q/b', 'q/c']);
});
