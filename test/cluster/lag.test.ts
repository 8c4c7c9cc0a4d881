/** How far a replica is behind, as its status says it. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { Lag } from '../../src/cluster/lag.ts';
import { encodeEntry } from '../../src/cluster/record/entry.ts';
import { encodePut } from '../../src/cluster/record/put-record.ts';
import { numbered, writeSst } from '../base/sst-files.ts';
import { threeNodes, until } from './nodes.ts';

test('a node that cannot fetch a file is behind by it and by what came after, until it has it', async () => {
  const { cluster, a, c } = await threeNodes();
  await a.put('before', '1');
  await c.caughtUp();
  expect((await c.status()).lag).toEqual({ revisions: 0, records: 0, bytes: 0, seconds: 0 });
  cluster.exchange.cut.add('memory:c');
  const path = join(cluster.dir, 'rows.sst');
  const { bytes } = await writeSst(path, numbered(0, 3000));
  await a.ingest([path]);
  for (let i = 0; i < 5; i++) await a.put(`after ${i}`, '1');
  await until('it waits for the file', async () => (await c.status()).condition === 'lagging');
  const { lag } = await c.status();
  expect(lag).toMatchObject({ records: 6, revisions: 6 });
  // The file, and the records themselves.
  expect(lag.bytes).toBeGreaterThan(bytes);
  expect(lag.bytes).toBeLessThan(bytes + 4096);
  expect(lag.seconds).toBeGreaterThanOrEqual(0);
  cluster.exchange.cut.clear();
  await c.caughtUp();
  expect((await c.status()).lag).toEqual({ revisions: 0, records: 0, bytes: 0, seconds: 0 });
});

test('seconds are the age of the oldest transaction that is not applied; else how long more is known of', () => {
  let [nowMs, monotonicMs] = [1_000_000, 0];
  const lag = new Lag({ ...nodeEnv.clock, nowMs: () => nowMs, monotonicMs: () => monotonicMs });
  const pass = (ms: number): void => {
    nowMs += ms;
    monotonicMs += ms;
  };
  const backlog = { head: 9, records: 3, bytes: 500 };
  expect(lag.of(backlog, 7)).toEqual({ revisions: 2, records: 3, bytes: 500, seconds: 0 });
  pass(2000);
  expect(lag.of(backlog, 7).seconds).toBe(2);
  const put = encodePut('default', Buffer.from('k'), undefined);
  lag.begin({ revision: 8, id: '', bytes: encodeEntry([put], nowMs - 60_000) });
  pass(500);
  expect(lag.of(backlog, 7).seconds).toBe(60.5);
  // The log does not answer: what is known stays known.
  expect(lag.of(undefined, 7)).toEqual({
    revisions: undefined,
    records: undefined,
    bytes: undefined,
    seconds: 60.5,
  });
  lag.end();
  expect(lag.of(backlog, 9)).toEqual({ revisions: 0, records: 0, bytes: 0, seconds: 0 });
  pass(1000);
  expect(lag.of({ head: 12 }, 9)).toEqual({ revisions: 3, records: undefined, bytes: undefined, seconds: 0 });
});

test('one that cannot be read is no reason to say nothing', () => {
  const lag = new Lag({ ...nodeEnv.clock, monotonicMs: () => 0 });
  lag.begin({ revision: 8, id: '', bytes: Uint8Array.of(99) });
  expect(lag.of({ head: 8, records: 1, bytes: 1 }, 7)).toMatchObject({ revisions: 1, seconds: 0 });
});
