/**
 * The child of the kill test: makes versions of two datasets live together, publishes to a third, goes back from and drops
 * versions of a fourth, and undoes ingests, until it is killed.
 *
 *     kill-child.ts DIRECTORY FIRST-NUMBER
 *
 * Tells on standard output, one line each, written at once: "open", then "done N" when round N was acknowledged.
 */

import fs from 'node:fs';
import { join } from 'node:path';
import { open, SstWriter } from '../../src/index.ts';

const [, , dir = '', first = '1'] = process.argv;
const tell = (line: string): void => {
  fs.writeSync(1, `${line}\n`);
};

async function file(n: number, keys: number): Promise<string> {
  const path = join(dir, `${n}-${keys}.sst`);
  fs.rmSync(path, { force: true });
  const writer = new SstWriter(path);
  for (let key = 0; key < keys; key++) writer.put(`k${key}`, String(n));
  await writer.finish();
  return path;
}

const db = await open(join(dir, 'db'), {
  memtableBytes: 1 << 14,
  blockCacheBytes: 1 << 20,
  keyEncoding: 'utf8',
  valueEncoding: 'utf8',
});
for (const name of ['a', 'b']) {
  const dataset = db.dataset(name);
  if (dataset.versions().length < 1) await dataset.publish(await file(1, 9), { mode: 'move' });
  if (dataset.versions().length < 2) await dataset.publish(await file(2, 4), { kind: 'delta', mode: 'move' });
}
const c = db.dataset('c', { keepVersions: 2 });
const d = db.dataset('d');
const FIRST_OF_D = 1_000_000;
const goBack = async (): Promise<void> => {
  if (d.current !== FIRST_OF_D) await d.rollback();
  for (const { version, live } of d.versions()) if (!live) await d.drop(version);
};
const undoAll = async (): Promise<void> => {
  for (const { id, undoable } of db.ingests()) if (undoable) await db.undoIngest(id);
};
if (d.current === undefined) await d.publish(await file(0, 6), { mode: 'move', version: FIRST_OF_D });
const u = db.keyspace('u');
await undoAll();
if ((await u.get('k2')) === undefined) for (let key = 0; key < 3; key++) await u.put(`k${key}`, 'before');
await goBack();
tell('open');
for (let n = Number(first); ; n++) {
  const published = c.publish(await file(n, 5), { mode: n % 2 === 0 ? 'move' : 'copy', version: n });
  await db.transaction((txn) => {
    const id = (n % 2) + 1;
    txn.dataset('a').activate(id);
    txn.put('round', String(n));
    txn.dataset('b').activate(id);
    txn.keyspace('b').put('round', String(n));
  });
  await published;
  await undoAll();
  await db.ingest(await file(n, 2), { into: 'u', undoable: true, id: `${n}/${process.pid}` });
  await d.publish(await file(n, 4), { version: n });
  await undoAll();
  await goBack();
  if (n % 3 === 0) await c.publish(await file(n, 3), { kind: 'delta', version: n + 1_000_000 });
  tell(`done ${n}`);
}
