/**
 * Edits of the manifest are made durable while the event loop goes on: whatever comes between a commit's section and its
 * installation finds the database as before it, or after it, and what is acknowledged then is there after a reopen.
 */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { envOf, memoryDirectory, openDatabase, openText, outcomeOf, type TextDb } from '../base/database.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { numbered, writeSst } from '../base/sst-files.ts';
import { NOTHING_UNSYNCED } from '../simulation/disk.ts';
import { withMachine } from '../simulation/machine.ts';

/** An edit is under way for two turns of the event loop; one comes before it begins at most. */
const TURNS = [0, 1, 2, 3];

const FILE = numbered(0, 20, 'file');

async function place(): Promise<{ db: TextDb; dir: string; path: string }> {
  const dir = memoryDirectory();
  const { path } = await writeSst(join(dir, 'in.sst'), FILE);
  const db = await openDatabase(join(dir, 'db'), { env: envOf(new FaultyFileSystem(nodeEnv.fs)) });
  await db.put('before', '1');
  return { db, dir, path };
}

/** The commit of an ingest, so many turns after it was begun. In an object, as it is not to be waited for. */
async function ingestUnderWay({ db, path }: { db: TextDb; path: string }, turns: number) {
  const txn = db.begin();
  await txn.ingest(path);
  let isDone = false;
  const commit = txn.commit().finally(() => {
    isDone = true;
  });
  for (let i = 0; i < turns; i++) await nodeEnv.clock.turn();
  // After one turn it has its version, and is not durable.
  if (turns === 1) expect(isDone).toBe(false);
  return { commit };
}

const ofFile = (db: TextDb): Promise<unknown> => db.iterator({ gte: 'file', lt: 'filf' }).all();

const ACTS: readonly (readonly [name: string, act: (db: TextDb) => Promise<unknown>])[] = [
  ['a put', (db) => db.put('before', '2')],
  ['a keyspace that is made', async (db) => db.keyspace('new').put('a', '1')],
  ['a flush', (db) => db.flush()],
  ['a compaction', (db) => db.compactRange()],
  ['a range deletion', (db) => db.deleteRange({ gte: 'a', lt: 'b' })],
  ['another ingest', (db) => db.ingest(join(db.path, '../in.sst'), { into: 'other' })],
];

test.each(ACTS)('%s while an ingest is being committed', async (_, act) => {
  for (const turns of TURNS) {
    const { db, path } = await place();
    const { commit } = await ingestUnderWay({ db, path }, turns);
    await Promise.all([commit, act(db)]);
    expect(await ofFile(db)).toEqual(FILE);
    expect(db.version).toBeGreaterThanOrEqual((await commit).version);
    expect((await db.verify({ full: true })).problems).toEqual([]);
    const content = await db.iterator().all();
    const keyspaces = db.keyspaces();
    await db.close();
    const again = await openText(db.path);
    expect(await again.iterator().all()).toEqual(content);
    expect([again.version, again.keyspaces()]).toEqual([db.version, keyspaces]);
    await again.close();
  }
});

test('a checkpoint of a moment within a commit has all that is below its version', async () => {
  for (const turns of TURNS) {
    const { db, dir, path } = await place();
    const { commit } = await ingestUnderWay({ db, path }, turns);
    const { version } = await db.checkpoint(join(dir, 'checkpoint'));
    const ingested = await commit;
    const copy = await openText(join(dir, 'checkpoint'));
    expect(await ofFile(copy)).toEqual(version < ingested.version ? [] : FILE);
    await copy.close();
  }
});

test('the place of an ingest is its own until it is installed', async () => {
  for (const turns of TURNS) {
    const { db, path } = await place();
    await db.put('file000007x', 'within its range');
    await db.flush();
    const { commit } = await ingestUnderWay({ db, path }, turns);
    await Promise.all([db.compactRange(), commit]);
    expect((await db.verify({ full: true })).problems).toEqual([]);
    expect(await ofFile(db)).toHaveLength(FILE.length + 1);
  }
});

test('a reader of what is being committed conflicts before it is durable', async () => {
  for (const turns of TURNS) {
    const { db, path } = await place();
    const reader = db.begin();
    await reader.get('file000003');
    reader.put('read', 'nothing');
    const { commit } = await ingestUnderWay({ db, path }, turns);
    const outcome = await outcomeOf(() => reader.commit());
    const { version } = await commit;
    // Either it came first, or it has read what the ingest wrote.
    if (turns > 0) expect(outcome).toBe('CONFLICT');
    else if (outcome === 'ok') expect(reader.result?.version).toBeLessThan(version);
    else expect(outcome).toBe('CONFLICT');
  }
});

test('a put to a keyspace whose drop is being made durable comes after it', async () => {
  const { db } = await place();
  const more = db.keyspace('more');
  await more.put('a', '1');
  const snapshot = db.snapshot();
  const drop = db.dropKeyspace('more');
  await nodeEnv.clock.turn();
  expect(await outcomeOf(() => more.put('a', '2'))).toBe('KEYSPACE_NOT_FOUND');
  expect(await more.get('a', { snapshot })).toBe('1');
  // One that is made anew does not wait for the turn of the event loop in which the drop is done.
  const anew = db.keyspace('more');
  expect(await anew.get('a')).toBeUndefined();
  await drop;
  await anew.put('a', '3');
  snapshot.close();
  expect(await anew.get('a')).toBe('3');
});

test("with durability 'os' a loss of power that costs a commit costs no older one than what it leaves", async () => {
  let older = 0;
  for (const turns of TURNS) {
    await withMachine(async (machine) => {
      const open = (): Promise<TextDb> =>
        machine.open(machine.fileSystem(), new SeededRandom(1), { durability: 'os' });
      const db = await open();
      await db.batch(numbered(0, 3).map(([key]) => ({ type: 'put', key, value: 'x' })));
      const deleted = db.deleteRange({ lt: 'z' });
      for (let i = 0; i < turns; i++) await Promise.resolve();
      const [put, deletion] = await Promise.all([db.put('zz', 'acknowledged'), deleted]);
      const image = machine.image();
      await db.close();
      machine.restart(image, NOTHING_UNSYNCED);
      const again = await open();
      // What a file, or a deletion of a range, has made durable stays.
      expect(await again.keys({ lt: 'z' }).all()).toEqual([]);
      if (put < deletion) {
        older++;
        expect(await again.get('zz'), `after ${turns} turns`).toBe('acknowledged');
      }
      await again.close();
    });
  }
  expect(older).toBeGreaterThan(0);
});

test('what another process sees has been seen here before', async () => {
  // With the real environment: only there is an edit durable for a while before that is known.
  const dir = memoryDirectory();
  const db = await openDatabase(join(dir, 'db'));
  const reader = await openDatabase(db.path, { readOnly: true });
  const files: string[] = [];
  // The first edits of a database are made on the main thread.
  for (let i = 0; i < 20; i++) await db.deleteRange({ gte: 'x', lt: 'y' });
  await nodeEnv.clock.sleep(300);
  for (let i = 0; i < 12; i++) files.push((await writeSst(join(dir, `${i}.sst`), [[`k${i}`, 'v']])).path);
  let isDone = false;
  const ingests = Promise.all(files.map((path) => db.ingest(path))).finally(() => {
    isDone = true;
  });
  let refreshes = 0;
  while (!isDone) {
    await nodeEnv.clock.turn();
    // Without a turn of the event loop in which the writer would learn of it.
    for (let i = 0; i < 5; i++) {
      await reader.refresh();
      expect(reader.version).toBeLessThanOrEqual(db.version);
      refreshes++;
    }
  }
  await ingests;
  expect(refreshes).toBeGreaterThan(1);
});

test('closing waits for what is under way', async () => {
  const { db, path } = await place();
  const { commit } = await ingestUnderWay({ db, path }, 1);
  const flush = db.flush();
  await db.close();
  await commit;
  await flush;
  const again = await openDatabase(db.path);
  expect(await ofFile(again)).toEqual(FILE);
});
