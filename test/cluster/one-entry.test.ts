/** Transactions that go to the log together come out as if each had come alone, on every replica and after every restart. */

import { expect, test } from 'vitest';
import { isSluiceError } from '../../src/base/errors.ts';
import { EntryRecords } from '../../src/cluster/record/entry.ts';
import { outcomeOf } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { sameOnAll } from './entries.ts';
import { ALL_KEPT, type NodeOptions, type TextNode, threeNodes, until } from './nodes.ts';
import { StuckLog } from './stuck-log.ts';

/** Node a has all that it commits in one entry, once it is let: what is before the first append goes alone. */
async function gathering(options: NodeOptions = {}) {
  const { cluster, b, c } = await threeNodes({ ...ALL_KEPT, ...options });
  await cluster.stop('a');
  const log = new StuckLog(cluster.log, 'a');
  const a = await cluster.open('a', { log });
  await b.batch(['k1', 'k2', 'k3', 'k4'].map((key) => ({ type: 'put', key, value: 'old' })));
  await a.caughtUp();
  const alone = a.put('alone', '1');
  await until('it is being appended', () => log.given > 0);
  const together = async (count: number): Promise<void> => {
    await until('all are there', async () => (await a.status()).pendingCommits === count + 1);
    log.let();
    await alone;
  };
  return { cluster, a, b, c, together };
}

/** Reads, then writes; the commit is under way. */
async function begun(
  node: TextNode,
  reads: readonly string[],
  write: string,
  scan?: { gte: string; lt: string },
): Promise<() => Promise<string>> {
  const txn = node.begin();
  for (const key of reads) await txn.get(key);
  if (scan !== undefined) await txn.iterator(scan).all();
  txn.put(write, `after ${reads.join()}`);
  return async () => {
    try {
      return `ok ${(await txn.commit()).version}`;
    } catch (error) {
      return isSluiceError(error) ? error.message : String(error);
    }
  };
}

test('of those in one entry each is held against those before it, by key and by range, and the versions are dense', async () => {
  const { cluster, a, b, c, together } = await gathering();
  const before = a.version + 1;
  const ranges = { gte: 'k3', lt: 'k5' };
  const commits = [
    await begun(a, [], 'k1'),
    await begun(a, ['k1'], 'lost 1'),
    await begun(a, ['k2'], 'k3'),
    await begun(a, ['k2'], 'x'),
    await begun(a, [], 'lost 2', ranges),
    await begun(a, [], 'y', { gte: 'k4', lt: 'k5' }),
    await begun(a, ['missing'], 'missing'),
    await begun(a, ['missing'], 'lost 3'),
    await begun(a, [], 'z'),
  ];
  const outcomes: Promise<string>[] = [];
  for (const [i, commit] of commits.entries()) {
    outcomes.push(commit());
    await until('it has come', async () => (await a.status()).pendingCommits === i + 2);
  }
  await together(commits.length);
  const conflict = (key: string, version: number) =>
    expect.stringContaining(
      `the key "${key}" of the keyspace "default" was written by the commit at version ${version}`,
    );
  const n = before;
  expect(await Promise.all(outcomes)).toEqual([
    `ok ${n + 1}`,
    conflict('k1', n + 1),
    `ok ${n + 2}`,
    `ok ${n + 3}`,
    conflict('k3', n + 2),
    `ok ${n + 4}`,
    `ok ${n + 5}`,
    conflict('missing', n + 5),
    `ok ${n + 6}`,
  ]);
  await sameOnAll([a, b, c]);
  await cluster.stop('c');
  await a.put('more', '1');
  await sameOnAll([a, b, await cluster.open('c')]);
});

test('of requests of one id in one entry, or in one before it, one is committed, whatever each says; a replica that is opened anew knows them', async () => {
  const { cluster, a, b, together } = await gathering();
  const request = async (id: string, reads: readonly string[], write: string) => {
    const txn = a.begin();
    for (const key of reads) await txn.get(key);
    txn.put(write, id);
    txn.nameRequest(id);
    return async () => (await txn.commit()).version;
  };
  const before = a.version + 1;
  const commits = [
    await request('first', [], 'x1'),
    await request('second', ['k1'], 'x2'),
    await request('first', [], 'x3'),
    await request('second', ['x1'], 'x4'),
    await request('third', ['k2'], 'x5'),
    await request('third', [], 'x6'),
  ];
  const committed: Promise<number>[] = [];
  for (const [i, commit] of commits.entries()) {
    committed.push(commit());
    await until('it has come', async () => (await a.status()).pendingCommits === i + 2);
  }
  await together(commits.length);
  const [first, second, third] = [before + 1, before + 2, before + 3];
  expect(await Promise.all(committed)).toEqual([first, second, first, second, third, third]);
  // All were in the form that is applied without being taken apart.
  const entry = new EntryRecords(cluster.log.entries.at(-1)?.bytes ?? new Uint8Array());
  expect(Array.from({ length: entry.count }, (_, i) => entry.isPut(i))).toEqual(commits.map(() => true));
  await cluster.stop('c');
  const again = await cluster.open('c');
  for (const node of [a, b, again]) {
    await node.caughtUp();
    expect((await node.iterator({ gte: 'x', lt: 'y' }).all()).map(([key]) => key)).toEqual([
      'x1',
      'x2',
      'x5',
    ]);
    const late = node.begin();
    late.put('late', 'x');
    late.nameRequest('second');
    expect((await late.commit()).version).toBe(second);
  }
  expect(again.version).toBe(third);
  await sameOnAll([a, b, again]);
});

test('who has read behind the horizon, counted to its own place in the entry, is refused; who has read at it is not', async () => {
  const { a, b, c, together } = await gathering({ windowVersions: 16 });
  const old = await begun(a, ['k1'], 'first');
  const same = await begun(a, ['k1'], 'last');
  const late = await begun(a, ['k1'], 'late');
  // The one that goes alone, and these: at the snapshot + 17 the horizon has passed it.
  const puts = Array.from({ length: 14 }, (_, i) => a.put(`p${i}`, '1'));
  await until('the puts are there', async () => (await a.status()).pendingCommits === 15);
  const outcomes = [];
  for (const [i, commit] of [old, same, late].entries()) {
    outcomes.push(commit());
    await until('it has come', async () => (await a.status()).pendingCommits === 16 + i);
  }
  await together(17);
  await Promise.all(puts);
  expect(await Promise.all(outcomes)).toEqual([
    expect.stringMatching(/^ok/),
    expect.stringMatching(/^ok/),
    expect.stringMatching(/looks for conflicts from version/),
  ]);
  await sameOnAll([a, b, c]);
});

test('random transactions of all nodes, many in an entry, give the same on all, and add up', async () => {
  const { cluster, a, b, c } = await threeNodes({ ...ALL_KEPT, memtableBytes: 8 << 20 });
  const seeded = new SeededRandom(11);
  const nodes = [a, b, c];
  const key = (): string => `n${Math.floor(seeded.float() * 12)}`;
  let done = 0;
  for (let round = 0; round < 4; round++) {
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const [of, scans] = [key(), seeded.float() < 0.3];
        const outcome = await outcomeOf(() =>
          (nodes[i % 3] ?? a).transaction(
            async (txn) => {
              const was = scans
                ? (await txn.iterator({ gte: of, lte: of }).all())[0]?.[1]
                : await txn.get(of);
              txn.put(of, String(Number(was ?? 0) + 1));
            },
            { maxRetries: 0 },
          ),
        );
        if (outcome === 'ok') done++;
        else expect(outcome).toBe('CONFLICT');
      }),
    );
    await sameOnAll(nodes);
  }
  expect(done).toBeGreaterThan(20);
  const sum = (await a.iterator().all()).reduce((total, [, value]) => total + Number(value), 0);
  expect(sum).toBe(done);
  await cluster.stop('b');
  await sameOnAll([a, await cluster.open('b'), c]);
});
