import { expect, test } from 'vitest';
import { outcomeOf } from '../base/database.ts';
import { threeNodes } from './nodes.ts';

test('what one node commits every node has, at the same version', async () => {
  const { a, b, c } = await threeNodes();
  const version = await a.put('k', 'of a');
  await Promise.all([b.caughtUp(), c.caughtUp()]);
  expect([await b.get('k'), await c.get('k')]).toEqual(['of a', 'of a']);
  expect([a.version, b.version, c.version]).toEqual([version, version, version]);
  expect(await b.put('k', 'of b')).toBe(version + 1);
  await c.caughtUp();
  expect(await c.get('k')).toBe('of b');
});

test('of two transactions on two nodes that read and write the same key one is refused, and takes no version', async () => {
  const { a, b, c } = await threeNodes();
  await a.put('n', '0');
  await b.caughtUp();
  const [first, second] = [a.begin(), b.begin()];
  first.put('n', `${await first.get('n')}a`);
  second.put('n', `${await second.get('n')}b`);
  const outcomes = await Promise.all([outcomeOf(() => first.commit()), outcomeOf(() => second.commit())]);
  expect(outcomes.sort()).toEqual(['CONFLICT', 'ok']);
  const version = await c.put('other', '1');
  await Promise.all([a.caughtUp(), b.caughtUp()]);
  expect([a.version, b.version]).toEqual([version, version]);
  expect(await a.get('n')).toBe(await c.get('n'));
});

test('many clients on all nodes: nothing is lost, and all replicas have the same', async () => {
  const { a, b, c } = await threeNodes();
  const nodes = [a, b, c];
  await a.put('sum', '0');
  await Promise.all(nodes.map((node) => node.caughtUp()));
  const add = async (i: number): Promise<void> => {
    const node = nodes[i % 3] ?? a;
    await node.transaction(
      async (txn) => {
        txn.put('sum', String(Number(await txn.get('sum')) + 1));
        txn.put(`by ${i}`, 'x');
      },
      { maxRetries: 1000 },
    );
  };
  await Promise.all(Array.from({ length: 60 }, (_, i) => add(i)));
  await Promise.all(nodes.map((node) => node.caughtUp()));
  expect(await Promise.all(nodes.map((node) => node.get('sum')))).toEqual(['60', '60', '60']);
  const digests = await Promise.all(nodes.map((node) => node.contentDigest()));
  expect(new Set(digests).size).toBe(1);
  expect(new Set(nodes.map((node) => node.version)).size).toBe(1);
});

test('the caller may change its bytes as soon as a call has returned, however large they are', async () => {
  const { a, b } = await threeNodes();
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
  const [key, small, large] = [Buffer.from('a key'), Buffer.alloc(10, 's'), Buffer.alloc(600_000, 'l')];
  const batch = (value: Buffer): Promise<unknown> => a.batch([{ type: 'put', key, value, ...encodings }]);
  for (const value of [small, large]) {
    key.write('a key');
    const puts = [a.put(key, value, encodings)];
    key.write('batch');
    const batches = [batch(value)];
    const expected = value.toString();
    for (const bytes of [key, value]) bytes.fill(0);
    await Promise.all([...puts, ...batches]);
    await b.caughtUp();
    expect(await b.iterator().all()).toEqual([
      ['a key', expected],
      ['batch', expected],
    ]);
  }
});

test('a linearizable read on any node sees what any other has acknowledged', async () => {
  const { a, b, c } = await threeNodes();
  const keyspace = b.keyspace('x');
  for (let i = 0; i < 10; i++) {
    await a.put('k', String(i));
    expect(await b.get('k', { linearizable: true })).toBe(String(i));
    await keyspace.put('k', String(i));
    const read = await c.transaction((txn) => txn.keyspace('x').get('k'), {
      linearizable: true,
      readOnly: true,
    });
    expect(read).toBe(String(i));
    expect(await c.getMany(['k'], { linearizable: true })).toEqual([String(i)]);
    expect(await a.has('k', { linearizable: true })).toBe(true);
  }
  const txn = a.begin();
  expect(await outcomeOf(() => txn.get('k', { linearizable: true }))).toMatch(/^TypeError/);
  txn.abort();
});
