/**
 * The process of a node is killed amid an import: the others list it, one of them goes on with it, and what it leaves is that of one
 * import, once. It waits for as long as a dead node stays a member.
 */

import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { ClusterClient } from '../../src/cluster/http/client.ts';
import { memoryDirectory } from '../base/database.ts';
import { SEED } from '../base/seed.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { buildProgram } from '../cli/run.ts';
import { type Serving, serving } from '../cli/serving.ts';
import { until } from '../fixtures/etcd.ts';
import { expected, randomRows, writeCsv } from '../import/rows.ts';
import { startEtcd } from './etcd-logs.ts';
import { TOKEN } from './exchange-node.ts';

const ROWS = 20_000;
const NAMES = ['a', 'b', 'c'] as const;
type Name = (typeof NAMES)[number];

/** Nodes as processes, over one etcd. */
class Processes {
  readonly #home = memoryDirectory();
  readonly #hosts: readonly string[];
  readonly #running = new Map<Name, Serving>();
  readonly #clients = new Map<Name, ClusterClient>();
  readonly files = join(this.#home, 'files');

  constructor(hosts: readonly string[]) {
    this.#hosts = hosts;
    mkdirSync(this.files);
  }

  async start(name: Name): Promise<ClusterClient> {
    const dir = join(this.#home, name);
    mkdirSync(dir, { recursive: true });
    const config = {
      ...{ dir: 'data', node: name, token: TOKEN, ingestDirs: [this.files], logLevel: 'error' },
      cluster: { name: 'imports', etcd: { hosts: this.#hosts } },
    };
    writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
    const started = await serving(join(dir, 'config.json'));
    const client = new ClusterClient({ urls: [started.url], token: TOKEN });
    onTestFinished(() => client.close());
    this.#running.set(name, started);
    this.#clients.set(name, client);
    return client;
  }

  /** As by `kill -9`. */
  async kill(name: Name): Promise<void> {
    const process = this.#running.get(name)?.process;
    if (process === undefined) throw new Error(`${name} does not run`);
    const exit = once(process, 'exit');
    process.kill('SIGKILL');
    await exit;
  }

  /** Whatever imports have left there that are not over. */
  leftovers(name: Name): readonly string[] {
    const dir = join(this.#home, name, 'data/db/imports');
    return existsSync(dir) ? readdirSync(dir) : [];
  }
}

async function contents(client: ClusterClient, keyspace: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const [key, value] of client.scan({ keyspace, linearizable: true }))
    found.set(key.toString(), value.toString());
  return found;
}

beforeAll(buildProgram, 120_000);

test('an import of a node that is killed amid it is gone on with by another, and made once', async () => {
  const etcd = await startEtcd({ parent: memoryDirectory() });
  const nodes = new Processes(etcd.hosts);
  let a = await nodes.start('a');
  const [b, c] = [await nodes.start('b'), await nodes.start('c')];
  const rows = randomRows(new SeededRandom(SEED), ROWS, ROWS / 2);
  const wanted = expected(rows, 'last');
  const source = writeCsv(nodes.files, rows.rows, 3);
  const given = { source, key: 'id', value: 'value', path: 'ingest' };
  const stateAt = async (client: ClusterClient, id: string): Promise<string | undefined> =>
    (await client.imports()).find((one) => one.id === id)?.state;
  const imported = (client: ClusterClient, id: string) =>
    until(`${id} is imported`, async () => ((await stateAt(client, id)) === 'imported' ? true : undefined));

  // Paused, so that it is amid it for certain: another is told to resume it.
  await a.import({ ...given, id: 'paused', into: 'paused' });
  await a.changeImport('paused', 'pause');
  await until('b knows', async () => ((await stateAt(b, 'paused')) === 'paused' ? true : undefined));
  await nodes.kill('a');
  const listed = async () => (await b.imports()).find(({ id }) => id === 'paused');
  await until('nobody is at it', async () => ((await listed())?.running === false ? true : undefined));
  expect(await listed()).toMatchObject({ node: 'a', state: 'paused', running: false, sources: source });
  expect(await b.changeImport('paused', 'resume')).toMatchObject({ id: 'paused' });
  await imported(b, 'paused');
  a = await nodes.start('a');
  await imported(a, 'paused');

  // Running: another that was asked for the same one waits for it, and takes it over.
  let id = '';
  for (let tried = 0; ; tried++) {
    id = `running-${tried}`;
    await a.import({ ...given, id, into: id });
    await until('b lists it', async () => (await stateAt(b, id)) ?? undefined);
    await nodes.kill('a');
    if ((await stateAt(b, id)) !== 'imported') break;
    // It was faster.
    a = await nodes.start('a');
  }
  expect(await c.import({ ...given, id, into: id })).toMatchObject({ id });
  await imported(c, id);
  a = await nodes.start('a');
  await imported(a, id);

  for (const keyspace of ['paused', id]) {
    for (const client of [a, b, c]) expect(await contents(client, keyspace)).toEqual(wanted);
    const [first, ...others] = await Promise.all([a, b, c].map((client) => client.importStatus(keyspace)));
    expect(first).toMatchObject({ running: false, result: { rowsRead: ROWS, rowsLoaded: wanted.size } });
    for (const other of others) expect(other.result).toEqual(first?.result);
    // Of all nodes the version is that of the one commit; asked for again it is told, and nothing is loaded.
    await a.import({ ...given, id: keyspace, into: keyspace });
    const again = await until('it is told again', async () => (await a.importStatus(keyspace)).result);
    expect(again).toEqual({ ...first?.result, replayed: true });
  }
  for (const name of NAMES) expect(nodes.leftovers(name)).toEqual([]);
  expect(await c.compareContents()).toMatchObject({ same: true });
});
