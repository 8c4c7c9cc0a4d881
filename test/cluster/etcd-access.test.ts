/** The log in an etcd that asks who one is, and in one that is full; and a process that is done with it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text as textOf } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { openEtcdLog } from '../../src/cluster/log/etcd/etcd-log.ts';
import type { EtcdOptions } from '../../src/cluster/log/etcd/etcd-options.ts';
import { pem } from '../fixtures/certificates.ts';
import { ETCD_USER, nodeTls, until } from '../fixtures/etcd.ts';
import { openLog as open, startEtcd } from './etcd-logs.ts';
import { appended, bytes, id, member, SETTINGS, take, text } from './logs.ts';

test('a user with no more than the prefix of nodes can do all; without a user the error says what to check', async () => {
  const etcd = await startEtcd({});
  const { hosts } = etcd;
  await etcd.askForUsers();
  const log = await open({ hosts, auth: ETCD_USER });
  const revision = await appended(log, 1, 'one');
  expect((await take(log, 0, 1)).map(text)).toEqual(['one']);
  await log.announce(member('a'));
  expect(await log.members()).toEqual([member('a')]);
  expect(await log.config(SETTINGS)).toEqual(SETTINGS);
  expect(await log.lease('trim', 'a')).toBe(true);
  await log.announceFile('a'.repeat(64), 'a');
  await log.forgetNode('a');
  await log.trim(revision);
  expect(await log.trimmedThrough()).toBe(revision);
  for (const auth of [undefined, { ...ETCD_USER, password: 'wrong' }]) {
    const stranger = await open(auth === undefined ? { hosts } : { hosts, auth });
    await expect(appended(stranger, 2, 'two')).rejects.toMatchObject({
      code: 'PERMISSION',
      message: expect.stringContaining('etcd.auth'),
    });
    await expect(take(stranger, 0, 1)).rejects.toMatchObject({ code: 'PERMISSION' });
  }
  const elsewhere = await open({ hosts, auth: ETCD_USER, prefix: 'not-ours' });
  await expect(appended(elsewhere, 3, 'three')).rejects.toMatchObject({ code: 'PERMISSION' });
});

describe('an etcd with TLS that asks for certificates', () => {
  const ours = nodeTls();
  const BRIEF = { attemptMs: 1_000, callMs: 1_500, silenceMs: 300, leaderMs: Number.POSITIVE_INFINITY };

  test('gives all to a node that has one, with a user as well', async () => {
    const etcd = await startEtcd({ tls: true });
    expect(etcd.hosts[0]).toMatch(/^https:/);
    const log = await open({ hosts: etcd.hosts, tls: ours });
    await appended(log, 1, 'one');
    await etcd.askForUsers();
    const withUser = await open({ hosts: etcd.hosts, tls: ours, auth: ETCD_USER });
    await appended(withUser, 2, 'two');
    expect((await take(withUser, 0, 2)).map(text)).toEqual(['one', 'two']);
    await withUser.announce(member('a'));
    expect(await withUser.members()).toEqual([member('a')]);
    const stranger = await open({ hosts: etcd.hosts, tls: ours });
    await expect(appended(stranger, 3, 'three')).rejects.toMatchObject({ code: 'PERMISSION' });
  });

  test('and to nobody else', async () => {
    const { hosts } = await startEtcd({ tls: true });
    const refused = async (options: EtcdOptions, message: string): Promise<void> => {
      const log = await openEtcdLog('access', options, nodeEnv, BRIEF);
      onTestFinished(() => log.close());
      await expect(appended(log, 1, 'one')).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining(message),
      });
    };
    const stranger = { ca: ours.ca, cert: bytes(pem('stranger')), key: bytes(pem('stranger-key')) };
    await Promise.all([
      refused({ hosts, tls: { ca: ours.ca } }, 'etcd.tls'),
      refused({ hosts, tls: stranger }, 'etcd.tls'),
      refused({ hosts, tls: { ...ours, ca: bytes(pem('stranger')) } }, 'etcd.tls'),
      refused({ hosts: hosts.map((host) => host.replace('https:', 'http:')) }, 'does not answer'),
    ]);
  });
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
