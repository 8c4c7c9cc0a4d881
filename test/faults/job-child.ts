/**
 * A database at work, for a parent that limits, kills or watches this process.
 *
 *     job-child.ts DIRECTORY JOB
 *
 * JOB: 'open' opens and waits; those of `kills.ts` put and do that, until killed; 'fill' and 'files' go on until calls fail,
 * then read everything and end. Tells on standard output, a line each: "open", "begun", "put N" of
 * what was acknowledged, "code CODE MESSAGE" of what failed, "read COUNT" and "end".
 */

import fs from 'node:fs';
import { join } from 'node:path';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/index.ts';
import { openText, type TextDb } from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';

const [dir = '', job = ''] = process.argv.slice(2);
const tell = (line: string): void => {
  fs.writeSync(1, `${line}\n`);
};

/** Says how a call ended; what has no code of ours ends this process. */
async function ended(act: () => unknown): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    tell(`code ${error.code} ${error.message}`);
    return false;
  }
}

/** Longer than what is hidden waits to be collected. */
const COLLECTION_MS = 80;

let n = 0;
async function put(db: TextDb, size: number): Promise<boolean> {
  const key = `put${String(n).padStart(6, '0')}`;
  const done = await ended(() => db.put(key, 'x'.repeat(size)));
  if (done) tell(`put ${n}`);
  n++;
  return done;
}

async function work(db: TextDb): Promise<void> {
  for (let round = 0; ; round++) {
    for (let i = 0; i < 40; i++) await put(db, 200);
    tell('begun');
    if (job === 'recovery') continue;
    if (job === 'flush') await db.flush();
    else if (job === 'compaction') await db.compactRange();
    else if (job === 'subcompaction') await subcompaction(db, round);
    else if (job === 'collection') await collection(db, round);
    else if (job === 'publication') await publication(db, round);
    else if (job === 'checkpoint') await db.checkpoint(join(dir, `checkpoint-${process.pid}-${round}`));
    else if (job === 'backup') await db.backup(join(dir, 'backups'), { keep: 3 });
    else await db.ingest(await file(round), { mode: round % 2 === 0 ? 'move' : 'copy' });
  }
}

async function file(round: number, entries = 500): Promise<string> {
  const path = join(dir, `${process.pid}-${round}.sst`);
  await writeSst(path, numbered(0, entries, `in${round % 4}-`));
  return path;
}

/** Of tables that overlap, large enough for several parts. */
async function subcompaction(db: TextDb, round: number): Promise<void> {
  const values = numbered(0, 2000, `in${round % 2}-`, `${round} `.repeat(20));
  await db.batch(values.map(([key, value = '']) => ({ type: 'put', key, value })));
  await db.flush();
  await db.compactRange();
}

/** Tables that a range deletion hides go a moment after it. */
async function collection(db: TextDb, round: number): Promise<void> {
  await db.ingest(await file(round));
  await db.deleteRange({ gte: 'in', lt: 'io' });
  await nodeEnv.clock.sleep(COLLECTION_MS);
}

async function publication(db: TextDb, round: number): Promise<void> {
  const kind = db.dataset('data').versions().length > 0 && round % 2 === 1 ? 'delta' : 'base';
  await db.dataset('data', { keepVersions: 2 }).publish(await file(round), { kind, mode: 'move' });
}

/** Until there is no room, then once more by each way of writing. */
async function fill(db: TextDb): Promise<void> {
  const { path } = await writeSst(join(dir, 'in.sst'), numbered(0, 200, 'in'));
  while (await put(db, 16_000));
  await put(db, 16_000);
  await ended(() => db.flush());
  await ended(() => db.ingest(path));
  await ended(() => db.deleteRange({ gte: 'y' }));
  await ended(() => db.keyspace('another'));
  await ended(() => db.checkpoint(join(dir, 'checkpoint')));
  await ended(() => db.backup(join(dir, 'backups')));
  tell(`read ${(await db.keys({ gte: 'put', lt: 'pv' }).all()).length}`);
  fs.rmSync(join(dir, 'filler'));
  await put(db, 100);
  await ended(() => db.flush());
}

/** Of `ulimit -n`: what is left when the database is open. */
const FREE_DESCRIPTORS = 12;

/** With few descriptors: many small tables, read all at once. */
async function files(db: TextDb): Promise<void> {
  const held: number[] = [];
  try {
    for (;;) held.push(fs.openSync('/dev/null', 'r'));
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EMFILE') throw error;
  }
  for (const fd of held.slice(-FREE_DESCRIPTORS)) fs.closeSync(fd);
  for (let i = 0; i < 60; i++) {
    await put(db, 10);
    await ended(() => db.flush());
  }
  await ended(() => db.iterator().all());
  await ended(() => db.checkpoint(join(dir, 'checkpoint')));
  await ended(() => db.verify({ full: true }));
  tell('read 0');
}

const options = {
  durability: 'os' as const,
  memtableBytes: 1 << 20,
  blockCacheBytes: 1 << 20,
  level0Trigger: 2,
  levelBaseBytes: 1 << 16,
  targetFileBytes: 1 << 15,
  maxSubcompactions: job === 'subcompaction' ? 3 : 1,
  ...(job === 'files' && { compaction: 'off' as const, maxOpenTables: 1000 }),
};
await ended(async () => {
  if (job === 'recovery') {
    tell('begun');
    tell('begun');
  }
  const db = await openText(join(dir, 'db'), options);
  tell('open');
  if (job === 'open') await new Promise((resolve) => setTimeout(resolve, 60_000));
  else if (job === 'fill') await fill(db);
  else if (job === 'files') await files(db);
  else await work(db);
  await ended(() => db.close());
});
tell('end');
