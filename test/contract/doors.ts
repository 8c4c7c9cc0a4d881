/** The doors to one and the same content: every state a database can hold it in, and every object that reads it. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { IngestOptions, Snapshot } from '../../src/index.ts';
import type { Readable } from '../../src/txn/readable.ts';
import { makeMemoryDirectory, type TestOptions, type TextDb, TINY } from '../base/database.ts';
import { type Entry, writeSst } from '../base/sst-files.ts';
import { TestCluster } from '../cluster/nodes.ts';
import type { Openers } from './databases.ts';

export interface Door {
  readonly reader: Readable<'utf8', 'utf8'>;
  /** Given with each call. */
  readonly options: { readonly snapshot?: Snapshot };
}

/** How a door's databases are opened, and what must be closed when the door is; the last opened first. */
class Doorway {
  readonly openText: Openers['openText'];
  readonly #closers: (() => unknown)[] = [];

  constructor(openText: Openers['openText']) {
    this.openText = openText;
  }

  closing(closer: () => unknown): void {
    this.#closers.push(closer);
  }

  async close(): Promise<void> {
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) await closer();
  }
}

/** Keys of several lengths, neighbours that differ in one last zero byte, and runs over many blocks. */
function keysOfContent(): string[] {
  const keys = ['\0', 'a', 'a\0', 'a\0\0', 'aa', 'ab', 'b', 'z', 'zz', 'é', '\u{10ffff}'];
  for (let n = 0; n < 150; n++) keys.push(`m${String(n * 2).padStart(4, '0')}`);
  return keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const KEYS = keysOfContent();

/** What every door shows, in order. */
export const CONTENT: readonly (readonly [string, string])[] = KEYS.map((key, n) => [
  key,
  n % 37 === 0 ? '' : `value of ${n} ${'.'.repeat(n % 40)}`,
]);

/** Entries that CONTENT covers: older values of some keys, and keys deleted later. */
const OLDER: readonly Entry[] = [
  ...KEYS.filter((_, n) => n % 3 === 0).map((key): Entry => [key, `old ${key}`]),
  ...KEYS.filter((_, n) => n % 5 === 0).map((key): Entry => [`${key}!gone`, 'deleted later']),
];
const DELETES: readonly Entry[] = OLDER.filter(([key]) => key.endsWith('!gone')).map(([key]) => [
  key,
  undefined,
]);
const FINAL: readonly Entry[] = [...CONTENT, ...DELETES];

interface Writer {
  put(key: string, value: string): unknown;
  del(key: string): unknown;
}

async function write(to: Writer, entries: Iterable<Entry>): Promise<void> {
  const calls: unknown[] = [];
  for (const [key, value] of entries) calls.push(value === undefined ? to.del(key) : to.put(key, value));
  await Promise.all(calls);
}

async function fill(db: TextDb, flushed: boolean): Promise<void> {
  await write(db, OLDER);
  if (flushed) await db.flush();
  await write(db, FINAL);
  if (flushed) await db.flush();
}

interface IngestTarget {
  ingest(file: string, options?: IngestOptions): Promise<unknown>;
}

async function ingestInto(target: IngestTarget, dir: string, entries: readonly Entry[]): Promise<void> {
  const path = join(dir, `in-${entries.length}.sst`);
  await writeSst(path, entries, { blockBytes: 64 });
  await target.ingest(path);
}

/** In files whose keys are others: those with an `m` without it, and the rest with something before them. */
async function ingestPrefixed(target: IngestTarget, dir: string, entries: readonly Entry[]): Promise<void> {
  const isLong = ([key]: Entry): boolean => key.length > 1 && key.startsWith('m');
  const [short, long] = [
    entries.filter(isLong).map(([key, value]): Entry => [key.slice(1), value]),
    entries.filter((entry) => !isLong(entry)).map(([key, value]): Entry => [`some/where/${key}`, value]),
  ];
  const path = (name: string): string => join(dir, `${name}-${entries.length}.sst`);
  await writeSst(path('short'), short, { blockBytes: 64 });
  await writeSst(path('long'), long, { blockBytes: 64 });
  await target.ingest(path('short'), { prefix: 'm', mode: 'link' });
  await target.ingest(path('long'), { prefix: { from: 'some/where/' }, mode: 'link' });
}

/** Every key has another value, or none. */
async function spoil(db: TextDb): Promise<void> {
  for (const [n, [key]] of CONTENT.entries()) await (n % 2 === 0 ? db.del(key) : db.put(key, 'later'));
  await db.put('m0001', 'later');
}

type MakeDoor = (dir: string, doorway: Doorway) => Promise<Door>;

async function openIn(dir: string, doorway: Doorway, options: TestOptions): Promise<TextDb> {
  const db = await doorway.openText(join(dir, 'db'), options);
  doorway.closing(() => db.close());
  return db;
}

const large: TestOptions = { durability: 'os', memtableBytes: 1 << 20 };

export const DOORS: Readonly<Record<string, MakeDoor>> = {
  'the database, from its memtable': async (dir, doorway) => {
    const db = await openIn(dir, doorway, large);
    await fill(db, false);
    return { reader: db, options: {} };
  },
  'the database, from flushed tables': async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await fill(db, true);
    return { reader: db, options: {} };
  },
  'the database reopened': async (dir, doorway) => {
    const first = await openIn(dir, doorway, TINY);
    await fill(first, false);
    await first.close();
    return { reader: await openIn(dir, doorway, TINY), options: {} };
  },
  'another keyspace': async (dir, doorway) => {
    const db = await openIn(dir, doorway, large);
    await spoil(db);
    const keyspace = db.keyspace('other');
    await write(keyspace, OLDER);
    await write(keyspace, FINAL);
    return { reader: keyspace, options: {} };
  },
  'a snapshot': async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await fill(db, false);
    const snapshot = db.snapshot();
    doorway.closing(() => snapshot.close());
    await spoil(db);
    await db.flush();
    return { reader: db, options: { snapshot } };
  },
  "a transaction's own writes": async (dir, doorway) => {
    const db = await openIn(dir, doorway, large);
    await write(db, OLDER);
    const txn = db.begin();
    doorway.closing(() => txn.abort());
    await write(txn, FINAL);
    return { reader: txn, options: {} };
  },
  'a transaction over its snapshot': async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await fill(db, true);
    const txn = db.begin();
    doorway.closing(() => txn.abort());
    await spoil(db);
    return { reader: txn, options: {} };
  },
  'a read-only transaction': async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await fill(db, false);
    const txn = db.begin({ readOnly: true });
    doorway.closing(() => txn.abort());
    await spoil(db);
    return { reader: txn, options: {} };
  },
  "a transaction's own ingest": async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await write(db, OLDER);
    const txn = db.begin();
    doorway.closing(() => txn.abort());
    await write(
      txn,
      OLDER.map(([key]): Entry => [key, 'own, then covered']),
    );
    await ingestInto(txn, dir, FINAL);
    return { reader: txn, options: {} };
  },
  'an ingested file only': async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await ingestInto(db, dir, CONTENT);
    return { reader: db, options: {} };
  },
  'files ingested under prefixes': async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await ingestPrefixed(db, dir, CONTENT);
    return { reader: db, options: {} };
  },
  'files ingested under prefixes, over each other, reopened': async (dir, doorway) => {
    const first = await openIn(dir, doorway, { ...TINY, compaction: 'off' });
    await ingestPrefixed(first, dir, OLDER);
    await ingestPrefixed(first, dir, FINAL);
    await first.close();
    return { reader: await openIn(dir, doorway, { ...TINY, compaction: 'off' }), options: {} };
  },
  'files ingested under prefixes, compacted': async (dir, doorway) => {
    const db = await openIn(dir, doorway, { ...TINY, maxSubcompactions: 3 });
    await ingestPrefixed(db, dir, OLDER);
    await ingestPrefixed(db, dir, FINAL);
    await db.compactRange({});
    return { reader: db, options: {} };
  },
  "a transaction's own ingest under prefixes, over a deleted range": async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await spoil(db);
    const txn = db.begin();
    doorway.closing(() => txn.abort());
    txn.deleteRange({});
    await write(txn, OLDER);
    await ingestPrefixed(txn, dir, FINAL);
    return { reader: txn, options: {} };
  },
  'ingested files over each other and a memtable': async (dir, doorway) => {
    const db = await openIn(dir, doorway, large);
    await ingestInto(
      db,
      dir,
      OLDER.filter((_, n) => n % 2 === 0),
    );
    await write(
      db,
      OLDER.filter((_, n) => n % 2 === 1),
    );
    await ingestInto(db, dir, FINAL);
    return { reader: db, options: {} };
  },
  'the database, over a deleted range': async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await spoil(db);
    await db.flush();
    await ingestInto(
      db,
      dir,
      CONTENT.map(([key]): Entry => [key, 'deleted']),
    );
    await db.deleteRange({});
    await write(db, OLDER);
    await db.deleteRange({ gte: 'm' });
    await write(db, FINAL);
    return { reader: db, options: {} };
  },
  "a transaction's own writes over its own deleted range": async (dir, doorway) => {
    const db = await openIn(dir, doorway, TINY);
    await spoil(db);
    const txn = db.begin();
    doorway.closing(() => txn.abort());
    await write(
      txn,
      CONTENT.map(([key]): Entry => [key, 'deleted']),
    );
    txn.deleteRange({ gte: 'b' });
    await write(txn, OLDER);
    txn.deleteRange({});
    await ingestInto(txn, dir, FINAL);
    return { reader: txn, options: {} };
  },
  'a replica of a cluster, written through the others': async (dir, doorway) => {
    const cluster = new TestCluster(dir);
    doorway.closing(() => cluster.close());
    const [a, b, c] = [await cluster.open('a'), await cluster.open('b'), await cluster.open('c')];
    await ingestInto(a, dir, OLDER);
    await spoil(b);
    await b.deleteRange({ gte: 'm' });
    await write(b, OLDER);
    await write(b, FINAL);
    await c.caughtUp();
    return { reader: c, options: {} };
  },
  'a read-only open beside the writer': async (dir, doorway) => {
    const db = await openIn(dir, doorway, { ...TINY, durability: 'fsync' });
    await ingestInto(db, dir, OLDER);
    await write(db, FINAL);
    await db.flush();
    return { reader: await openIn(dir, doorway, { readOnly: true }), options: {} };
  },
};

/** Opens a door; the function that comes with it closes all behind it. */
export async function openDoor(
  name: string,
  openText: Openers['openText'],
): Promise<Door & { close(): Promise<void> }> {
  const make = DOORS[name];
  if (make === undefined) throw new Error(`no door ${name}`);
  const dir = makeMemoryDirectory();
  const doorway = new Doorway(openText);
  doorway.closing(() => rmSync(dir, { recursive: true, force: true }));
  const close = () => doorway.close();
  try {
    return { ...(await make(dir, doorway)), close };
  } catch (error) {
    await close();
    throw error;
  }
}
