/**
 * Commits of every kind from several workers at once, each remembered with its version, so that one knows what the
 * database is at any of them.
 */

import { join } from 'node:path';
import type { Db } from '../../src/index.ts';
import type { TextDb } from '../base/database.ts';
import { type Entry, writeSst } from '../base/sst-files.ts';

export const KEYSPACES = ['default', 'other'];

interface Commit {
  readonly version: number;
  /** From `from` up to and without `to` is deleted before the writes. */
  readonly deleted: readonly [keyspace: string, from: string, to: string] | undefined;
  readonly writes: readonly (readonly [keyspace: string, entry: Entry])[];
}

const keyOf = (n: number): string => `key${String(n).padStart(4, '0')}`;

export class Load {
  readonly #db: TextDb;
  readonly #dir: string;
  readonly #commits: Commit[] = [];
  #next = 0;
  #stopped = false;
  readonly #workers: Promise<unknown>;

  /** @param dir for the files that are ingested */
  constructor(db: TextDb, dir: string, workers = 4) {
    this.#db = db;
    this.#dir = dir;
    for (const keyspace of KEYSPACES) db.keyspace(keyspace);
    this.#workers = Promise.all(Array.from({ length: workers }, () => this.#work()));
    this.#workers.catch(() => undefined); // it is told by `stop`; a test that failed before does not ask
  }

  get commits(): number {
    return this.#commits.length;
  }

  /** Resolves when every commit has ended; rejects with the first that failed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#workers;
  }

  /** What the keyspaces hold at the version. REQUIRES: stopped. */
  at(version: number): Record<string, [string, string][]> {
    const maps = new Map(KEYSPACES.map((name) => [name, new Map<string, string>()]));
    const upTo = this.#commits.filter((commit) => commit.version <= version);
    for (const { deleted, writes } of upTo.sort((a, b) => a.version - b.version)) {
      if (deleted !== undefined) {
        const [keyspace, from, to] = deleted;
        const map = maps.get(keyspace);
        for (const key of map?.keys() ?? []) if (key >= from && key < to) map?.delete(key);
      }
      for (const [keyspace, [key, value]] of writes) {
        if (value === undefined) maps.get(keyspace)?.delete(key);
        else maps.get(keyspace)?.set(key, value);
      }
    }
    return Object.fromEntries([...maps].map(([name, map]) => [name, [...map].sort()]));
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      const n = this.#next++;
      const keyspace = KEYSPACES[n % 2] as string;
      const at = (n * 7919) % 1000;
      const entry = (i: number): Entry => [
        keyOf(at + i),
        i % 5 === 4 ? undefined : `${n}-${i}-${'x'.repeat(20)}`,
      ];
      if (n % 4 === 3)
        await this.#ingest(
          n,
          keyspace,
          Array.from({ length: 30 }, (_, i) => entry(i * 3)),
        );
      else if (n % 16 === 2) await this.#deleteRange(keyspace, at);
      else
        await this.#batch(
          Array.from({ length: 1 + (n % 6) }, (_, i) => [KEYSPACES[(n + i) % 2] as string, entry(i)]),
        );
    }
  }

  async #batch(writes: Commit['writes']): Promise<void> {
    const version = await this.#db.batch(
      writes.map(([keyspace, [key, value]]) =>
        value === undefined ? { type: 'del', keyspace, key } : { type: 'put', keyspace, key, value },
      ),
    );
    this.#commits.push({ version, deleted: undefined, writes });
  }

  async #deleteRange(keyspace: string, at: number): Promise<void> {
    const [from, to] = [keyOf(at), keyOf(at + 20)];
    const version = await this.#db.keyspace(keyspace).deleteRange({ gte: from, lt: to });
    this.#commits.push({ version, deleted: [keyspace, from, to], writes: [] });
  }

  /** With puts before and after it. */
  async #ingest(n: number, keyspace: string, entries: readonly Entry[]): Promise<void> {
    const { path } = await writeSst(join(this.#dir, `${n}.sst`), entries);
    const writes: (readonly [string, Entry])[] = [
      ['default', [`before${n % 10}`, String(n)]],
      ...entries.map((entry) => [keyspace, entry] as const),
      ['other', [`after${n % 10}`, String(n)]],
    ];
    const txn = this.#db.begin();
    txn.put(`before${n % 10}`, String(n));
    await txn.ingest(path, { into: keyspace, mode: 'move' });
    txn.keyspace('other').put(`after${n % 10}`, String(n));
    const { version } = await txn.commit();
    this.#commits.push({ version, deleted: undefined, writes });
  }
}

/** All that the keyspaces hold. */
export async function contents(db: Db<'utf8', 'utf8'>): Promise<Record<string, [string, string][]>> {
  const all: Record<string, [string, string][]> = {};
  for (const name of KEYSPACES) all[name] = await db.keyspace(name, { create: false }).iterator().all();
  return all;
}
