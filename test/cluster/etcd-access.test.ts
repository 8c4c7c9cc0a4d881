/** The log in an etcd that asks who one is, and in one that is full; and a process that is done with it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text as textOf } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { openEtcdLog } from '../../src/cluster/log/etcd/etcd-log.ts';
import type { EtcdOptions } from '../../src/cluster/log/etcd/etcd-options.ts';
import type { SharedLog } from '../../src/cluster/log/shared-log.ts';
import { EtcdCluster, type EtcdStart, until } from '../fixtures/etcd.ts';
import { appended, bytes, id, member, take, text } from './logs.ts';

async function startEtcd(start: EtcdStart): Promise<EtcdCluster> {
  const etcd = await EtcdCluster.start({ members: 1, ...start });
  onTestFinished(() => etcd.stop());
  return etcd;
}

async function open(options: EtcdOptions): Promise<SharedLog> {
  const log = await openEtcdLog('access', options, nodeEnv);
  onTestFinished(() => log.close());
  return log;
}

test('with a user and a password all works, without them the error says what to check', async () => {
  const { hosts, members } = await startEtcd({});
  const [first] = members;
  await first?.post('auth/user/add', { name: 'root', password: 'right' });
  await first?.post('auth/role/add', { name: 'root' });
  await first?.post('auth/user/grant', { user: 'root', role: 'root' });
  await first?.post('auth/enable', {});
  const log = await open({ hosts, auth: { username: 'root', password: 'right' } });
  await appended(log, 1, 'one');
  expect((await take(log, 0, 1)).map(text)).toEqual(['one']);
  await log.announce(member('a'));
  expect(await log.members()).toEqual([member('a')]);
  for (const options of [{ hosts }, { hosts, auth: { username: 'root', password: 'wrong' } }]) {
    const stranger = await open(options);
    await expect(appended(stranger, 2, 'two')).rejects.toMatchObject({
      code: 'PERMISSION',
      message: expect.stringContaining('etcd.auth'),
    });
    await expect(take(stranger, 0, 1)).rejects.toMatchObject({ code: 'PERMISSION' });
  }
});

test('an etcd that is full says so, and how to go on; what it has can be read', async () => {
  const { hosts } = await startEtcd({ args: ['--quota-backend-bytes', String(8 << 20)] });
  const log = await open({ hosts });
  const large = new Uint8Array(900_000);
  let written = 0;
  const full = await until('etcd is full', async () => {
    try {
      await log.append({ id: id(written), bytes: large, stagings: [] });
      written++;
      return undefined;
    } catch (error) {
      return isSluiceError(error, 'UNAVAILABLE') ? undefined : error;
    }
  });
  expect(full).toMatchObject({ code: 'NO_SPACE', message: expect.stringContaining('etcdctl alarm disarm') });
  expect(await take(log, 0, written)).toHaveLength(written);
  await expect(log.append({ id: id(9999), bytes: bytes('x'), stagings: [] })).rejects.toMatchObject({
    code: 'NO_SPACE',
  });
});

test('wrong options are told before anything is connected', async () => {
  const open = (options: EtcdOptions, cluster = 'c') => openEtcdLog(cluster, options, nodeEnv);
  for (const [options, message] of [
    [{ hosts: [] }, 'at least one'],
    [{ hosts: ['127.0.0.1'] }, 'http://HOST:PORT'],
    [{ hosts: ['http://a:1', 'https://b:1'] }, 'all must be https'],
    [{ hosts: ['http://a:1'], tls: { ca: bytes('x') } }, 'not https'],
    [{ hosts: ['https://a:1'], tls: { ca: bytes('x'), key: bytes('y') } }, 'needs its cert'],
    [{ hosts: ['http://a:1'], prefix: 'a b' }, 'etcd.prefix'],
  ] as [EtcdOptions, string][]) {
    await expect(open(options)).rejects.toThrow(message);
    await expect(open(options)).rejects.toThrow(TypeError);
  }
  await expect(open({ hosts: ['http://a:1'] }, 'a/b')).rejects.toThrow('cluster must be');
});

test('a process that has closed its log ends by itself', async () => {
  const { hosts } = await startEtcd({});
  const hooks = new URL('../base/typescript-hooks.mjs', import.meta.url).href;
  const script = fileURLToPath(new URL('./log-user.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', hooks, script, ...hosts], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [[code], out, errors] = await Promise.all([
    once(child, 'exit'),
    textOf(child.stdout),
    textOf(child.stderr),
  ]);
  expect({ code, out }, errors).toEqual({ code: 0, out: 'closed' });
});
