import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { MemoryExchangeHub } from '../../src/cluster/files/memory-exchange.ts';
import { MemoryLog, MemoryLogHub } from '../../src/cluster/log/memory-log.ts';
import { SharedFiles } from '../../src/cluster/shared-files.ts';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { type Entry, numbered, writeSst } from '../base/sst-files.ts';
import { sameOnAll } from './entries.ts';
import { ALL_KEPT, type TestCluster, threeNodes, until } from './nodes.ts';

async function file(cluster: TestCluster, name: string, entries: readonly Entry[]): Promise<string> {
  const path = join(cluster.dir, `${name}.sst`);
  await writeSst(path, entries);
  return path;
}

test('a file ingested through one node reads the same on every node, also between its own puts', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const path = await file(cluster, 'in', [
    ['a', 'file'],
    ['b', 'file'],
    ['c', undefined],
  ]);
  await b.batch([
    { type: 'put', key: 'b', value: 'older' },
    { type: 'put', key: 'c', value: 'older' },
  ]);
  await a.caughtUp();
  await a.transaction(async (txn) => {
    txn.put('a', 'before');
    await txn.ingest(path);
    txn.put('b', 'after');
  });
  await c.caughtUp();
  expect(await c.getMany(['a', 'b', 'c'])).toEqual(['file', 'after', undefined]);
  await sameOnAll([a, b, c]);
});

test('one who read a key that is in a file conflicts with it, one who read another in its range does not', async () => {
  const { cluster, a, b } = await threeNodes();
  const path = await file(cluster, 'in', [
    ['a', '1'],
    ['m', '1'],
    ['z', '1'],
  ]);
  await b.put('x', '0');
  const [hit, miss] = [b.begin(), b.begin()];
  await hit.get('m');
  await miss.get('n');
  hit.put('hit', '1');
  miss.put('miss', '1');
  await a.ingest(path);
  expect(await outcomeOf(() => hit.commit())).toBe('CONFLICT');
  expect(await outcomeOf(() => miss.commit())).toBe('ok');
});

test('policies, prefixes, replacement, undoing and releasing come out alike on every node', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const first = await file(cluster, 'first', [
    ['k1', 'f'],
    ['k2', 'f'],
    ['k3', 'f'],
  ]);
  await a.put('k2', 'kept');
  const kept = await a.ingest(first, { ifExists: 'keep', undoable: true });
  expect(kept.ingested[0]).toMatchObject({ entries: 2, skipped: 1 });
  await c.caughtUp();
  expect(await outcomeOf(() => c.ingest(first, { ifExists: 'fail' }))).toBe('KEY_EXISTS');
  await c.ingest(first, { prefix: 'p/', id: 'once' });
  await b.caughtUp();
  expect(await b.ingest(first, { prefix: 'p/', id: 'once' })).toMatchObject({ replayed: true });
  await b.undoIngest(kept.id);
  await a.caughtUp();
  expect(await a.getMany(['k1', 'k2', 'p/k3'])).toEqual([undefined, 'kept', 'f']);
  const again = await a.ingest(first, { replace: true, undoable: true });
  a.releaseIngest(again.id);
  await a.put('after', '1');
  await sameOnAll([a, b, c]);
  expect(await outcomeOf(() => c.undoIngest(again.id))).toBe('UNDO_IMPOSSIBLE');
  expect(await b.getMany(['k2', 'p/k3'])).toEqual(['f', undefined]);
});

test('two nodes that ingest under one id at the same time make one commit of it', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const path = await file(cluster, 'in', [['k', '1']]);
  const [one, two] = await Promise.all([a.ingest(path, { id: 'x' }), b.ingest(path, { id: 'x' })]);
  expect([one.replayed, two.replayed].sort()).toEqual([false, true]);
  expect(one.version).toBe(two.version);
  await sameOnAll([a, b, c]);
});

test('a transaction too large for the log goes as files, blind or not', async () => {
  const { a, b, c } = await threeNodes({ ...ALL_KEPT, memtableBytes: 32 << 20, blockBytes: 4096 });
  const big = 'v'.repeat(700 << 10);
  await a.put('big', big);
  const value = 'w'.repeat(10 << 10);
  await b.caughtUp();
  await b.transaction(async (txn) => {
    txn.put('seen', String((await txn.get('big'))?.length));
    for (let i = 0; i < 200; i++) txn.put(`many ${i}`, value);
  });
  await c.caughtUp();
  expect([await c.get('seen'), (await c.get('big'))?.length]).toEqual([String(big.length), big.length]);
  expect(await c.get('many 199')).toBe(value);
  await sameOnAll([a, b, c]);
});

test('a moved file is gone where it was, a copied one stays, and no staged file is left over', async () => {
  const { cluster, a, b, c } = await threeNodes();
  const [moved, copied] = [await file(cluster, 'm', [['m', '1']]), await file(cluster, 'c', [['c', '1']])];
  await a.ingest(moved, { mode: 'move' });
  await b.ingest(copied, { mode: 'copy' });
  expect([existsSync(moved), existsSync(copied)]).toEqual([false, true]);
  const refused = a.begin();
  await refused.get('n');
  await refused.ingest(copied);
  await c.put('n', '1');
  expect(await outcomeOf(() => refused.commit())).toBe('CONFLICT');
  for (const node of [a, b, c]) {
    await node.caughtUp();
    expect((await node.verify({ full: true })).problems).toEqual([]);
  }
});

test('keys of a file that own statements before it decided were not read of the database, on any node', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const path = await file(cluster, 'in', [
    ['k1', 'file'],
    ['k2', 'file'],
  ]);
  const begin = async (): Promise<ReturnType<typeof a.begin>> => {
    const txn = a.begin();
    txn.put('k2', 'own');
    await txn.ingest(path, { ifExists: 'keep' });
    return txn;
  };
  const [own, read] = [await begin(), await begin()];
  await b.put('k2', 'other');
  expect(await outcomeOf(() => own.commit())).toBe('ok');
  expect(await outcomeOf(() => read.commit())).toBe('CONFLICT');
  await c.caughtUp();
  expect(await c.getMany(['k1', 'k2'])).toEqual(['file', 'own']);
  await sameOnAll([a, b, c]);
});

test('a file goes to the other nodes while it is ingested, before anybody commits it', async () => {
  const { cluster, a, b } = await threeNodes();
  const path = join(cluster.dir, 'rows.sst');
  const { sha256 } = await writeSst(path, numbered(0, 2000));
  const txn = a.begin();
  await txn.ingest([path], { into: 'rows' });
  await until('two have it', () => (cluster.log.files.get(sha256)?.size ?? 0) >= 2);
  expect(a.version).toBe(b.version);
  await txn.commit();
  await b.caughtUp();
  expect(await b.keyspace('rows').get('k001999')).toBe('v1999');
});

test('a node closes while files that it ingests are on their way, and leaves nothing running', async () => {
  const { cluster, a } = await threeNodes();
  const path = join(cluster.dir, 'rows.sst');
  await writeSst(path, numbered(0, 2000));
  cluster.exchange.cut.add('memory:b');
  cluster.exchange.cut.add('memory:c');
  const txn = a.begin();
  const ingesting = outcomeOf(() => txn.ingest([path], { into: 'rows' }));
  await cluster.stop('a');
  expect(['ok', 'CLOSED', 'ABORTED', 'FILE_NOT_FOUND']).toContain(await ingesting);
  const held = (): string[] => readdirSync(join(cluster.dirOf('a'), 'cluster/files'));
  const before = held();
  await nodeEnv.clock.turn();
  expect(held()).toEqual(before);
  const again = await cluster.open('a');
  expect(await again.get('k')).toBeUndefined();
});

test('a file that is let go of while it comes to be proposed stays where it is, and so does what the log says of it', async () => {
  const exchange = await new MemoryExchangeHub(nodeEnv).opener('a')(memoryDirectory(), {
    stage: () => Promise.resolve(),
    checkpoint: () => Promise.resolve(),
  });
  const path = join(memoryDirectory(), 'rows.sst');
  const { sha256: digest, bytes } = await writeSst(path, numbered(0, 10));
  await exchange.hold(path, { digest, bytes });
  /** In the middle of being let go of, somebody finds it here. */
  class Log extends MemoryLog {
    override async forgetFile(file: string, node: string): Promise<void> {
      await super.forgetFile(file, node);
      files.pin({ digest });
    }
  }
  const log = new Log(new MemoryLogHub(nodeEnv), 'a');
  const { signal } = new AbortController();
  const files = new SharedFiles({
    env: nodeEnv,
    node: 'a',
    majority: 1,
    log,
    exchange,
    signal,
    onWaiting: () => undefined,
  });
  await files.stage({ digest, bytes }, [], signal);
  await files.forgetThrough(100);
  expect([exchange.has(digest), await log.holders(digest)]).toEqual([true, ['a']]);
});
