/**
 * The process of a node is paused for so long that the log is trimmed without it: when it goes on it makes itself anew from a peer, and
 * serves on. It waits for as long as a silent node stays a member.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { ClusterClient } from '../../src/cluster/http/client.ts';
import { openEtcdLog } from '../../src/cluster/log/etcd/etcd-log.ts';
import { memoryDirectory } from '../base/database.ts';
import { buildProgram } from '../cli/run.ts';
import { type Serving, serving } from '../cli/serving.ts';
import { until } from '../fixtures/etcd.ts';
import { startEtcd } from './etcd-logs.ts';
import { TOKEN } from './exchange-node.ts';

const CLUSTER = 'paused';

beforeAll(buildProgram, 120_000);

test('a node that was paused until the log was trimmed under it goes on by itself', async () => {
  const home = memoryDirectory();
  const { hosts } = await startEtcd({ parent: home });
  const start = async (node: string): Promise<{ serving: Serving; client: ClusterClient }> => {
    const dir = join(home, node);
    mkdirSync(dir);
    const cluster = { name: CLUSTER, windowVersions: 16, etcd: { hosts } };
    const config = { dir: 'data', node, token: TOKEN, logLevel: 'warn', cluster };
    writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
    const started = await serving(join(dir, 'config.json'));
    const client = new ClusterClient({ urls: [started.url], token: TOKEN });
    onTestFinished(() => client.close());
    return { serving: started, client };
  };
  const [a, , c] = [await start('a'), await start('b'), await start('c')];
  await a.client.put('k', 'before');
  expect(String(await c.client.get('k', { linearizable: true }))).toBe('before');
  const log = await openEtcdLog(CLUSTER, { hosts }, nodeEnv);
  onTestFinished(() => log.close());
  const paused = (await c.client.status()).appliedRevision;
  c.serving.process.kill('SIGSTOP');
  onTestFinished(() => void c.serving.process.kill('SIGCONT'));
  for (let i = 0; i < 60; i++) await a.client.put(`k${i}`, `v${i}`);
  await until('the log is trimmed', async () => (await log.trimmedThrough()) > paused || undefined);
  c.serving.process.kill('SIGCONT');
  await until('it is there', async () => {
    try {
      const { condition, lag } = await c.client.status();
      return (condition === 'running' && lag.revisions === 0) || undefined;
    } catch (error) {
      // Between the old database and the new one.
      if (isSluiceError(error, 'UNAVAILABLE')) return undefined;
      throw error;
    }
  });
  expect(String(await c.client.get('k59'))).toBe('v59');
  expect(c.serving.log()).toMatch(/this replica has halted/);
  await c.client.put('k', 'after');
  expect(String(await a.client.get('k', { linearizable: true }))).toBe('after');
  expect(await a.client.compareContents()).toMatchObject({ same: true, nodes: { length: 3 } });
});
