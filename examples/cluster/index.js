// A cluster on this machine: 3 etcd and 3 nodes, each a process. A data set is imported through one node and read through another; a
// node is killed, misses what comes meanwhile, and catches up. Run it with `node examples/cluster` after `npm run build`; it needs etcd
// (`apt-get install etcd-server`). With `--stay` it leaves the cluster running until Ctrl-C, to be tried by hand.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ClusterClient } from 'sluicedb/cluster';

const home = mkdtempSync(join(tmpdir(), 'sluicedb-cluster-'));
const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const processes = new Map();
process.on('exit', () => {
  for (const child of processes.values()) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

function start(name, command, args) {
  const log = openSync(join(home, `${name}.log`), 'a');
  const child = spawn(command, args, { stdio: ['ignore', log, log] });
  child.on('error', (error) => console.error(`${command} cannot be run: ${error.message}`));
  processes.set(name, child);
}

async function kill(name) {
  const child = processes.get(name);
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
  processes.delete(name);
}

/** Asks until there is an answer; a process that has ended gives none. */
async function until(what, name, ask) {
  for (let tries = 0; tries < 1200; tries++) {
    const child = processes.get(name);
    if (child.exitCode !== null || child.pid === undefined) break;
    const answer = await ask().catch(() => undefined);
    if (answer) return answer;
    await sleep(50);
  }
  throw new Error(`In vain: ${what}. ${name} said:\n${readFileSync(join(home, `${name}.log`), 'utf8')}`);
}

/** All are held while they are found, so they differ. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  for (const server of servers) server.close();
  return ports;
}

const ports = await freePorts(9);
const [clients, peers, nodes] = [ports.slice(0, 3), ports.slice(3, 6), ports.slice(6)];
const local = (port) => `http://127.0.0.1:${port}`;

// The log: three members of etcd.
const members = peers.map((port, i) => `etcd-${i}=${local(port)}`).join(',');
for (const [i, port] of clients.entries()) {
  start(`etcd-${i}`, 'etcd', [
    ...['--name', `etcd-${i}`, '--data-dir', join(home, `etcd-${i}`), '--log-level', 'error'],
    ...['--listen-client-urls', local(port), '--advertise-client-urls', local(port)],
    ...['--listen-peer-urls', local(peers[i]), '--initial-advertise-peer-urls', local(peers[i])],
    ...['--initial-cluster', members, '--initial-cluster-token', home],
  ]);
}
for (const [i, port] of clients.entries()) {
  await until(
    'etcd comes up',
    `etcd-${i}`,
    async () => (await (await fetch(`${local(port)}/health`)).json()).health === 'true',
  );
}
console.log(`3 etcd at ${clients.map(local).join(', ')}`);

// The nodes: what they share is the cluster's name, etcd and the token.
const token = randomBytes(24).toString('hex');
const tokenFile = join(home, 'token');
writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
const feed = join(home, 'feed');
mkdirSync(feed);
const names = ['a', 'b', 'c'];
const urls = nodes.map(local);
for (const [i, name] of names.entries()) {
  writeFileSync(
    join(home, `${name}.json`),
    JSON.stringify({
      dir: name,
      node: name,
      listen: `127.0.0.1:${nodes[i]}`,
      tokenFile: 'token',
      ingestDirs: ['feed'],
      cluster: { name: 'example', etcd: { hosts: clients.map(local) } },
    }),
  );
}
const serve = (name) =>
  start(name, process.execPath, [program, 'serve', '--config', join(home, `${name}.json`)]);
const client = (i) => new ClusterClient({ urls: [urls[i]], token });
const isUp = async (i) => (await fetch(`${urls[i]}/healthz`)).ok;
for (const name of names) serve(name);
for (const [i, name] of names.entries()) await until('a node comes up', name, () => isUp(i));
console.log(`3 nodes at ${urls.join(', ')}`);
const [a, b, c] = [client(0), client(1), client(2)];

// Imported through one, read through another.
const rows = Array.from(
  { length: 50_000 },
  (_, i) => `${(i * 7919) % 50_000},"Article ${i}",${(i % 997) / 100}`,
);
writeFileSync(join(feed, 'articles.csv'), `id,name,price\n${rows.join('\n')}\n`);
const { id } = await a.import({
  source: [join(feed, 'articles.csv')],
  into: 'articles',
  key: 'id',
  value: { as: 'json', columns: ['name', 'price'] },
  types: { id: 'int', price: 'decimal' },
  id: 'articles/1',
});
const imported = await until('the import is done', 'a', async () => {
  const { result, error } = await a.importStatus(id);
  assert.equal(error, undefined);
  return result;
});
assert.equal(imported.rowsLoaded, 50_000);
await c.getMany(['no key'], { linearizable: true }); // what c has then is at least what a had acknowledged
let seen = 0;
for await (const _ of c.scan({ keyspace: 'articles', values: false })) seen++;
assert.equal(seen, 50_000);
console.log(
  `imported ${imported.rowsLoaded} rows through a, read ${seen} through c, at version ${imported.version}`,
);

// A transaction in one request: only one of two who want the same gets it.
await a.commit({ if: [{ key: 'owner', exists: false }], ops: [{ type: 'put', key: 'owner', value: 'ada' }] });
await assert.rejects(
  b.commit({ if: [{ key: 'owner', exists: false }], ops: [{ type: 'put', key: 'owner', value: 'bob' }] }),
  { code: 'CONDITION_FAILED' },
);
console.log('of two conditional commits through a and b one was made');

// One is killed. The others go on; it catches up when it is back.
await kill('c');
for (let i = 0; i < 200; i++) await a.put(`while c was away ${i}`, String(i));
console.log('killed c, and made 200 commits without it');
serve('c');
await until('c comes back', 'c', () => isUp(2));
assert.equal(String(await c.get('while c was away 199', { linearizable: true })), '199');
const { version, lag } = await c.status();
assert.equal(lag.revisions, 0);
console.log(`c is back, and has caught up: version ${version}`);

if (process.argv.includes('--stay')) {
  console.log(`\nsluice cluster status --url ${urls[0]} --token-file ${tokenFile}\nCtrl-C ends it.`);
  await once(process, 'SIGINT');
}
for (const one of [a, b, c]) one.close();
for (const name of names) processes.get(name).kill('SIGTERM');
for (const name of names) if (processes.get(name).exitCode === null) await once(processes.get(name), 'exit');
for (const name of names)
  assert.equal(processes.get(name).exitCode, 0, readFileSync(join(home, `${name}.log`), 'utf8'));
console.log('all nodes ended in good order');
process.exit(0);
