/** `sluice serve` and `sluice cluster`: configurations that are right and wrong, and the real process. */

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ClusterClient } from '../../src/cluster/http/client.ts';
import { memoryDirectory } from '../base/database.ts';
import { buildProgram, child, PROGRAM, sluice } from './run.ts';
import { serving } from './serving.ts';

const TOKEN = 'a-token-for-this-test-alone';

function configured(config: object, dir = memoryDirectory()): string {
  const path = join(dir, 'config.json');
  writeFileSync(path, JSON.stringify(config));
  writeFileSync(join(dir, 'token'), `${TOKEN}\n`);
  return path;
}

describe('the configuration', () => {
  const check = (config: object) => sluice(['serve', '--check', '--config', configured(config)]);

  test('of a database alone, and of a node with everything', async () => {
    const alone = await check({ dir: 'data', node: 'a' });
    expect(alone).toMatchObject({ code: 0, out: expect.stringMatching(/: a database alone\n$/) });
    const full = await check({
      dir: 'data',
      node: 'a',
      listen: '0.0.0.0:7001',
      listenFiles: '0.0.0.0:7002',
      advertise: 'http://a.example:7001',
      tokenFile: 'token',
      clientToken: 'another-token-of-clients',
      ingestDirs: ['feeds'],
      limits: { bodyBytes: 1000 },
      pulls: { transfers: 2, bytesPerSecond: 1_000_000 },
      logLevel: 'warn',
      graceMs: 100,
      database: { memtableBytes: 1_000_000, durability: 'os', compression: 'zstd' },
      cluster: {
        name: 'test',
        replicas: 3,
        windowVersions: 1000,
        etcd: {
          hosts: ['http://127.0.0.1:2379'],
          prefix: 'p',
          auth: { username: 'u', passwordFile: 'token' },
        },
      },
    });
    expect(full).toMatchObject({ code: 0, out: expect.stringMatching(/: a node of a cluster\n$/) });
  });

  test.each([
    [{}, 'config.dir must be a non-empty string; got nothing'],
    [{ dir: 'd' }, 'config.node must be a non-empty string; got nothing'],
    [{ dir: 'd', node: 'a', tokn: 'x' }, 'config.tokn must not be there: no such field'],
    [{ dir: 'd', node: 'a', token: 'x', tokenFile: 'token' }, 'config must have either token or tokenFile'],
    [{ dir: 'd', node: 'a', tokenFile: 'nowhere' }, 'config.tokenFile must be a readable file'],
    [{ dir: 'd', node: 'a', tls: { certFile: 'token' } }, 'config.tls.keyFile must be a non-empty string'],
    [
      { dir: 'd', node: 'a', logLevel: 'loud' },
      'config.logLevel must be one of debug, info, warn, error, silent',
    ],
    [
      { dir: 'd', node: 'a', database: { keyEncoding: 'json' } },
      'config.database.keyEncoding must not be there',
    ],
    [{ dir: 'd', node: 'a', cluster: { name: 'c' } }, 'config.cluster.etcd must be an object with hosts'],
    [{ dir: 'd', node: 'a', cluster: { name: 'c', etcd: {} } }, 'config.cluster.etcd.hosts must be an array'],
    [{ dir: 'd', node: 'a', limits: { bodyBytes: '1' } }, 'config.limits.bodyBytes must be a whole number'],
    [[], 'config must be an object; got an array'],
  ])('%j is refused: %s', async (config, message) => {
    const { code, err } = await check(config);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).not.toContain(TOKEN);
  });

  test.each([
    [{ listen: '0.0.0.0:0', advertise: 'http://a:1' }, 'listen must be a loopback address'],
    [{ listen: 'nonsense' }, 'options.listen must be HOST:PORT'],
    [{ listenFiles: '7002' }, 'options.listenFiles must be HOST:PORT'],
    [{ token: 'short' }, 'token must be at least 16 characters'],
    [{ limits: { sky: 1 } }, 'options.limits.sky is no limit'],
    [{ database: { memtableBytes: 1 } }, 'options.memtableBytes must be an integer'],
  ])('what its taker refuses is told as well: %j', async (more, message) => {
    const path = configured({ dir: 'data', node: 'a', logLevel: 'silent', ...more });
    const { code, err } = await sluice(['serve', '--config', path]);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });

  test('files that are not there, or no JSON; nothing said', async () => {
    const broken = join(memoryDirectory(), 'broken.json');
    writeFileSync(broken, '{ "dir": ');
    for (const argv of [['--config', `${broken}-none`], ['--config', broken], []]) {
      const { code, err } = await sluice(['serve', ...argv]);
      expect(code).toBe(2);
      expect(err).toMatch(/cannot be read|is not JSON|is missing/);
    }
  });

  test('repair is for nodes of a cluster, status needs to know whom to ask', async () => {
    expect(
      await sluice(['cluster', 'repair', '--config', configured({ dir: 'd', node: 'a' })]),
    ).toMatchObject({
      code: 2,
      err: expect.stringContaining('it has no peers'),
    });
    expect((await sluice(['cluster', 'status'])).code).toBe(2);
    const { code, err } = await sluice(['cluster', 'status', '--url', 'http://127.0.0.1:1']);
    expect([code, err]).toEqual([3, expect.stringMatching(/^error UNAVAILABLE: /)]);
  });
});

describe('the process', () => {
  beforeAll(buildProgram, 120_000);

  test('serves until SIGTERM, ends what it has begun, and has it all when it is started again', async () => {
    const dir = memoryDirectory();
    const config = configured({ dir: 'data', node: 'alone', tokenFile: 'token' }, dir);
    const first = await serving(config);
    const client = new ClusterClient({ urls: [first.url], token: TOKEN });
    await client.put('k', 'v');
    const asked = ['cluster', 'status', '--url', first.url, '--token-file', join(dir, 'token')];
    const status = await child(process.execPath, [PROGRAM, ...asked]);
    expect(status).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^node +alone, running\n/) });
    const json = JSON.parse((await child(process.execPath, [PROGRAM, ...asked, '--json'])).out) as object;
    expect(json).toMatchObject({ node: 'alone', condition: 'running' });
    // Commits that race with the end are made, or told not to be.
    const racing = Array.from({ length: 50 }, (_, i) =>
      client.put(`r${i}`, 'v').then(
        () => i,
        () => undefined,
      ),
    );
    await Promise.race(racing);
    const exit = once(first.process, 'exit');
    first.process.kill('SIGTERM');
    const made = (await Promise.all(racing)).filter((one) => one !== undefined);
    expect(await exit).toEqual([0, null]);
    client.close();
    expect(made.length).toBeGreaterThan(0);
    // Every line of the log is JSON, and none has the token.
    for (const line of first.log().trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
    expect(first.log()).not.toContain(TOKEN);
    const second = await serving(config);
    const again = new ClusterClient({ urls: [second.url], token: TOKEN });
    onTestFinished(() => again.close());
    expect(String(await again.get('k'))).toBe('v');
    const { values } = await again.getMany(made.map((i) => `r${i}`));
    expect(values.every((value) => String(value) === 'v')).toBe(true);
    const refused = await child(process.execPath, [PROGRAM, 'get', join(dir, 'data/db'), 'k']);
    expect(refused).toMatchObject({ code: 3, err: expect.stringMatching(/^error LOCKED/) });
    const ended = once(second.process, 'exit');
    second.process.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
  });
});
