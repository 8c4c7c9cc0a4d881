/** An etcd that was restored from a backup: its revisions go back, and come once more with other entries. */

import { cpSync, rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { openEtcdLog } from '../../src/cluster/log/etcd/etcd-log.ts';
import type { LogEntry, SharedLog } from '../../src/cluster/log/shared-log.ts';
import { outcomeOf } from '../base/database.ts';
import { type EtcdCluster, until } from '../fixtures/etcd.ts';
import { startEtcd } from './etcd-logs.ts';
import { appended, member } from './logs.ts';

const BRIEF = { attemptMs: 700, callMs: 20_000, silenceMs: 300, leaderMs: Number.POSITIVE_INFINITY };

async function open(hosts: readonly string[]): Promise<SharedLog> {
  const log = await openEtcdLog('restored', { hosts }, nodeEnv, BRIEF);
  onTestFinished(() => log.close());
  return log;
}

/** As an operator backs it up, and restores that. */
async function backedUp(etcd: EtcdCluster): Promise<() => Promise<void>> {
  const [one] = etcd.members;
  if (one === undefined) throw new Error('etcd has a member');
  await one.kill();
  const copy = `${one.dir}.backup`;
  cpSync(one.dir, copy, { recursive: true });
  one.start();
  await etcd.healthy();
  return async () => {
    await one.kill();
    rmSync(one.dir, { recursive: true });
    cpSync(copy, one.dir, { recursive: true });
    one.start();
    await etcd.healthy();
  };
}

/** Follows it in the background: what it has read, and how that has ended. */
function follow(log: SharedLog): { readonly seen: LogEntry[]; readonly outcome: Promise<string> } {
  const seen: LogEntry[] = [];
  const outcome = outcomeOf(async () => {
    for await (const entry of log.read(0, new AbortController().signal)) seen.push(entry);
  });
  return { seen, outcome };
}

test('readers that have read more than it has say so, also where it has come past that with as many other entries', async () => {
  const etcd = await startEtcd({});
  const writer = await open(etcd.hosts);
  const [soon, late] = [await open(etcd.hosts), await open(etcd.proxiedHosts)];
  const readers = [follow(soon), follow(late)] as const;
  for (let n = 0; n < 2; n++) await appended(writer, n, `kept ${n}`);
  const restore = await backedUp(etcd);
  const append = (n: number): Promise<number> =>
    until(`entry ${n} is appended`, () => appended(writer, n, `entry ${n}`).catch(() => undefined));
  for (let n = 2; n < 5; n++) await append(n);
  await until('all is read', () => readers.every(({ seen }) => seen.length === 5) || undefined);
  const revisions = readers[0].seen.map(({ revision }) => revision);
  const [, kept = 0, , , newest = 0] = revisions;
  const [proxy] = etcd.proxies;
  proxy?.cut();
  await restore();
  expect(await readers[0].outcome).toBe('DIVERGED');
  // How far it is behind can still be asked, though etcd is not there yet.
  expect(await soon.backlog(newest)).toMatchObject({ head: kept });
  for (let n = 10; n < 13; n++) await append(n);
  for (let n = 100; (await append(n)) <= newest + 1; n++) await writer.announce(member('another', n));
  proxy?.restore();
  expect(await readers[1].outcome).toBe('DIVERGED');
  expect(readers[1].seen).toHaveLength(5);
});
