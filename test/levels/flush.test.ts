import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { expect, it } from 'vitest';
import type { Env } from '../../src/base/env/env.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { ThreadRunner } from '../../src/levels/compaction/runner.ts';
import { type FlushJob, flushMemtable } from '../../src/levels/flush.ts';
import type { FileId, TableRow, TreeId } from '../../src/manifest/rows.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import type { Memtable } from '../../src/mvcc/memtable.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { niceOfThreads } from '../base/nice-of-threads.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { type Entry, memtableOf, settle, show, showCursor } from '../mvcc/entries.ts';
import { tableAt } from '../sst/written-table.ts';

const entryOf = (key: string, version: number, value: string | undefined): Entry => ({
  key: Buffer.from(key),
  version: versionOf(version),
  type: value === undefined ? TYPE_DELETE : TYPE_VALUE,
  value: Buffer.from(value ?? ''),
});

function flush(memtable: Memtable, directory: string, env: Env): Promise<TableRow> {
  return flushMemtable(memtable, jobIn(directory), env);
}

function jobIn(directory: string): FlushJob {
  const id = 7 as FileId;
  return { tree: 2 as TreeId, id, path: `${directory}/7.sst`, directory, builder: { external: false } };
}

it('writes every version of every key, and says what it wrote', async () => {
  const directory = temporaryDirectory();
  const entries = [
    entryOf('a', 9, undefined),
    entryOf('a', 3, 'old'),
    entryOf('b', 5, 'x'.repeat(100_000)),
    entryOf('c', 2 ** 40, ''),
  ];
  const row = await flush(memtableOf([...entries].reverse()), directory, nodeEnv);
  expect(row).toMatchObject({
    id: 7,
    tree: 2,
    level: 0,
    entries: 4,
    deletes: 1,
    minVersion: 3,
    maxVersion: 2 ** 40,
    globalVersion: undefined,
    source: 'flush',
  });
  expect([Buffer.from(row.smallest).toString(), Buffer.from(row.largest).toString()]).toEqual(['a', 'c']);
  expect(row.bytes).toBe(nodeEnv.fs.statSync(`${directory}/7.sst`).bytes);

  const table = tableAt(`${directory}/7.sst`);
  const cursor = table.cursor(undefined);
  const seen: string[] = [];
  settle(cursor, () => cursor.first());
  while (cursor.valid) {
    seen.push(showCursor(cursor));
    settle(cursor, () => cursor.next());
  }
  cursor.close();
  table.dispose();
  expect(seen).toEqual(entries.map(show));
});

it('syncs the bytes, then the name, before it answers (L2)', async () => {
  const fs = new FaultyFileSystem(nodeEnv.fs);
  await flush(memtableOf([entryOf('a', 1, 'v')]), temporaryDirectory(), { ...nodeEnv, fs });
  const synced = fs.calls.map(({ op }) => op).filter((op) => op !== 'close');
  expect(synced.lastIndexOf('write')).toBeLessThan(synced.indexOf('datasync'));
  expect(synced.slice(-2)).toEqual(['datasync', 'syncDirectory']);
});

it.each(['write', 'datasync', 'syncDirectory'] as const)('leaves no file when %s fails', async (op) => {
  const directory = temporaryDirectory();
  const fs = new FaultyFileSystem(nodeEnv.fs);
  fs.fail({ op, errno: 'ENOSPC' });
  const memtable = memtableOf([entryOf('a', 1, 'v')]);
  await expect(flush(memtable, directory, { ...nodeEnv, fs })).rejects.toMatchObject({ code: 'NO_SPACE' });
  expect(readdirSync(directory)).toEqual([]);
  // Nothing was lost: the next attempt succeeds.
  await flush(memtable, directory, { ...nodeEnv, fs });
  expect(existsSync(`${directory}/7.sst`)).toBe(true);
});

it('gives way to the event loop every few milliseconds', async () => {
  let turns = 0;
  let nowMs = 0;
  const clock = {
    ...nodeEnv.clock,
    // Each look at the clock takes a millisecond.
    monotonicMs: () => nowMs++,
    turn: () => {
      turns++;
      return nodeEnv.clock.turn();
    },
  };
  const entries = Array.from({ length: 5000 }, (_, i) => entryOf(`${100_000 + i}`, 1, 'x'.repeat(1000)));
  await flush(memtableOf(entries, 8 << 20), temporaryDirectory(), { ...nodeEnv, clock });
  expect(turns).toBeGreaterThan(10);
  expect(turns).toBeLessThan(100);
});

it('in another thread makes the same file, and tells the same errors', async () => {
  const entries = Array.from({ length: 6000 }, (_, i) =>
    entryOf(
      `key${(i * 7919) % 6000}`,
      i + 1,
      i % 5 === 0 ? undefined : 'v'.repeat(i === 77 ? 100_000 : i % 900),
    ),
  );
  const memtable = memtableOf(entries, 16 << 20);
  expect(memtable.bytesUsed).toBeGreaterThan(1 << 20);
  const [here, there] = [temporaryDirectory(), temporaryDirectory()];
  const expected = await flush(memtable, here, nodeEnv);
  const runner = new ThreadRunner();
  try {
    let turns = 0;
    const threads = niceOfThreads();
    const ticking = setInterval(() => turns++, 1);
    const row = await runner.flush(memtable, jobIn(there));
    clearInterval(ticking);
    // It gives way to the event loop, and nobody else has to.
    const started = [...niceOfThreads()].filter(([thread]) => !threads.has(thread));
    expect(started.map(([, nice]) => nice)).toContain(Math.min(19, getPriority() + 5));
    expect(niceOfThreads().get(String(process.pid))).toBe(threads.get(String(process.pid)));
    expect(row).toEqual(expected);
    expect(readFileSync(`${there}/7.sst`).equals(readFileSync(`${here}/7.sst`))).toBe(true);
    expect(turns).toBeGreaterThan(0);
    // The same thread again, where there is a file already; then one more that works.
    await expect(runner.flush(memtable, jobIn(there))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const other = temporaryDirectory();
    expect(await runner.flush(memtable, jobIn(other))).toEqual(expected);
  } finally {
    await runner.close();
  }
});

it('ends threads that have nothing to do, and starts others when there is', async () => {
  const entries = Array.from({ length: 2000 }, (_, i) => entryOf(`key${i}`, i + 1, 'v'.repeat(600)));
  const memtable = memtableOf(entries, 4 << 20);
  const runner = new ThreadRunner(20);
  try {
    for (let round = 0; round < 2; round++) {
      await runner.flush(memtable, jobIn(temporaryDirectory()));
      expect(runner.threads).toBe(1);
      while (runner.threads > 0) await nodeEnv.clock.sleep(5);
    }
  } finally {
    await runner.close();
  }
});
