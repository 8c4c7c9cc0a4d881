/** A replica that was closed, or of which a crash has left what it had written, goes on where it was and comes out as the others. */

import { cpSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { outcomeOf } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { writeSst } from '../base/sst-files.ts';
import { sameOnAll } from './entries.ts';
import { ALL_KEPT, type TestCluster, type TextNode, threeNodes, until } from './nodes.ts';
import { engineOf } from './tree-entries.ts';

test('a replica that was away applies what it has missed, once', async () => {
  const { cluster, a, b } = await threeNodes(ALL_KEPT);
  await a.put('k', '1');
  await cluster.stop('c');
  await b.put('k', '2');
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  await a.ingest(path);
  const c = await cluster.open('c');
  await sameOnAll([a, b, c]);
  await cluster.stop('c');
  await sameOnAll([a, b, await cluster.open('c')]);
});

test('a replica that applies a transaction and a put after it within one turn has applied both', async () => {
  const { cluster, a } = await threeNodes();
  await cluster.stop('c');
  for (let i = 0; i < 10; i++) {
    await a.transaction(async (txn) => txn.put('read', `${(await txn.get('k')) ?? ''}${i}`));
    await a.put('k', String(i));
  }
  const c = await cluster.open('c');
  const head = (await a.status()).appliedRevision;
  await until('all is applied', async () => (await c.status()).appliedVersion === a.version);
  await until('it is told', async () => (await c.status()).appliedRevision === head);
});

/** What is written after a transaction has begun, and what that has read of it. */
const WRITES: Record<string, (cluster: TestCluster, b: TextNode, path: string) => Promise<unknown>> = {
  'a put': (_, b) => b.put('k', 'new'),
  'a delete': (_, b) => b.del('k'),
  'a put among others': (_, b) =>
    b.batch([
      { type: 'put', key: 'j', value: 'new' },
      { type: 'put', key: 'k', value: 'new' },
    ]),
  'a range deletion': (_, b) => b.deleteRange({ gte: 'j', lt: 'l' }),
  'a file': (_, b, path) => b.ingest(path),
  'a file under a prefix': (_, b, path) => b.ingest(path, { prefix: { from: 'k', to: 'k' } }),
  'a file that replaces': (_, b, path) => b.ingest(path, { replace: true }),
  'puts as large as a file': (_, b) => b.put('k', 'x'.repeat(600 << 10)),
  'a swap of versions': (_, b, path) => b.dataset('default').publish(path),
  'a file amid puts': (_, b, path) =>
    b.transaction(async (txn) => {
      txn.put('a', '1');
      await txn.ingest(path);
      txn.put('z', '1');
    }),
};

for (const [what, write] of Object.entries(WRITES)) {
  test(`a replica that was closed meanwhile knows of ${what} that a transaction conflicts with`, async () => {
    const { cluster, a, b } = await threeNodes({ memtableBytes: 8 << 20 });
    const path = join(cluster.dir, 'in.sst');
    await writeSst(path, [['k', 'file']]);
    await a.put('k', 'old');
    const [hit, miss] = [a.begin(), a.begin()];
    await hit.get('k');
    await miss.get('q');
    hit.put('hit', '1');
    miss.put('miss', '1');
    await write(cluster, b, path);
    await cluster.node('c').caughtUp();
    await cluster.stop('c');
    const c = await cluster.open('c');
    expect(await outcomeOf(() => hit.commit())).toBe('CONFLICT');
    const swapped = what === 'a swap of versions' || what === 'a file that replaces';
    expect(await outcomeOf(() => miss.commit())).toBe(swapped ? 'CONFLICT' : 'ok');
    await Promise.all([b.caughtUp(), c.caughtUp()]);
    expect([b.version, c.version]).toEqual([a.version, a.version]);
    expect(await c.contentDigest()).toBe(await a.contentDigest());
  });
}

test('a replica that crashes anywhere comes out as the others', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const seeded = new SeededRandom(7);
  const random = (): number => seeded.float();
  const nodes = [a, b, c];
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [
    ['k1', 'file'],
    ['k5', 'file'],
    ['k9', undefined],
  ]);
  const key = (): string => `k${Math.floor(random() * 10)}`;
  const step = async (i: number): Promise<unknown> => {
    const node = nodes[Math.floor(random() * 3)] ?? a;
    const kind = random();
    if (kind < 0.5) return node.put(key(), `v${i}`);
    if (kind < 0.6) return node.del(key());
    if (kind < 0.7) return node.ingest(path, { ifExists: random() < 0.5 ? 'keep' : 'overwrite' });
    if (kind < 0.75) return node.deleteRange({ gte: 'k3', lt: 'k6' });
    if (kind < 0.8) return node.keyspace(`s${i % 3}`).put(key(), `v${i}`);
    if (kind < 0.85) return node.dropKeyspace(`s${i % 3}`);
    if (kind < 0.9) return node.flush();
    return node.transaction(async (txn) => {
      const from = key();
      txn.put(key(), `${await txn.get(from)}`.slice(0, 20));
    });
  };
  const images: string[] = [];
  let running = true;
  const photographer = (async () => {
    // Between any two turns, whatever is under way. Nothing else writes meanwhile: flushes and edits are this thread's.
    while (running) {
      for (let turns = Math.floor(random() * 40); turns >= 0; turns--) await engineOf(c).env.clock.turn();
      if (images.length >= 8) return;
      const image = join(cluster.dir, `image ${images.length}`);
      cpSync(cluster.dirOf('c'), image, { recursive: true });
      images.push(image);
    }
  })();
  for (let i = 0; i < 60; i += 3) await Promise.all([0, 1, 2].map((n) => outcomeOf(() => step(i + n))));
  running = false;
  await photographer;
  await sameOnAll([a, b, c]);
  expect(images.length).toBeGreaterThan(3);
  await cluster.stop('c');
  for (const image of images) {
    rmSync(cluster.dirOf('c'), { recursive: true });
    renameSync(image, cluster.dirOf('c'));
    await sameOnAll([a, await cluster.open('c')]);
    await cluster.stop('c');
  }
});
