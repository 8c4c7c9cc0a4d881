/** The log in an etcd that asks for users, whose tokens do not last. */

import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { memoryDirectory } from '../base/database.ts';
import { ETCD_USER, until } from '../fixtures/etcd.ts';
import { openLog as open, startEtcd } from './etcd-logs.ts';
import { appended, member, take, text } from './logs.ts';

test('a member of etcd that has been restarted knows no token any more: nodes take another', async () => {
  const etcd = await startEtcd({});
  await etcd.askForUsers();
  const [log, writer] = [
    await open({ hosts: etcd.hosts, auth: ETCD_USER }),
    await open({ hosts: etcd.hosts, auth: ETCD_USER }),
  ];
  const read = take(log, 0, 2);
  await log.announce(member('a'));
  await appended(writer, 1, 'before');
  await etcd.members[0]?.kill();
  etcd.members[0]?.start();
  await etcd.healthy();
  await until('it is appended', () => appended(writer, 2, 'after').catch(() => undefined));
  expect((await read).map(text)).toEqual(['before', 'after']);
  await log.announce(member('a', 2));
  expect(await writer.members()).toEqual([member('a', 2)]);
});

test('tokens that end, and users that are changed, hold nobody up', async () => {
  const dir = memoryDirectory();
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  writeFileSync(join(dir, 'public.pem'), publicKey);
  writeFileSync(join(dir, 'private.pem'), privateKey);
  const keys = `pub-key=${join(dir, 'public.pem')},priv-key=${join(dir, 'private.pem')}`;
  const etcd = await startEtcd({ args: ['--auth-token', `jwt,${keys},sign-method=RS256,ttl=1s`] });
  await etcd.askForUsers();
  const { hosts } = etcd;
  const [log, reader] = [await open({ hosts, auth: ETCD_USER }), await open({ hosts, auth: ETCD_USER })];
  const count = 20;
  const read = take(reader, 0, count);
  for (let n = 0; n < count; n++) {
    await appended(log, n, String(n));
    if (n % 5 === 0) await reader.announce(member('a', n));
    if (n % 10 === 4) await etcd.changeUsers();
    if (n === 9) await nodeEnv.clock.sleep(1_100); // the token has ended
  }
  expect((await read).map(text)).toEqual(Array.from({ length: count }, (_, n) => String(n)));
});
