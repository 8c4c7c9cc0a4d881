/** A watched directory: what METADATA.json names becomes live, whole or not at all. */

import { createHash } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { type DirectoryListener, isRemote } from '../../src/base/env/directory-watcher.ts';
import type { Env } from '../../src/base/env/env.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { memoryDirectory, openDatabase, outcomeOf, type TextDb } from '../base/database.ts';
import { type Entry, numbered, tableFiles, writeSst } from '../base/sst-files.ts';
import { sluice } from '../cli/run.ts';

/** Far away: tests look by hand. */
const NEVER_MS = 1e9;

/** Where nothing tells of changes. */
const { watch: _, ...POLLED } = nodeEnv;

async function place(env: Env = POLLED) {
  const dir = memoryDirectory();
  const drops = join(dir, 'drops');
  mkdirSync(join(drops, 'feats', 'sub'), { recursive: true });
  const file = async (name: string, entries: readonly Entry[]): Promise<string> => {
    await writeSst(join(drops, 'feats', name), entries);
    return createHash('sha256')
      .update(readFileSync(join(drops, 'feats', name)))
      .digest('hex');
  };
  const metadata = (content: unknown): void => {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    writeFileSync(join(drops, 'feats', 'new'), text);
    renameSync(join(drops, 'feats', 'new'), join(drops, 'feats', 'METADATA.json'));
  };
  const db = await openDatabase(join(dir, 'db'), { durability: 'os', env });
  return { dir, drops, file, metadata, db };
}

const live = (db: TextDb): Promise<[string, string][]> => db.keyspace('feats').iterator().all();
const A: Entry[] = [
  ['a', '1'],
  ['b', '1'],
];

test('what is there is loaded, with its deltas, in one step; an earlier version is gone back to', async () => {
  const { db, drops, file, metadata } = await place();
  let loaded = 0;
  const watch = db.watchDatasets(drops, {
    pollMs: NEVER_MS,
    onProgress: ({ bytesDone, bytesTotal }) => {
      if (bytesDone === bytesTotal) loaded++;
    },
  });
  await watch.check();
  expect(watch.status()).toEqual([]);
  const digests = {
    'base.sst': await file('base.sst', A),
    'sub/d.sst': await file('sub/d.sst', [['b', '2']]),
  };
  await file('e.sst', [
    ['c', '3'],
    ['a', undefined],
  ]);
  const seen: (number | undefined)[] = [];
  const stop = db.on(() => undefined);
  metadata({
    version: 12,
    base: ['base.sst'],
    deltas: [
      { version: 11, files: ['sub/d.sst'] },
      { version: 12, files: ['e.sst'] },
    ],
    digests,
    message: 'nightly',
  });
  const looking = watch.check();
  const timer = setInterval(() => seen.push(db.dataset('feats').current), 0);
  await looking;
  clearInterval(timer);
  stop();
  expect(new Set(seen)).toEqual(new Set([undefined, 12].filter((each) => seen.includes(each))));
  expect(watch.status()).toEqual([{ name: 'feats', state: 'live', version: 12, problem: undefined }]);
  expect(loaded).toBe(3);
  expect(await live(db)).toEqual([
    ['b', '2'],
    ['c', '3'],
  ]);
  expect(
    db
      .dataset('feats')
      .versions()
      .map(({ version, base, message }) => [version, base, message]),
  ).toEqual([
    [10, undefined, undefined],
    [11, 10, undefined],
    [12, 11, 'nightly'],
  ]);
  metadata({ version: 10 });
  await watch.check();
  expect(await live(db)).toEqual(A);
  metadata({ version: 9 });
  await watch.check();
  expect(watch.status()).toMatchObject([
    { state: 'waiting', version: 9, problem: 'version 9 is not kept, and no files are named' },
  ]);
  expect(await live(db)).toEqual(A);
});

test('all files are read under the prefix that METADATA.json has', async () => {
  const { db, drops, file, metadata } = await place();
  const watch = db.watchDatasets(drops, { pollMs: NEVER_MS });
  await file('base.sst', A);
  await file('us.sst', [['us:x', '1']]);
  metadata({
    version: 2,
    base: ['base.sst'],
    deltas: [{ version: 2, files: ['base.sst'] }],
    prefix: 'eu:',
  });
  await watch.check();
  expect(await live(db)).toEqual([
    ['eu:a', '1'],
    ['eu:b', '1'],
  ]);
  metadata({ version: 3, base: ['us.sst'], prefix: { from: 'us:', to: 'eu:' } });
  await watch.check();
  expect(await live(db)).toEqual([['eu:x', '1']]);
  metadata({ version: 4, base: ['base.sst'], prefix: { from: 'us:' } });
  await watch.check();
  expect(watch.status()).toMatchObject([
    { state: 'failed', version: 4, problem: expect.stringMatching(/^PREFIX_MISMATCH: .*base\.sst/) },
  ]);
  for (const prefix of [7, ['a'], { from: 'a', with: 'b' }, { to: 1 }, 'x'.repeat(70_000)]) {
    metadata({ version: 5, base: ['base.sst'], prefix });
    await watch.check();
    expect(watch.status()).toMatchObject([
      { state: 'failed', problem: expect.stringMatching(/^CORRUPTION: .*METADATA\.json: prefix/) },
    ]);
  }
  expect(await live(db)).toEqual([['eu:x', '1']]);
  expect((await db.verify({ full: true })).problems).toEqual([]);
});

test('what is partial or wrong is told, changes nothing, and is tried again when it has changed', async () => {
  const { dir, db, drops, file, metadata } = await place();
  const told: string[] = [];
  const watch = db.watchDatasets(drops, {
    pollMs: NEVER_MS,
    onChange: ({ state, problem }) => told.push(`${state} ${problem?.split(':')[0] ?? ''}`.trim()),
  });
  metadata('{ "version": 1, ');
  await watch.check();
  metadata({ version: 1, base: ['../../db/x.sst'] });
  await watch.check();
  metadata({ version: 1, base: ['one.sst', 'two.sst'] });
  const one = await file('one.sst', numbered(0, 50));
  await watch.check();
  const two = await file('two.sst', numbered(50, 100));
  metadata({ version: 1, base: ['one.sst', 'two.sst'], digests: { 'one.sst': one, 'two.sst': one } });
  await watch.check();
  await watch.check();
  truncateSync(join(drops, 'feats', 'two.sst'), 700);
  metadata({ version: 1, base: ['one.sst', 'two.sst'] });
  await watch.check();
  expect([db.keyspaces(), tableFiles(join(dir, 'db'))]).toEqual([['default'], []]);
  rmSync(join(drops, 'feats', 'two.sst'));
  expect(await file('two.sst', numbered(50, 100))).toBe(two);
  metadata({ version: 1, base: ['one.sst', 'two.sst'], digests: { 'one.sst': one, 'two.sst': two } });
  await watch.check();
  expect((await live(db)).length).toBe(100);
  expect(told).toEqual([
    'failed CORRUPTION',
    'failed CORRUPTION',
    'waiting missing',
    'loading',
    'failed CHECKSUM_MISMATCH',
    'loading',
    'failed CORRUPTION',
    'loading',
    'live',
  ]);
  // The rest of a failed version stays failed for nobody else.
  mkdirSync(join(drops, 'other'));
  await writeSst(join(drops, 'other', 'x.sst'), A);
  writeFileSync(join(drops, 'other', 'METADATA.json'), JSON.stringify({ version: 3, base: ['x.sst'] }));
  metadata('nonsense');
  appendFileSync(join(drops, 'stray'), 'a file beside the datasets');
  await watch.check();
  expect(watch.status().map(({ name, state }) => [name, state])).toEqual([
    ['feats', 'failed'],
    ['other', 'live'],
  ]);
  expect(db.dataset('feats').current).toBe(1);
});

test('a watch that ended in the middle goes on after a reopen with what is kept', async () => {
  const { dir, db, drops, file, metadata } = await place();
  await file('base.sst', A);
  metadata({ version: 1, base: ['base.sst'] });
  await using first = db.watchDatasets(drops, { pollMs: 1 });
  await expect.poll(() => db.dataset('feats').current).toBe(1);
  await first.close();
  expect(await outcomeOf(() => first.check())).toBe('CLOSED');
  // As a watch leaves it that was cut off before the last delta.
  await file('d2.sst', [['b', '2']]);
  await file('d3.sst', [['b', '3']]);
  const path = (name: string): string => join(drops, 'feats', name);
  await db.dataset('feats').publish(path('d2.sst'), { kind: 'delta', on: 1, activate: false, version: 2 });
  expect(await live(db)).toEqual(A);
  rmSync(path('base.sst'));
  rmSync(path('d2.sst'));
  const deltas = [2, 3].map((version) => ({ version, files: [`d${version}.sst`] }));
  metadata({ version: 3, base: ['base.sst'], deltas });
  await db.close();
  const again = await openDatabase(join(dir, 'db'), { env: POLLED });
  const second = again.watchDatasets(drops, { pollMs: NEVER_MS, keepVersions: 2 });
  await second.check();
  expect(await live(again)).toEqual([
    ['a', '1'],
    ['b', '3'],
  ]);
  expect(
    again
      .dataset('feats')
      .versions()
      .map(({ version }) => version),
  ).toEqual([2, 3]);
  await again.close();
  expect(await outcomeOf(() => second.check())).toBe('CLOSED');
});

test('sluice dataset watch --once', async () => {
  const { dir, db, drops, file, metadata } = await place();
  await db.close();
  await file('base.sst', A);
  metadata({ version: 4, base: ['base.sst'] });
  const path = join(dir, 'db');
  const once = () => sluice(['dataset', 'watch', path, drops, '--once']);
  expect(await once()).toEqual({
    code: 0,
    out: 'feats: version 4 loading\nfeats: version 4 live\n',
    err: '',
  });
  expect((await sluice(['scan', path, '--keyspace', 'feats'])).out).toBe('a\t1\nb\t1\n');
  metadata({ version: 5, base: ['absent.sst'] });
  expect(await once()).toEqual({ code: 1, out: 'feats: version 5 waiting, missing: absent.sst\n', err: '' });
});

test('a hidden version conflicts with nobody until it is live', async () => {
  const { db, drops, file } = await place();
  const feats = db.dataset('feats');
  await file('base.sst', A);
  const path = join(drops, 'feats', 'base.sst');
  await feats.publish(path);
  const txn = db.begin();
  await txn.keyspace('feats').get('a');
  txn.put('x', '1');
  const hidden = await feats.publish(path, { activate: false });
  expect(hidden).toMatchObject({ version: 2, live: false });
  expect(feats.current).toBe(1);
  await txn.commit();
  const late = db.begin();
  await late.keyspace('feats').get('a');
  late.put('x', '2');
  await feats.activate(2);
  expect(await outcomeOf(() => late.commit())).toBe('CONFLICT');
  expect(await outcomeOf(() => feats.publish(path, { kind: 'delta', on: 1 }))).toMatch(/options.on/);
  expect(await outcomeOf(() => feats.publish(path, { kind: 'delta', on: 9, activate: false }))).toBe(
    'DATASET_VERSION_NOT_FOUND',
  );
});

test('the file system tells of a drop: it is live long before the next poll', async () => {
  const { db, drops, file, metadata } = await place(nodeEnv);
  await using watch = db.watchDatasets(drops, { pollMs: NEVER_MS });
  await watch.check();
  const took: number[] = [];
  const isLive = (version: number) => () => expect(db.dataset('feats').current).toBe(version);
  for (let version = 1; version <= 5; version++) {
    await file(`sub/${version}.sst`, [['k', String(version)]]);
    metadata({ version, base: [`sub/${version}.sst`] });
    const started = performance.now();
    await vi.waitFor(isLive(version), { timeout: 60_000, interval: 1 });
    took.push(performance.now() - started);
  }
  // METADATA.json first, and its file later, in a directory that is new; then another dataset.
  metadata({ version: 6, base: ['new/6.sst'] });
  await vi.waitFor(() => expect(watch.status()).toMatchObject([{ version: 6, state: 'waiting' }]), 60_000);
  mkdirSync(join(drops, 'feats', 'new'));
  await file('new/6.sst', A);
  await vi.waitFor(isLive(6), 60_000);
  mkdirSync(join(drops, 'other'));
  await writeSst(join(drops, 'other', 'x.sst'), A);
  writeFileSync(join(drops, 'other', 'METADATA.json'), JSON.stringify({ version: 3, base: ['x.sst'] }));
  await vi.waitFor(() => expect(db.dataset('other').current).toBe(3), 60_000);
  process.stdout.write(`from METADATA.json to live: ${took.map((ms) => ms.toFixed(0)).join(', ')} ms\n`);
});

test('where the file system tells nothing, or no more, the directory is polled', async () => {
  const listeners: DirectoryListener[] = [];
  let stopped = 0;
  const tellTale: Env = {
    ...POLLED,
    watch: async (_dir, listener) => {
      listeners.push(listener);
      return listeners.length === 1 ? async () => void stopped++ : undefined;
    },
  };
  const { db, drops, file, metadata } = await place(tellTale);
  const drop = async (version: number): Promise<void> => {
    await file(`${version}.sst`, [['k', String(version)]]);
    metadata({ version, base: [`${version}.sst`] });
  };
  const watch = db.watchDatasets(drops, { pollMs: 20 });
  await watch.check();
  await drop(1);
  await vi.waitFor(() => expect(db.dataset('feats').current).toBe(1), 60_000);
  // Told of, it is asked less often.
  listeners[0]?.onHint();
  await drop(2);
  listeners[0]?.onHint();
  await vi.waitFor(() => expect(db.dataset('feats').current).toBe(2), 60_000);
  listeners[0]?.onEnd(new Error('no watches are left'));
  await drop(3);
  await vi.waitFor(() => expect(db.dataset('feats').current).toBe(3), 60_000);
  await watch.close();
  expect(stopped).toBe(1);
  await using second = db.watchDatasets(drops, { pollMs: 20 });
  await second.check();
  await drop(4);
  await vi.waitFor(() => expect(db.dataset('feats').current).toBe(4), 60_000);
  expect(listeners.length).toBe(2);
  // statfs(2) has them as signed numbers, too.
  expect([0x6969, 0xff534d42, 0xff534d42 | 0, 0x65735546, 0xef53, 0x01021994].map(isRemote)).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
});
