/** A replica that a crash has left with a part of what an entry of the log brought goes on from there, at the versions that all others have. */

import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { outcomeOf } from '../base/database.ts';
import { PowerLossFileSystem } from '../base/power-loss.ts';
import { sameOnAll } from './entries.ts';
import { ALL_KEPT, type TextNode, threeNodes, until } from './nodes.ts';
import { engineOf } from './tree-entries.ts';

/** What each is announced to have done is the same: at the same place of the log the rolling digests are. */
async function sameDigests(nodes: readonly TextNode[]): Promise<void> {
  await sameOnAll(nodes);
  const [node] = nodes;
  await until('all have announced the same', async () => {
    const members = (await node?.status())?.members ?? [];
    const told = new Set(members.map(({ appliedRevision, digest }) => `${appliedRevision} ${digest}`));
    return members.length === nodes.length && told.size === 1 && members.every(({ digest }) => digest !== '');
  });
}

/** From where `value` stands in the log's last segment that has it, nothing is left. */
function cutLogAt(dir: string, value: string): void {
  const wal = join(dir, 'db/wal');
  const path = readdirSync(wal)
    .map((name) => join(wal, name))
    .findLast((each) => readFileSync(each).includes(value));
  if (path === undefined) throw new Error(`no segment has ${value}`);
  const bytes = readFileSync(path);
  bytes.fill(0, bytes.lastIndexOf(value));
  writeFileSync(path, bytes);
}

test('of puts that came together a crash may leave some; the others come again, at the same versions', async () => {
  const { cluster, a, b, c } = await threeNodes({ ...ALL_KEPT, memtableBytes: 8 << 20, announceMs: 50 });
  await a.put('before', '1');
  const conflicting = b.begin();
  await conflicting.get('k17');
  conflicting.put('k17', 'mine');
  await Promise.all(Array.from({ length: 40 }, (_, i) => a.put(`k${i}`, `<value ${i}>`)));
  // One entry: puts, a transaction that is refused, a keyspace that is made, puts.
  const refused = a.begin();
  await refused.get('before');
  refused.put('refused', '1');
  await b.put('before', '2');
  await Promise.all([
    ...Array.from({ length: 20 }, (_, i) => a.put(`m${i}`, `<more ${i}>`)),
    outcomeOf(() => refused.commit()),
    a.keyspace('made').put('x', '<made>'),
    ...Array.from({ length: 5 }, (_, i) => a.put(`z${i}`, `<z ${i}>`)),
  ]);
  await sameDigests([a, b, c]);
  const image = join(cluster.dir, 'image');
  cpSync(cluster.dirOf('c'), image, { recursive: true });
  await cluster.stop('c');
  // What is before an edit of the manifest is durable: a keyspace's being made.
  for (const value of ['<z 3>', '<z 0>', '<made>']) {
    rmSync(cluster.dirOf('c'), { recursive: true });
    cpSync(image, cluster.dirOf('c'), { recursive: true });
    cutLogAt(cluster.dirOf('c'), value);
    await sameDigests([a, b, await cluster.open('c')]);
    if (value !== '<made>') await cluster.stop('c');
  }
  expect(await outcomeOf(() => conflicting.commit())).toBe('CONFLICT');
  await sameDigests([a, b, cluster.node('c')]);
});

for (const durability of ['os', 'fsync'] as const) {
  test(`with durability ${durability}, versions that a loss of power takes are taken again by the same commits`, async () => {
    const { cluster, a, b } = await threeNodes({ ...ALL_KEPT, announceMs: 60_000 });
    await cluster.stop('c');
    rmSync(cluster.dirOf('c'), { recursive: true });
    const fs = new PowerLossFileSystem(nodeEnv.fs);
    const c = await cluster.open('c', { durability, env: { ...nodeEnv, fs } });
    const { publication } = engineOf(c);
    for (let i = 0; i === 0 || (durability === 'fsync' && publication.last === publication.visible); i++) {
      const { last } = publication;
      await a.put('k', `v${i}`);
      while (publication.last === last) await nodeEnv.clock.turn();
    }
    // An edit of the manifest that has nothing to do with the log, as a compaction's.
    engineOf(c).apply([]);
    const lost = join(cluster.dir, 'lost');
    fs.lose(cluster.dirOf('c'), lost, () => 0);
    cpSync(join(cluster.dirOf('c'), 'db/manifest'), join(lost, 'db/manifest'), { recursive: true });
    await cluster.stop('c');
    rmSync(cluster.dirOf('c'), { recursive: true });
    renameSync(lost, cluster.dirOf('c'));
    await b.put('after', '1');
    await sameOnAll([a, b, await cluster.open('c')]);
  });
}
