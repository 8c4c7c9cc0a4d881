/** Three members of etcd on this machine. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_MS = 60_000;

export const hasEtcd = () => spawnSync('etcd', ['--version']).status === 0;

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** { hosts, post(path, body), stop() } */
export async function startEtcd(dir) {
  mkdirSync(dir, { recursive: true });
  const url = (port) => `http://127.0.0.1:${port}`;
  const ports = await freePorts(6);
  const hosts = ports.slice(0, 3).map(url);
  const peers = ports.slice(3).map(url);
  const all = peers.map((peer, i) => `m${i}=${peer}`).join(',');
  const children = hosts.map((host, i) => {
    const args = [
      '--name',
      `m${i}`,
      '--data-dir',
      join(dir, `m${i}`),
      '--logger',
      'zap',
      '--log-level',
      'error',
    ];
    args.push('--listen-client-urls', host, '--advertise-client-urls', host, '--initial-cluster', all);
    args.push('--listen-peer-urls', peers[i], '--initial-advertise-peer-urls', peers[i]);
    const log = openSync(join(dir, `m${i}.log`), 'a');
    const child = spawn('etcd', args, { stdio: ['ignore', log, log] });
    closeSync(log);
    return child;
  });
  const stop = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', stop);
  const deadline = performance.now() + START_MS;
  for (const host of hosts) {
    for (;;) {
      const health = await fetch(`${host}/health`)
        .then((answer) => answer.json())
        .catch(() => undefined);
      if (health?.health === 'true') break;
      if (performance.now() > deadline) throw new Error(`etcd has not come up in ${START_MS / 1000} s`);
      await sleep(50);
    }
  }
  const post = async (path, body) =>
    (await fetch(`${hosts[0]}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })).json();
  return { hosts, post, stop };
}
