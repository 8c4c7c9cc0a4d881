/** `db.ingests()`, and the digests of whole files that `verify` holds tables against. */

import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDirectory, openDatabase, outcomeOf } from '../base/database.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';

test('tells of every ingest, after a reopen and a compaction too', async () => {
  const dir = memoryDirectory();
  const path = join(dir, 'db');
  const [one, two] = [join(dir, '1.sst'), join(dir, '2.sst')];
  const facts = await writeSst(one, numbered(0, 10));
  await writeSst(two, numbered(5, 20));
  const db = await openDatabase(path);
  expect(db.ingests()).toEqual([]);
  const started = Date.now();
  const first = await db.ingest([one], { id: 'first', sha256: [facts.sha256], into: 'k' });
  const second = await db.ingest([two, one], { ifExists: 'keep', sha256: true, into: 'k' });
  const told = db.ingests();
  expect(told).toMatchObject([
    {
      id: 'first',
      version: first.version,
      keyspace: 'k',
      files: [
        {
          file: one,
          entries: 10,
          skipped: 0,
          bytes: facts.bytes,
          sha256: facts.sha256,
          table: first.ingested[0]?.table,
        },
      ],
    },
    {
      id: second.id,
      version: second.version,
      files: [
        {
          file: two,
          entries: 10,
          skipped: 5,
          sha256: createHash('sha256').update(readFileSync(two)).digest('hex'),
        },
        { file: one, entries: 0, skipped: 10, sha256: facts.sha256 },
      ],
    },
  ]);
  expect(told[0]?.files[0]?.smallest).toEqual(Buffer.from('k000000'));
  expect(told[0]?.time.getTime()).toBeGreaterThanOrEqual(started);
  await db.compactRange();
  await db.close();
  const again = await openDatabase(path);
  expect(again.ingests()).toEqual(told);
  expect((await again.verify({ full: true })).problems).toEqual([]);
});

test('ingests of one transaction are told of in the order of its statements, after a reopen too', async () => {
  const home = memoryDirectory();
  const options = { durability: 'os', compaction: 'off' } as const;
  const { path } = await writeSst(join(home, 'in.sst'), [['k', '1']]);
  const db = await openDatabase(join(home, 'db'), options);
  const ids = ['z', 'b', 'a', 'y'];
  await db.transaction(async (txn) => {
    for (const id of ids) await txn.ingest(path, { id, into: 'default' });
  });
  expect(db.ingests().map(({ id }) => id)).toEqual(ids);
  await db.close();
  const again = await openDatabase(join(home, 'db'), options);
  expect(again.ingests().map(({ id }) => id)).toEqual(ids);
});

test('verify({ full }) finds a table that is not the file that was ingested', async () => {
  const dir = memoryDirectory();
  const [one, two] = [join(dir, '1.sst'), join(dir, '2.sst')];
  const facts = await writeSst(one, [['a', '1']], { compression: 'none' });
  await writeSst(two, [['a', '2']], { compression: 'none' });
  const db = await openDatabase(join(dir, 'db'));
  await db.ingest(one, { sha256: true });
  await db.close();
  const table = join(dir, 'db', 'tables', tableFiles(join(dir, 'db'))[0] ?? '');
  // As sound, as large and as sorted as the other.
  writeFileSync(table, readFileSync(two));
  const again = await openDatabase(join(dir, 'db'));
  expect((await again.verify()).problems).toEqual([]);
  expect((await again.verify({ full: true })).problems).toEqual([
    expect.stringMatching(new RegExp(`SHA-256 digest is [0-9a-f]{64}, it was ingested with ${facts.sha256}`)),
  ]);
  expect(await outcomeOf(() => again.ingest(one, { sha256: 'yes' as never }))).toMatch(/options\.sha256/);
});

test('verify({ full }) holds the tables of kept versions against the digests that they were published with', async () => {
  const dir = memoryDirectory();
  const path = join(dir, 'db');
  const [one, two] = [join(dir, '1.sst'), join(dir, '2.sst')];
  const facts = await writeSst(one, [['a', '1']], { compression: 'none' });
  await writeSst(two, [['a', '2']], { compression: 'none' });
  const db = await openDatabase(path);
  await db.dataset('d').publish(one, { sha256: true, prefix: 'p:' });
  await db.dataset('d').publish(one, { kind: 'delta', sha256: true });
  await db.dataset('d').publish(one, { sha256: true });
  // What is live is written anew: only the versions have the files as they were.
  await db.keyspace('d').put('b', '1');
  await db.compactRange({ keyspace: 'd' });
  expect((await db.verify({ full: true })).problems).toEqual([]);
  const versions = db.dataset('d').versions();
  expect(versions.map(({ tables }) => tables)).toEqual([1, 2, 1]);
  const tables = tableFiles(path).filter((name) => statSync(join(path, 'tables', name)).size === facts.bytes);
  expect(tables.length).toBeGreaterThanOrEqual(4);
  await db.close();
  const wrong = readFileSync(two);
  // Through every name of each file: it is not replaced, as links would keep the old.
  for (const name of tables) writeFileSync(join(path, 'tables', name), wrong);
  const again = await openDatabase(path);
  expect((await again.verify()).problems).toEqual([]);
  const { problems } = await again.verify({ full: true });
  expect(problems).toHaveLength(tables.length);
  for (const problem of problems) {
    expect(problem).toMatch(
      new RegExp(`SHA-256 digest is [0-9a-f]{64}, it was ingested with ${facts.sha256}`),
    );
  }
});
