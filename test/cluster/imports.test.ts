/** Imports in a cluster: listed by all its nodes, taken over by another when theirs is gone, committed once. */

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { applyImport } from '../../src/cluster/imports/shared-imports.ts';
import { type ImportTask, open } from '../../src/index.ts';
import { versionOf } from '../../src/mvcc/version.ts';
import { Transaction, TransactionCore } from '../../src/txn/transaction.ts';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { sluice } from '../cli/run.ts';
import { contents, expected, randomRows, type TestImportOptions, writeCsv } from '../import/rows.ts';
import { serveReplica } from './api-node.ts';
import { sameOnAll } from './entries.ts';
import { TOKEN } from './exchange-node.ts';
import { ALL_KEPT, type TestCluster, type TextNode, threeNodes, until } from './nodes.ts';
import { engineOf } from './tree-entries.ts';

const SMALL: TestImportOptions = { path: 'ingest', threads: 2, runBytes: 10_000, fanIn: 4 };
const { rows, duplicates } = randomRows(new SeededRandom(11), 800, 700);
const LOADED = expected({ rows, duplicates }, 'last');

/** Entries of which the last come when `gate` resolves. */
async function* held(gate: Promise<unknown>) {
  for (const [n, row] of rows.entries()) {
    if (n === 700) await gate;
    yield row;
  }
}

function leftovers(cluster: TestCluster, node: string): string[] {
  const imports = join(cluster.dirOf(node), 'db', 'imports');
  return existsSync(imports) ? readdirSync(imports) : [];
}

function csv(): string[] {
  return writeCsv(memoryDirectory(), rows, 3);
}

async function caughtUp(...nodes: TextNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.caughtUp()));
}

/** Of an import of files, as soon as some of it is durable. */
async function pausedWithRuns(task: ImportTask, node: TextNode): Promise<void> {
  await until('runs are finished', async () => {
    if (task.state === 'feeding') await task.pause();
    return (node.tasks()[0]?.runs ?? 0) > 0 || task.state === 'paused';
  });
}

test('an import of one node is listed by all, with where it runs and what it came to', async () => {
  const { a, b, c } = await threeNodes(ALL_KEPT);
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const task = a.import(held(gate), { ...SMALL, id: 'one' });
  await until('c lists it', () => c.tasks()[0]?.state === 'feeding');
  expect(b.tasks()).toMatchObject([
    { id: 'one', node: 'a', running: true, into: 'default', result: undefined },
  ]);
  expect(await outcomeOf(() => b.resumeImport('one'))).toBe('BUSY');
  goOn();
  const result = await task.done;
  await caughtUp(b, c);
  for (const node of [a, b, c]) {
    expect(node.tasks()).toMatchObject([{ id: 'one', state: 'imported', node: 'a', running: false }]);
    expect(node.tasks()[0]?.result).toEqual(result);
    expect(await contents(node)).toEqual(LOADED);
  }
  expect(await b.import(rows, { ...SMALL, id: 'one' }).done).toEqual({ ...result, replayed: true });
  expect(await c.resumeImport('one').done).toEqual({ ...result, replayed: true });
  expect(await outcomeOf(() => b.import(rows, { id: 'one', into: 'other' }))).toBe('IMPORT_ID_REUSED');
  expect(await outcomeOf(() => b.resumeImport('two'))).toBe('IMPORT_NOT_FOUND');
  await sameOnAll([a, b, c]);
});

test('of one id on three nodes at once one import is made, and all are told of it', async () => {
  const { a, b, c } = await threeNodes(ALL_KEPT);
  const paths = csv();
  const tasks = [a, b, c].map((node) =>
    node.import(paths, { ...SMALL, id: 'one', key: 'id', value: 'value' }),
  );
  const results = await Promise.all(tasks.map(({ done }) => done));
  expect(results.map(({ replayed }) => replayed).sort()).toEqual([false, true, true]);
  expect(new Set(results.map(({ version, rowsRead }) => `${version} ${rowsRead}`)).size).toBe(1);
  await sameOnAll([a, b, c]);
  expect(a.ingests().map(({ id }) => id)).toEqual(['one']);
  expect(await contents(c)).toEqual(LOADED);
});

test('an import whose node is gone is gone on with by another; the node that comes back has nothing left of it', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const task = a.import(csv(), {
    ...SMALL,
    id: 'one',
    key: 'id',
    value: 'value',
    tempDir: cluster.dirOf('a'),
  });
  await pausedWithRuns(task, a);
  await until('b knows', () => b.tasks()[0]?.state === 'paused');
  await cluster.stop('a');
  await until('b sees that nobody runs it', () => b.tasks()[0]?.running === false);
  expect(b.tasks()).toMatchObject([{ node: 'a', state: 'paused' }]);
  const result = await b.resumeImport('one').done;
  expect(result).toMatchObject({ replayed: false, rowsRead: rows.length, rowsLoaded: LOADED.size });
  const again = await cluster.open('a');
  await caughtUp(again, c);
  await until('nothing is left', () => leftovers(cluster, 'a').length === 0);
  expect(again.tasks()).toMatchObject([{ node: 'b', state: 'imported', running: false }]);
  expect(await again.resumeImport('one').done).toEqual({ ...result, replayed: true });
  await sameOnAll([again, b, c]);
  expect(await contents(again)).toEqual(LOADED);
});

test('a node that comes back goes on with its import from what it had finished', async () => {
  const { cluster, a } = await threeNodes(ALL_KEPT);
  const gate = new Promise<void>(() => undefined);
  a.import(held(gate), { ...SMALL, id: 'one' }).done.catch(() => undefined);
  await until('runs are finished', () => (a.tasks()[0]?.runs ?? 0) > 0);
  await cluster.stop('a');
  const again = await cluster.open('a');
  const [task] = again.tasks();
  expect(task).toMatchObject({ id: 'one', node: 'a', running: false });
  expect(await outcomeOf(() => again.resumeImport('one').done)).toBe('SOURCE_GONE');
  const resumed = again.resumeImport('one', { source: rows });
  expect((await resumed.done).rowsLoaded).toBe(LOADED.size);
  expect(await contents(again)).toEqual(LOADED);
});

test('a node that was cut off while another took its import over commits nothing of it', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const paths = csv();
  const options = { ...SMALL, id: 'one', key: 'id', value: 'value' };
  const task = a.import(paths, { ...options, ingest: { replace: true } });
  await pausedWithRuns(task, a);
  await until('b knows', () => b.tasks()[0]?.state === 'paused');
  cluster.log.cut('a');
  const result = await b.import(paths, { ...options, ingest: { replace: true } }).done;
  const later = await c.put('later', 'x');
  task.resume();
  cluster.log.reconnect('a');
  expect(await task.done).toEqual({ ...result, replayed: true });
  await caughtUp(a);
  expect(later).toBeGreaterThan(result.version);
  await sameOnAll([a, b, c]);
  expect(await a.get('later')).toBe('x');
  expect(a.ingests().map(({ id }) => id)).toEqual(['one']);
  expect(leftovers(cluster, 'a')).toEqual([]);
});

test('whoever waits for an import that fails elsewhere is told why; who begins it again runs it', async () => {
  const { a, b } = await threeNodes(ALL_KEPT);
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const failing = (async function* () {
    yield ['k', 'v'] as const;
    await gate;
    yield ['k', 'w'] as const;
  })();
  const options = { path: 'ingest', id: 'one', duplicates: 'error' } as const;
  const first = a.import(failing, options);
  await until('b knows', () => b.tasks()[0]?.state === 'feeding');
  const second = b.import([['k', 'v'] as const], options);
  await until('b waits for it', () => second.state === 'feeding');
  goOn();
  expect(await outcomeOf(() => first.done)).toBe('KEY_EXISTS');
  expect(await outcomeOf(() => second.done)).toBe('KEY_EXISTS');
  expect(b.tasks()).toMatchObject([{ state: 'failed', running: false, node: 'a' }]);
  expect((await b.import([['k', 'v'] as const], options).done).rowsLoaded).toBe(1);
  expect(b.tasks()).toMatchObject([{ state: 'imported', node: 'b' }]);
});

test('what a node commits of an import that is not its own any more is refused by all', async () => {
  const { a, b, c } = await threeNodes(ALL_KEPT);
  await a.put('k', 'v');
  const { version } = await a.import(rows.slice(0, 10), { ...SMALL, id: 'one', into: 'other' }).done;
  for (const epoch of [0, 1, 2]) {
    const core = new TransactionCore(engineOf(a), false);
    core.claim = { id: 'one', epoch, info: '{}' };
    const txn = new Transaction(core, 'utf8', 'utf8');
    txn.deleteRange({});
    expect(await outcomeOf(() => txn.commit())).toBe('CONFLICT');
  }
  await sameOnAll([a, b, c]);
  expect(b.version).toBe(version);
  expect(await b.get('k')).toBe('v');
});

test('an import that another node cancels ends, and commits nothing', async () => {
  const { cluster, a, b, c } = await threeNodes(ALL_KEPT);
  const task = a.import(csv(), { ...SMALL, id: 'one', key: 'id', value: 'value' });
  await pausedWithRuns(task, a);
  await until('b knows', () => b.tasks()[0]?.state === 'paused');
  await b.cancelImport('one');
  expect(await outcomeOf(() => task.done)).toBe('ABORTED');
  await caughtUp(a, c);
  expect(c.tasks()).toMatchObject([{ state: 'cancelled', running: false }]);
  expect(await contents(c)).toEqual(new Map());
  await until('nothing is left', () => leftovers(cluster, 'a').length === 0);
  expect((await c.import(rows, { ...SMALL, id: 'one' }).done).rowsLoaded).toBe(LOADED.size);
  await sameOnAll([a, b, c]);
});

test('clients of any node list, resume and cancel the imports of all; what they have read lies where that node allows it', async () => {
  const { cluster, a, b } = await threeNodes(ALL_KEPT);
  const files = join(cluster.dir, 'files');
  mkdirSync(files);
  const { client, url } = await serveReplica(b, files);
  const tokenFile = join(cluster.dir, 'token');
  writeFileSync(tokenFile, TOKEN);
  const inside = writeCsv(files, rows, 1);
  const options = { ...SMALL, key: 'id', value: 'value' };
  for (const [id, paths] of [
    ['inside', inside],
    ['outside', csv()],
    ['unwanted', inside],
  ] as const) {
    const task = a.import(paths, { ...options, id });
    task.done.catch(() => undefined);
    await task.pause();
    await until('b knows', () => b.tasks().some((one) => one.id === id && one.state === 'paused'));
  }
  expect(await client.imports()).toMatchObject([
    { id: 'inside', state: 'paused', node: 'a', running: true, sources: inside },
    { id: 'outside', node: 'a' },
    { id: 'unwanted', node: 'a' },
  ]);
  expect((await client.status()).imports).toMatchObject([
    { id: 'inside' },
    { id: 'outside' },
    { id: 'unwanted' },
  ]);
  expect(await outcomeOf(() => client.changeImport('inside', 'resume'))).toBe('BUSY');
  expect(await client.changeImport('unwanted', 'cancel')).toMatchObject({
    state: 'cancelled',
    running: false,
  });
  await cluster.stop('a');
  await until('nobody runs them', async () => (await client.imports()).every(({ running }) => !running));
  expect(await outcomeOf(() => client.changeImport('outside', 'resume'))).toBe('PERMISSION');
  expect(await client.changeImport('inside', 'resume')).toMatchObject({ id: 'inside' });
  await until('it is imported', async () => (await client.importStatus('inside')).state === 'imported');
  expect(await client.importStatus('inside')).toMatchObject({
    node: 'b',
    result: { rowsLoaded: LOADED.size },
  });
  await until('its row has the result', () => b.tasks()[0]?.running === false);
  const program = ['tasks', '--url', url, '--token-file', tokenFile];
  const { out } = await sluice(program);
  expect(out).toMatch(/^outside +paused, and nobody is at it +a /m);
  expect(out).toMatch(/^unwanted +cancelled +a /m);
  expect(out).toMatch(/^inside +imported +b .* 800 rows +default /m);
  expect((await sluice([...program, 'cancel', 'outside'])).out).toBe('Cancelled outside\n');
  expect(
    b
      .tasks()
      .map(({ state }) => state)
      .sort(),
  ).toEqual(['cancelled', 'cancelled', 'imported']);
});

test('of imports that are over the newest are kept; what may be resumed stays', async () => {
  const db = await open(memoryDirectory(), { blockCacheBytes: 1 << 20 });
  onTestFinished(() => db.close());
  const engine = engineOf(db);
  const enter = (n: number, state: 'imported' | 'cancelled' | 'failed'): Promise<void> => {
    const info = JSON.stringify({ startedMs: n, sources: [] });
    const version = state === 'imported' ? versionOf(n + 1) : undefined;
    const of = { node: 'a', session: 's', spec: '{}', epoch: 1, info, version, state };
    return applyImport(engine, { kind: 'import', expects: 0, row: { id: `i${n}`, ...of } });
  };
  const kept = (): string[] => [...engine.manifest.state.sharedImports.keys()];
  await enter(0, 'failed');
  // Later ones have smaller names: it is by when they began.
  for (let n = 1; n <= 1100; n++) await enter(2000 - n, n % 2 === 0 ? 'imported' : 'cancelled');
  expect(kept()).toHaveLength(1101);
  await enter(2000, 'cancelled');
  const left = kept();
  expect(left).toHaveLength(1001);
  expect(left).toEqual(expect.arrayContaining(['i0', 'i2000', 'i1999', 'i1001']));
  expect(left).not.toContain('i1000');
  expect(left).not.toContain('i900');
});
