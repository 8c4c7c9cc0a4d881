/** better-sqlite3: one table without row ids, WAL, synchronous FULL for durable commits and NORMAL for others. */

import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const LOAD_BATCH = 50_000;

const Database = createRequire(new URL('../peers/package.json', import.meta.url))('better-sqlite3');

export async function openEngine(dir, { cacheBytes, durable = true }) {
  mkdirSync(dir, { recursive: true });
  const db = new Database(join(dir, 'data.sqlite'));
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
  db.pragma(`cache_size = -${cacheBytes >> 10}`);
  db.exec('CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID');
  const one = db.prepare('SELECT value FROM entries WHERE key = ?').pluck();
  const all = db.prepare('SELECT key, value FROM entries ORDER BY key').raw();
  const upsert = db.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?)');
  const remove = db.prepare('DELETE FROM entries WHERE key = ?');
  const loadSome = db.transaction((keyAt, valueAt, from, to) => {
    for (let i = from; i < to; i++) upsert.run(keyAt(i), valueAt(i));
  });
  const write = db.transaction((operations) => {
    for (const { type, key, value } of operations) {
      if (type === 'put') upsert.run(key, value);
      else remove.run(key);
    }
  });
  return {
    load(keyAt, valueAt, count) {
      for (let from = 0; from < count; from += LOAD_BATCH)
        loadSome(keyAt, valueAt, from, Math.min(from + LOAD_BATCH, count));
    },
    /** Prepared inserts in one transaction. */
    loadAtOnce: (keyAt, valueAt, count) => loadSome(keyAt, valueAt, 0, count),
    get: (key) => one.get(key),
    scan(visit) {
      for (const [key, value] of all.iterate()) visit(key, value);
    },
    /** Synchronous: commits of many committers come one by one, each with its own fsync. */
    async put(key, value) {
      upsert.run(key, value);
    },
    batch: (operations) => write(operations),
    close: () => db.close(),
  };
}
