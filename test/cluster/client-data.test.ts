/** What clients may do to datasets, keyspaces and ingests over HTTP, on any node of a cluster, as on a database alone. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ClusterClient } from '../../src/cluster/http/client.ts';
import type { ClientChange } from '../../src/cluster/http/client-dataset.ts';
import { memoryDirectory, outcomeOf } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';
import { sluice, sluiceJson } from '../cli/run.ts';
import { startApi } from './api-node.ts';
import { TOKEN } from './exchange-node.ts';
import { clientOf, cluster } from './http-nodes.ts';

interface Doors {
  /** Of one node, and of another; of a database alone the same. */
  readonly one: ClusterClient;
  readonly other: ClusterClient;
  /** Below which files may be named. */
  readonly files: string;
}

async function alone(): Promise<Doors> {
  const { client, files } = await startApi();
  return { one: client, other: client, files };
}

async function twoOfThree(): Promise<Doors> {
  const nodes = cluster();
  const [a, b] = [await nodes.start('a'), await nodes.start('b')];
  return { one: clientOf(a), other: clientOf(b), files: nodes.dir };
}

async function changesOf(changes: AsyncIterable<ClientChange>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const { type, key, value, before } of changes)
    all.push([type, String(key), value && String(value), before && String(before)]);
  return all;
}

describe.each([
  ['a database alone', alone],
  ['nodes of a cluster', twoOfThree],
])('%s', (_, open) => {
  test('datasets are published by path and by upload, made live, compared and dropped', async () => {
    const { one, other, files } = await open();
    const [first, second] = [join(files, 'first.sst'), join(files, 'second.sst')];
    await writeSst(first, [
      ['a', '1'],
      ['b', '1'],
    ]);
    await writeSst(second, [
      ['b', '2'],
      ['c', '2'],
    ]);
    const cities = one.dataset('cities');
    expect(await cities.publish({ files: [first], message: 'one' })).toMatchObject({
      version: 1,
      kind: 'base',
      live: true,
      message: 'one',
      entries: 2,
    });
    const { upload } = await other.upload(readFileSync(second));
    const elsewhere = other.dataset('cities');
    expect(await elsewhere.publish({ uploads: [upload] })).toMatchObject({ version: 2, live: true });
    expect(await changesOf(cities.diff(1, 2))).toEqual([
      ['removed', 'a', undefined, '1'],
      ['changed', 'b', '2', '1'],
      ['added', 'c', '2', undefined],
    ]);
    expect(await changesOf(cities.diff(1, 2, { values: false }))).toContainEqual([
      'changed',
      'b',
      undefined,
      undefined,
    ]);
    expect(await outcomeOf(() => changesOf(cities.diff(1, 7)))).toBe('DATASET_VERSION_NOT_FOUND');
    expect(await cities.rollback()).toBe(1);
    expect(await other.get('a', { keyspace: 'cities', linearizable: true })).toEqual(Buffer.from('1'));
    expect(await elsewhere.activate(2)).toBeGreaterThan(0);
    expect((await cities.versions()).map(({ version, live }) => [version, live])).toEqual([
      [1, false],
      [2, true],
    ]);
    expect(await outcomeOf(() => cities.drop([2]))).toBe('DATASET_VERSION_LIVE');
    expect(await outcomeOf(() => cities.activate(9))).toBe('DATASET_VERSION_NOT_FOUND');
    expect(await cities.publish({ files: [first], activate: false })).toMatchObject({ live: false });
    expect(await elsewhere.drop([1])).toEqual([1]);
    expect(await cities.retain(1)).toEqual([]);
    const all = await other.datasets({ linearizable: true });
    expect(all.map(({ name, versions }) => [name, versions.length])).toEqual([['cities', 2]]);
    const outside = join(memoryDirectory(), 'outside.sst');
    await writeSst(outside, [['secret', '1']]);
    expect(await outcomeOf(() => cities.publish({ files: [outside] }))).toBe('PERMISSION');
  });

  test('an ingest is listed everywhere, and undone or released from anywhere', async () => {
    const { one, other, files } = await open();
    await one.put('k', 'before');
    const path = join(files, 'in.sst');
    await writeSst(path, [['k', 'after']]);
    for (const id of ['first', 'second']) await one.ingest({ files: [path], id, undoable: true });
    await other.get('k', { linearizable: true });
    expect(await other.ingests()).toMatchObject([
      { id: 'first', undoable: true, files: [{ entries: 1, smallestHex: '6b' }] },
      { id: 'second', undoable: true },
    ]);
    await other.releaseIngest('first');
    const version = await other.undoIngest('second');
    expect(await one.get('k', { linearizable: true })).toEqual(Buffer.from('after'));
    expect((await one.ingests())[1]).toMatchObject({ undoneAt: version });
    expect(await outcomeOf(() => one.undoIngest('second'))).toBe('UNDO_IMPOSSIBLE');
    expect(await outcomeOf(() => one.undoIngest('nobody'))).toBe('INGEST_NOT_FOUND');
  });

  test('a keyspace is made, and dropped from anywhere', async () => {
    const { one, other } = await open();
    await one.makeKeyspace('feed', { allowIngestBehind: true });
    await one.makeKeyspace('feed');
    await other.dropKeyspace('feed');
    await one.get('k', { linearizable: true });
    expect(await one.keyspaces()).toEqual(['default']);
    expect(await outcomeOf(() => one.dropKeyspace('feed'))).toBe('KEYSPACE_NOT_FOUND');
    await expect(one.makeKeyspace('~cluster')).rejects.toThrow(TypeError);
  });
});

test('a node that is gone is forgotten with what it held; back again it is one as before', async () => {
  const nodes = cluster();
  const started = [await nodes.start('a'), await nodes.start('b'), await nodes.start('c')] as const;
  const [a, , c] = started;
  const path = join(nodes.dir, 'in.sst');
  const { sha256 } = await writeSst(path, [['k', '1']]);
  const client = clientOf(a);
  await client.ingest({ files: [path] });
  await c.db.caughtUp();
  const holders = (): string[] => [...(nodes.hub.files.get(sha256) ?? [])].sort();
  await expect.poll(holders).toEqual(['a', 'b', 'c']);
  expect(await outcomeOf(() => client.forgetNode('c'))).toBe('BUSY');
  const asked = ['--url', a.url, '--token-file', tokenFile()];
  expect(await sluiceJson(['cluster', 'members', ...asked])).toMatchObject([
    { node: 'a', condition: 'running' },
    { node: 'b' },
    { node: 'c' },
  ]);
  await nodes.stop('c');
  expect((await sluice(['cluster', 'forget', 'c', ...asked])).out).toBe('c is forgotten\n');
  expect(holders()).toEqual(['a', 'b']);
  await expect(client.forgetNode('no node')).rejects.toThrow(TypeError);
  await nodes.start('c');
  expect(holders()).toEqual(['a', 'b', 'c']);
});

test('commands on datasets, keyspaces and ingests take --url in place of DB', async () => {
  const { server, client, files } = await startApi();
  const asked = ['--url', server.url, '--token-file', tokenFile()];
  const [first, second] = [join(files, 'first.sst'), join(files, 'second.sst')];
  await writeSst(first, [['a', '1']]);
  await writeSst(second, [['a', '2']]);
  const run = async (...argv: string[]): Promise<string> => {
    const { code, out, err } = await sluice([...argv, ...asked]);
    return code === 0 ? out.trimEnd() : err.trimEnd();
  };
  expect(await run('dataset', 'publish', 'd', first, '-m', 'one')).toMatch(
    /^Version 1 of d is live: 1 table/,
  );
  expect(await run('dataset', 'publish', 'd', second)).toMatch(/^Version 2 of d is live/);
  expect(await run('dataset', 'publish', 'd', `${second}-none`)).toMatch(/^error FILE_NOT_FOUND/);
  expect(await run('dataset', 'diff', 'd', '1', '2')).toBe('~ a\t1\t2');
  expect(await run('dataset', 'rollback', 'd')).toBe('Version 1 of d is live');
  expect(await run('dataset', 'activate', 'd', '2')).toBe('Version 2 of d is live');
  expect(await run('dataset', 'ls')).toMatch(/^d +1 .* one\nd +\* +2 /);
  expect(await run('dataset', 'drop', 'd', '1')).toBe('Dropped 1');
  expect(await run('dataset', 'activate', 'd')).toMatch(/^error USAGE: too few arguments/);
  expect(await run('dataset', 'activate', 'd', '2', '3')).toMatch(/^error USAGE: wrong arguments/);
  expect(await run('keyspaces', 'make', 'feed')).toBe('');
  expect(await run('keyspaces')).toBe('d\ndefault\nfeed');
  await run('keyspaces', 'drop', 'feed');
  expect(await client.keyspaces()).toEqual(['d', 'default']);
  await client.ingest({ files: [first], id: 'in', undoable: true });
  expect(await run('ingests')).toMatch(/ in +default +1 file, 1 entry +undoable$/);
  expect(await run('ingests', 'undo', 'in')).toMatch(/^Undone at version \d+$/);
  expect(await client.get('a')).toBe(undefined);
});

function tokenFile(): string {
  const path = join(memoryDirectory(), 'token');
  writeFileSync(path, TOKEN);
  return path;
}
