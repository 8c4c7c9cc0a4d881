/** The log in etcd while members of etcd are killed, paused and cut off, answers are lost and requests arrive late. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { at } from '../../src/base/assert.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { EtcdHosts } from '../../src/cluster/log/etcd/etcd-hosts.ts';
import { EtcdKeys } from '../../src/cluster/log/etcd/etcd-keys.ts';
import { EtcdLeader } from '../../src/cluster/log/etcd/etcd-leader.ts';
import { openEtcdLog } from '../../src/cluster/log/etcd/etcd-log.ts';
import { OwnEntries } from '../../src/cluster/log/etcd/etcd-own.ts';
import { EtcdReader } from '../../src/cluster/log/etcd/etcd-reader.ts';
import type { LogEntry, SharedLog } from '../../src/cluster/log/shared-log.ts';
import { EtcdCluster, until } from '../fixtures/etcd.ts';
import { appended, bytes, id, member, take, text } from './logs.ts';

let etcd: EtcdCluster;
let clusters = 0;
/** What is tried in vain is tried briefly. */
const BRIEF = { attemptMs: 700, callMs: 2_500, silenceMs: 300, leaderMs: Number.POSITIVE_INFINITY };
const opened: SharedLog[] = [];

beforeAll(async () => {
  etcd = await EtcdCluster.start();
}, 120_000);
afterAll(async () => {
  await etcd.stop();
});
afterEach(async () => {
  for (const proxy of etcd.proxies) proxy.restore();
  for (const one of etcd.members) {
    one.resume();
    if (one.hasExited) one.start();
  }
  await Promise.all(opened.splice(0).map((log) => log.close()));
  await etcd.healthy();
}, 120_000);

/** A log of a new cluster, or of the cluster of a log before. */
async function open(hosts: readonly string[], cluster = `faults-${clusters++}`): Promise<SharedLog> {
  const log = await openEtcdLog(cluster, { hosts }, nodeEnv, BRIEF);
  opened.push(log);
  return log;
}

/** Reads until `count` entries have come. */
function follow(
  log: SharedLog,
  count: number,
): { readonly seen: LogEntry[]; readonly end: Promise<LogEntry[]> } {
  const seen: LogEntry[] = [];
  const end = (async () => {
    for await (const entry of log.read(0, new AbortController().signal)) {
      seen.push(entry);
      if (seen.length === count) break;
    }
    return seen;
  })();
  return { seen, end };
}

/** Appends until it is told where the entry is: as a proposer does. */
async function appendSurely(log: SharedLog, n: number): Promise<number> {
  return await until(
    `entry ${n} is appended`,
    () => appended(log, n, `entry ${n}`).catch(() => undefined),
    120_000,
  );
}

/** With a way through proxy 0 alone at first, so that this is the one in use; then through all. */
async function openThroughFirst(cluster: string): Promise<SharedLog> {
  const [, second, third] = etcd.proxies;
  second?.cut();
  third?.cut();
  const log = await open(etcd.proxiedHosts, cluster);
  await appendSurely(log, 0);
  second?.restore();
  third?.restore();
  return log;
}

describe('nothing is lost, nothing comes twice, and the order is one, while', () => {
  /** Two proposers and two readers, with something going wrong after a third, and set right after two thirds. */
  async function run(goWrong: () => Promise<void> | void, setRight: () => void): Promise<void> {
    const cluster = `order-${clusters++}`;
    const logs = [await open(etcd.hosts, cluster), await open(etcd.hosts, cluster)];
    const count = 120;
    const readers = logs.map((log) => follow(log, count));
    const revisions = new Map<number, number>();
    let next = 0;
    const propose = async (log: SharedLog): Promise<void> => {
      for (let n = next++; n < count; n = next++) {
        if (n === count / 3) await goWrong();
        if (n === (2 * count) / 3) setRight();
        revisions.set(await appendSurely(log, n), n);
      }
    };
    await Promise.all(logs.flatMap((log) => [propose(log), propose(log)]));
    const order = [...revisions].sort(([a], [b]) => a - b).map(([, n]) => `entry ${n}`);
    expect(order).toHaveLength(count);
    for (const { end } of readers) expect((await end).map(text)).toEqual(order);
  }

  test('the leader of etcd is killed and comes back', async () => {
    const leader = await etcd.leader();
    await run(
      () => etcd.members[leader]?.kill(),
      () => etcd.members[leader]?.start(),
    );
  }, 180_000);

  test('the leader of etcd is paused and goes on', async () => {
    const leader = await etcd.leader();
    await run(
      () => etcd.members[leader]?.pause(),
      () => etcd.members[leader]?.resume(),
    );
  }, 180_000);
});

test('a reader whose member of etcd is paused goes on at another', async () => {
  const log = await open(etcd.hosts);
  const writer = await open(etcd.hosts, `faults-${clusters - 1}`);
  const { seen, end } = follow(log, 4);
  await appendSurely(writer, 0);
  await until('the first is read', () => seen.length === 1 || undefined);
  for (const [i, one] of etcd.members.entries()) {
    one.pause(); // whichever it reads from, it is paused once
    await appendSurely(writer, i + 1);
    await until(`entry ${i + 1} is read`, () => seen.length === i + 2 || undefined);
    one.resume();
  }
  expect((await end).map(text)).toEqual(['entry 0', 'entry 1', 'entry 2', 'entry 3']);
}, 180_000);

test('connections that are half-open are given up, for reading and for appending', async () => {
  const cluster = `faults-${clusters++}`;
  const log = await openThroughFirst(cluster);
  const { seen, end } = follow(log, 3);
  await until('the first is read', () => seen.length === 1 || undefined);
  etcd.proxies[0]?.halfOpen();
  await appendSurely(log, 1);
  await appendSurely(await open(etcd.hosts, cluster), 2);
  expect((await end).map(text)).toEqual(['entry 0', 'entry 1', 'entry 2']);
}, 180_000);

test('a reader goes on at once with what its process has appended where that is next, and nowhere else', async () => {
  const cluster = `faults-${clusters++}`;
  const log = await open(etcd.hosts, cluster);
  const hosts = await EtcdHosts.load({ hosts: etcd.hosts }, nodeEnv, BRIEF);
  const ended = new AbortController();
  const own = new OwnEntries();
  const reader = new EtcdReader(hosts, new EtcdKeys('sluice', cluster), own, 0, ended.signal).read();
  const next = async (): Promise<string> => {
    const { value } = await reader.next();
    return value === undefined ? 'the end' : text(value);
  };
  // None of these is in etcd, so no watch brings them.
  const tell = (after: number, afterId: string, number: number, content: string): void => {
    const entry = { revision: after + 1, id: id(9), bytes: bytes(content) };
    own.written({ entry, after, afterId, number });
  };
  const first = await appendSurely(log, 0);
  expect(await next()).toBe('entry 0');
  tell(first - 1, id(0), 1, 'before');
  tell(first + 100, id(7), 7, 'after one of another');
  tell(first, id(7), 2, 'after one of another etcd');
  const waits = next();
  const second = await appendSurely(log, 1);
  expect(await waits).toBe('entry 1');
  const comes = next();
  tell(second, id(1), 3, 'next');
  expect(await comes).toBe('next');
  tell(second + 1, id(9), 4, 'the one after it');
  expect(await next()).toBe('the one after it');
  ended.abort();
  expect(await next()).toBe('the end');
  hosts.close();
}, 180_000);

test('calls go to the leader of etcd, the next one too, and elsewhere while it does not answer', async () => {
  const hosts = await EtcdHosts.load({ hosts: etcd.hosts }, nodeEnv, { ...BRIEF, leaderMs: 0 });
  const leader = new EtcdLeader(hosts);
  const ask = async (): Promise<void> => {
    await hosts.call('asking', async (client, options) => {
      const answer = await client.kv.range({ key: Buffer.from('x') }, options);
      leader.heard(answer.header, client);
    });
  };
  const isLed = async (by: number): Promise<void> => {
    await until('calls go to the leader', async () => {
      await ask().catch(() => undefined);
      return hosts.client === hosts.clients[by] || undefined;
    });
  };
  const first = await etcd.leader();
  hosts.prefer(at(hosts.clients, (first + 1) % 3));
  await isLed(first);
  await etcd.members[first]?.kill();
  const second = await etcd.leader();
  await isLed(second);
  hosts.close();
}, 180_000);

test('an append whose answer is lost is written once', async () => {
  const cluster = `faults-${clusters++}`;
  const log = await openThroughFirst(cluster);
  etcd.proxies[0]?.loseAnswers();
  const revision = await appendSurely(log, 1);
  const [, entry] = await take(log, 0, 2);
  expect(entry?.revision).toBe(revision);
  expect(await log.head()).toBe(revision);
}, 180_000);

test('an append that arrives when its twin has been applied and trimmed is not written again', async () => {
  const cluster = `faults-${clusters++}`;
  const [first] = etcd.proxies;
  const log = await openThroughFirst(cluster);
  first?.hold();
  const appending = appendSurely(log, 1);
  await until('the append is held', () => (first?.heldCount ?? 0) > 0 || undefined);
  first?.halfOpen(); // what takes the request back is lost
  const revision = await appending;
  await log.trim(revision);
  first?.release();
  // It has arrived when etcd has worked on it; it fails there, so nothing tells. A request behind it would, but its connection is half-open.
  await nodeEnv.clock.sleep(500);
  expect(await log.head()).toBe(revision);
}, 180_000);

test('an append that is tried again after what it wrote may have been trimmed has an unknown outcome, and is not written', async () => {
  const cluster = `faults-${clusters++}`;
  const log = await openThroughFirst(cluster);
  const other = await open(etcd.hosts, cluster);
  const before = await other.head();
  for (const proxy of etcd.proxies) proxy.loseAnswers();
  await until('it is written', async () => {
    await expect(appended(log, 1, 'one')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    return (await other.head()) > before || undefined;
  });
  const [, entry] = await take(other, 0, 2);
  await other.trim(entry?.revision ?? 0);
  for (const proxy of etcd.proxies) proxy.restore();
  await expect(appended(log, 1, 'one')).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  expect(await other.head()).toBe(entry?.revision);
}, 180_000);

test('without a quorum calls end with UNAVAILABLE, and go on when it is back', async () => {
  const log = await open(etcd.hosts);
  await appendSurely(log, 0);
  const [, second, third] = etcd.members;
  await second?.kill();
  await third?.kill();
  const failed = await Promise.all([
    log.append({ id: id(1), bytes: bytes('one'), stagings: [] }).catch((error: unknown) => error),
    log.head().catch((error: unknown) => error),
  ]);
  expect(failed).toEqual([
    expect.objectContaining({ code: 'UNAVAILABLE' }),
    expect.objectContaining({ code: 'UNAVAILABLE' }),
  ]);
  second?.start();
  expect(await appendSurely(log, 1)).toBe(await log.head());
}, 180_000);

describe("etcd's history", () => {
  test('compacted by others does not stop a reader: entries that are kept are read', async () => {
    const cluster = `faults-${clusters++}`;
    const log = await open(etcd.hosts, cluster);
    const revisions: number[] = [];
    for (let n = 0; n < 20; n++) revisions.push(await appended(log, n, `entry ${n}`));
    await etcd.members[0]?.post('kv/compaction', { revision: String(revisions.at(-1)) });
    const read = take(log, revisions[4] ?? 0, 18);
    for (let n = 20; n < 23; n++) await appended(log, n, `entry ${n}`);
    expect((await read).map(text)).toEqual(Array.from({ length: 18 }, (_, n) => `entry ${n + 5}`));
  });

  test('is freed by trimming, and what comes after it is read', async () => {
    const log = await open(etcd.hosts);
    const revisions: number[] = [];
    for (let n = 0; n < 250; n++) revisions.push(await appended(log, n, `entry ${n}`));
    const at = revisions[239] ?? 0;
    await log.trim(at);
    await expect(
      etcd.members[0]?.post('kv/range', {
        key: Buffer.from('x').toString('base64'),
        revision: String(at - 1),
      }),
    ).rejects.toThrow('compacted');
    expect((await take(log, at, 10)).map(text)).toEqual(
      Array.from({ length: 10 }, (_, n) => `entry ${n + 240}`),
    );
  });
});

test('an announcement whose lease was lost is made again', async () => {
  const log = await open(etcd.hosts);
  await log.announce(member('a', 5));
  const answer = (await etcd.members[0]?.post('lease/leases', {})) as
    | { leases: { ID: string }[] }
    | undefined;
  expect(answer?.leases).toHaveLength(1);
  for (const { ID } of answer?.leases ?? []) await etcd.members[0]?.post('lease/revoke', { ID });
  expect(await log.members()).toEqual([]);
  await until('it is announced again', async () => (await log.members()).length === 1 || undefined);
  await log.announce(member('a', 6));
  expect(await log.members()).toEqual([member('a', 6)]);
});
