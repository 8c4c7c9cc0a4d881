/**
 * The child of the crash test: several workers commit for good, until the process is killed.
 *
 *     crash-child.ts DIRECTORY
 *
 * Loaded, it waits for a line "DURABILITY FIRST-NUMBER" on standard input before it opens the database. Tells on standard output, one line each, written at once: "begun N" before a commit, "files N" when its input files
 * are finished, "done N WORKER" when it was acknowledged.
 */

import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { open, SstWriter, type Transaction } from '../../src/index.ts';
import { DELETED, KEYSPACES, keyOf, kindOf, WORKERS, type Write, writesOf } from './commits.ts';

const dir = process.argv[2] ?? '';
const [line] = (await once(createInterface(process.stdin), 'line')) as [string];
const [durability = '', first = ''] = line.split(' ');
let next = Number(first);

const tell = (line: string): void => {
  fs.writeSync(1, `${line}\n`);
};

const db = await open(join(dir, 'db'), {
  durability: durability === 'os' ? 'os' : 'fsync',
  memtableBytes: 1 << 16,
  blockCacheBytes: 1 << 20,
  level0Trigger: 2,
  levelBaseBytes: 1 << 16,
  targetFileBytes: 1 << 14,
  keyEncoding: 'utf8',
  valueEncoding: 'utf8',
});
for (const keyspace of KEYSPACES) db.keyspace(keyspace);
tell('open');
await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));

async function work(worker: number): Promise<never> {
  for (;;) {
    const n = next++;
    tell(`begun ${n}`);
    const writes = writesOf(n);
    if (kindOf(n) === 'batch' || kindOf(n) === 'large') {
      const last = { type: 'put' as const, key: `last:${worker}`, value: String(n) };
      await db.batch([
        ...writes.map(({ keyspace, key, value }) => ({ type: 'put' as const, keyspace, key, value })),
        last,
      ]);
    } else await db.transaction((txn) => statements(txn, n, worker, writes));
    tell(`done ${n} ${worker}`);
  }
}

async function statements(
  txn: Transaction<'utf8', 'utf8'>,
  n: number,
  worker: number,
  writes: readonly Write[],
): Promise<void> {
  await txn.get(`last:${worker}`);
  const files: [keyspace: string, path: string][] = [];
  for (const keyspace of KEYSPACES) {
    const ingested = writes.filter((write) => write.ingested && write.keyspace === keyspace);
    if (ingested.length > 0) files.push([keyspace, await writeFile(`${n}-${keyspace}.sst`, ingested)]);
  }
  tell(`files ${n}`);
  if (kindOf(n) === 'range') {
    for (const keyspace of KEYSPACES) {
      txn.keyspace(keyspace).put(keyOf(n, DELETED), 'deleted');
      txn.keyspace(keyspace).deleteRange({ gte: keyOf(n, 0), lte: keyOf(n, DELETED) });
    }
  }
  for (const { keyspace, key, value, ingested } of writes) {
    if (!ingested) txn.keyspace(keyspace).put(key, value);
  }
  for (const [into, path] of files) await txn.ingest(path, { into, mode: n % 2 === 0 ? 'move' : 'link' });
  txn.put(`last:${worker}`, String(n));
}

async function writeFile(name: string, writes: readonly Write[]): Promise<string> {
  const path = join(dir, 'in', name);
  const writer = new SstWriter(path);
  for (const { key, value } of writes) writer.put(key, value);
  await writer.finish();
  return path;
}
