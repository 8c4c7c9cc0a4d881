/** Wrong arguments: a TypeError that names the argument, a rejection where a promise is promised, and nothing is changed. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { MemoryLog } from '../../src/cluster/log/memory-log.ts';
import { openCluster } from '../../src/cluster/open-cluster.ts';
import { open, SstWriter } from '../../src/index.ts';
import { memoryDirectory, type TextDb } from '../base/database.ts';
import { numbered, writeSst } from '../base/sst-files.ts';
import { TestCluster } from '../cluster/nodes.ts';
import { DATABASES } from './databases.ts';

/** Methods as JavaScript sees them. */
type Untyped = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** [method, arguments, what the message must name] */
type Case = readonly [method: string, args: readonly unknown[], named: RegExp];

const untyped = (object: object): Untyped => object as Untyped;

/** Calls as JavaScript would, so that a synchronous throw of a method that returns a promise shows. */
async function expectTypeError(
  object: object,
  [method, args, named]: Case,
  promised: boolean,
): Promise<void> {
  const what = `${method}(${args.map((arg) => describeArgument(arg)).join(', ')})`;
  let error: unknown;
  let thrown = true;
  try {
    const returned = untyped(object)[method]?.(...args);
    thrown = false;
    await returned;
  } catch (reason) {
    error = reason;
  }
  expect(error, `${what} is taken`).toBeInstanceOf(TypeError);
  expect((error as TypeError).message, what).toMatch(named);
  expect(thrown, `${what} ${thrown ? 'throws' : 'rejects'}`).toBe(!promised);
}

function describeArgument(arg: unknown): string {
  return inspect(arg, { depth: 0 });
}

const NO_BYTES = [undefined, null, 1, {}, ['a'], true, new Uint16Array(1)];
const NO_OBJECT = [null, 'text', 7, true];
const NO_ENCODING = ['UTF8', 'hex', 1, {}];
const NO_SIGNAL = [true, {}, new AbortController()];

const readOptions: readonly [unknown, RegExp][] = [
  ...NO_OBJECT.map((options): [unknown, RegExp] => [options, /^options must be an object/]),
  ...NO_ENCODING.map((keyEncoding): [unknown, RegExp] => [{ keyEncoding }, /^options\.keyEncoding/]),
  ...NO_ENCODING.map((valueEncoding): [unknown, RegExp] => [{ valueEncoding }, /^options\.valueEncoding/]),
  ...NO_SIGNAL.map((signal): [unknown, RegExp] => [{ signal }, /^options\.signal/]),
  [{ snapshot: {} }, /^options\.snapshot/],
];
const writeOptions = readOptions.filter(([, named]) => /must be|keyEncoding/.test(named.source));

const iteratorOptions: readonly [unknown, RegExp][] = [
  ...readOptions,
  ...['gt', 'gte', 'lt', 'lte'].flatMap((bound) =>
    [1, {}, null].map((value): [unknown, RegExp] => [{ [bound]: value }, new RegExp(`^options\\.${bound} `)]),
  ),
  ...[-2, 1.5, '3', Number.NaN].map((limit): [unknown, RegExp] => [{ limit }, /^options\.limit/]),
  ...[1, 'yes', null].map((reverse): [unknown, RegExp] => [{ reverse }, /^options\.reverse/]),
];

const READS: readonly Case[] = [
  ...['get', 'has'].flatMap((method): Case[] => [
    ...NO_BYTES.map((key): Case => [method, [key], /^key must be/]),
    ...readOptions.map(([options, named]): Case => [method, ['k', options], named]),
  ]),
  ...NO_BYTES.map((keys): Case => ['getMany', [Array.isArray(keys) ? 'k' : keys], /^keys must be an array/]),
  ['getMany', [['k', 1]], /^each of keys|^key must be/],
  ...readOptions.map(([options, named]): Case => ['getMany', [['k'], options], named]),
];
const SYNC_READS: readonly Case[] = [
  ...NO_BYTES.map((key): Case => ['getSync', [key], /^key must be/]),
  ...readOptions.map(([options, named]): Case => ['getSync', ['k', options], named]),
  ...['iterator', 'keys', 'values', 'cursor'].flatMap((method) =>
    iteratorOptions.map(([options, named]): Case => [method, [options], named]),
  ),
];
const WRITES: readonly Case[] = [
  ...NO_BYTES.map((key): Case => ['put', [key, 'v'], /^key must be/]),
  ...NO_BYTES.map((value): Case => ['put', ['k', value], /^value must be/]),
  ...NO_BYTES.map((key): Case => ['del', [key], /^key must be/]),
  ...writeOptions.map(([options, named]): Case => ['put', ['k', 'v', options], named]),
  ...writeOptions.map(([options, named]): Case => ['del', ['k', options], named]),
];
const BATCHES: readonly Case[] = [
  ...NO_BYTES.map(
    (operations): Case => ['batch', [Array.isArray(operations) ? 'k' : operations], /^operations/],
  ),
  ...[null, 'put', 1].map((operation): Case => ['batch', [[operation]], /^operation must be an object/]),
  ['batch', [[{ type: 'move', key: 'k' }]], /^operation\.type/],
  ['batch', [[{ key: 'k' }]], /^operation\.type/],
  ['batch', [[{ type: 'put', key: 'k' }]], /value must be/],
  ['batch', [[{ type: 'put', key: 1, value: 'v' }]], /key must be/],
  ['batch', [[{ type: 'put', key: 'k', value: 'v', keyspace: 1 }]], /^operation\.keyspace/],
  ['batch', [[{ type: 'put', key: 'k', value: 'v', keyEncoding: 'x' }]], /keyEncoding/],
  ...writeOptions.map(([options, named]): Case => ['batch', [[{ type: 'del', key: 'k' }], options], named]),
  ...writeOptions.map(([options, named]): Case => ['batch', [[], options], named]),
];
const INGESTS: readonly Case[] = ['ingest', 'explainIngest'].flatMap((method): Case[] => [
  ...[undefined, null, 1, '', [], [1], ['']].map((files): Case => [method, [files], /files/]),
  ...NO_OBJECT.map((options): Case => [method, ['FILE', options], /^options must be an object/]),
  ...[1, '', {}].map((into): Case => [method, ['FILE', { into }], /^options\.into/]),
  ...['cut', 1, null].map((mode): Case => [method, ['FILE', { mode }], /^options\.mode/]),
  ...['all', 1].map((verify): Case => [method, ['FILE', { verify }], /^options\.verify/]),
  ...['0', [], ['0'], ['A'.repeat(64)]].map(
    (sha256): Case => [method, ['FILE', { sha256 }], /options\.sha256/],
  ),
  ...[1, ''].map((id): Case => [method, ['FILE', { id }], /^options\.id/]),
  ...NO_SIGNAL.map((signal): Case => [method, ['FILE', { signal }], /^options\.signal/]),
  [method, ['FILE', { onProgress: 1 }], /^options\.onProgress/],
  ...[false, null, 'all'].map((replace): Case => [method, ['FILE', { replace }], /^options\.replace/]),
  ...[1, null].map((flag): Case => [method, ['FILE', { behind: flag }], /^options\.behind/]),
  ...['skip', null].map((ifExists): Case => [method, ['FILE', { ifExists }], /^options\.ifExists/]),
  ...[1, null].map((flag): Case => [method, ['FILE', { requireBottom: flag }], /^options\.requireBottom/]),
  ...NO_OBJECT.map((maxImpact): Case => [method, ['FILE', { maxImpact }], /^options\.maxImpact/]),
  [method, ['FILE', { maxImpact: { level0Tables: -1 } }], /^options\.maxImpact\.level0Tables/],
]);
const DATABASE: readonly Case[] = [
  ...[undefined, null, {}, 'fn'].map((fn): Case => ['transaction', [fn], /^fn must be a function/]),
  ...NO_OBJECT.map((options): Case => ['transaction', [() => 0, options], /^options must be an object/]),
  ...[-1, 1.5, '1', null].map(
    (maxRetries): Case => ['transaction', [() => 0, { maxRetries }], /^options\.maxRetries/],
  ),
  ...NO_SIGNAL.map((signal): Case => ['transaction', [() => 0, { signal }], /^options\.signal/]),
  ...[1, 'no'].map((readOnly): Case => ['transaction', [() => 0, { readOnly }], /^options\.readOnly/]),
  ...[1, 'no'].map(
    (linearizable): Case => ['transaction', [() => 0, { linearizable }], /^options\.linearizable/],
  ),
  ...[undefined, 1, '', 'x'.repeat(2000)].map((name): Case => ['dropKeyspace', [name], /^name must/]),
  ['dropKeyspace', ['default'], /default keyspace/],
  ...NO_OBJECT.map((options): Case => ['verify', [options], /^options must be an object/]),
  ['verify', [{ full: 1 }], /^options\.full/],
  ['verify', [{ onProgress: 1 }], /^options\.onProgress/],
  ...NO_SIGNAL.map((signal): Case => ['verify', [{ signal }], /^options\.signal/]),
];
const SYNC_DATABASE: readonly Case[] = [
  ...NO_OBJECT.map((options): Case => ['begin', [options], /^options must be an object/]),
  ...[1, 'no', null].map((readOnly): Case => ['begin', [{ readOnly }], /^options\.readOnly/]),
  ...[undefined, null, 1, {}, '', 'x'.repeat(2000)].map(
    (name): Case => ['keyspace', [name], /^(name|keyspace) must/],
  ),
  ...NO_OBJECT.map((options): Case => ['keyspace', ['new', options], /^options must be an object/]),
  ...NO_ENCODING.map((keyEncoding): Case => ['keyspace', ['new', { keyEncoding }], /^options\.keyEncoding/]),
  ...NO_ENCODING.map(
    (valueEncoding): Case => ['keyspace', ['new', { valueEncoding }], /^options\.valueEncoding/],
  ),
];

function withFile([method, args, named]: Case, file: string): Case {
  return [method, args.map((arg) => (arg === 'FILE' ? file : arg)), named];
}

describe.each(DATABASES)('wrong arguments of $name:', ({ openers }) => {
  const { openDatabase, nodesOf } = openers();

  async function fixture(): Promise<{ db: TextDb; file: string }> {
    const dir = memoryDirectory();
    const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
    await db.put('k', 'v');
    return { db, file: (await writeSst(join(dir, 'in.sst'), numbered(0, 3))).path };
  }

  async function expectUntouched(db: TextDb, file: string): Promise<void> {
    expect(await db.iterator().all()).toEqual([['k', 'v']]);
    expect(db.keyspaces()).toEqual(['default']);
    for (const node of nodesOf(db)) expect(node.stats().snapshots.open).toBe(0);
    expect(existsSync(file)).toBe(true);
  }

  test('a database', async () => {
    const { db, file } = await fixture();
    for (const bad of [...READS, ...WRITES, ...BATCHES, ...INGESTS, ...DATABASE]) {
      await expectTypeError(db, withFile(bad, file), true);
    }
    for (const bad of [...SYNC_READS, ...SYNC_DATABASE]) await expectTypeError(db, bad, false);
    await expectUntouched(db, file);
  });

  test('a keyspace', async () => {
    const { db, file } = await fixture();
    const keyspace = db.keyspace('default');
    for (const bad of [...READS, ...WRITES, ...BATCHES]) await expectTypeError(keyspace, bad, true);
    for (const bad of SYNC_READS) await expectTypeError(keyspace, bad, false);
    await expectUntouched(db, file);
  });

  test('a transaction and its keyspaces, which go on', async () => {
    const { db, file } = await fixture();
    const txn = db.begin();
    for (const target of [txn, txn.keyspace('default')]) {
      for (const bad of READS) await expectTypeError(target, bad, true);
      for (const bad of [...SYNC_READS, ...WRITES]) await expectTypeError(target, bad, false);
    }
    for (const bad of INGESTS) if (bad[0] === 'ingest') await expectTypeError(txn, withFile(bad, file), true);
    for (const bad of SYNC_DATABASE) if (bad[0] === 'keyspace') await expectTypeError(txn, bad, false);
    const other = db.begin();
    for (const savepoint of [undefined, null, {}, 0, other.savepoint()]) {
      await expectTypeError(txn, ['rollbackTo', [savepoint], /^savepoint must/], false);
    }
    other.abort();
    const snapshot = db.snapshot();
    await expectTypeError(txn, ['get', ['k', { snapshot }], /^options\.snapshot/], true);
    snapshot.close();
    txn.put('l', 'w');
    await txn.commit();
    expect(await db.iterator().all()).toEqual([
      ['k', 'v'],
      ['l', 'w'],
    ]);
  });

  test('an iterator', async () => {
    const { db } = await fixture();
    await using iterator = db.iterator();
    for (const size of [undefined, 0, -1, 1.5, '2']) {
      await expectTypeError(iterator, ['nextv', [size], /^size must be/], true);
    }
    for (const key of NO_BYTES) await expectTypeError(iterator, ['seek', [key], /^key must be/], false);
    expect(await iterator.all()).toEqual([['k', 'v']]);
  });

  test('a cursor', async () => {
    const { db } = await fixture();
    await using cursor = db.cursor();
    for (const entries of [0, -1, 1.5, '2', null]) {
      await expectTypeError(cursor, ['nextBatch', [entries], /^entries must be/], true);
      await expectTypeError(cursor, ['nextBatchSync', [entries], /^entries must be/], false);
    }
    for (const key of NO_BYTES) await expectTypeError(cursor, ['seek', [key], /^key must be/], false);
    await expectTypeError(db, ['cursor', [{ values: 1 }], /^options\.values/], false);
    expect((await cursor.nextBatch())?.count).toBe(1);
  });
});

describe('wrong arguments of', () => {
  test('open', async () => {
    const dir = join(memoryDirectory(), 'db');
    const cases: readonly Case[] = [
      ...[undefined, null, 1, ''].map((path): Case => ['open', [path], /^dir must be/]),
      ...NO_OBJECT.map((options): Case => ['open', [dir, options], /^options must be an object/]),
      ...['readOnly', 'createIfMissing', 'errorIfExists'].flatMap((name) =>
        [1, 'no', null].map(
          (value): Case => ['open', [dir, { [name]: value }], new RegExp(`^options\\.${name}`)],
        ),
      ),
      ...['memtableBytes', 'blockCacheBytes', 'blockBytes', 'filterBitsPerKey', 'maxOpenTables'].flatMap(
        (name) =>
          [-1, 1.5, '4096', 2 ** 60, null].map(
            (value): Case => ['open', [dir, { [name]: value }], new RegExp(`^options\\.${name}`)],
          ),
      ),
      ['open', [dir, { conflictWindowBytes: 1 }], /^options\.conflictWindowBytes/],
      ['open', [dir, { durability: 'none' }], /^options\.durability/],
      ['open', [dir, { compression: 'gzip' }], /^options\.compression/],
      ...NO_ENCODING.map((keyEncoding): Case => ['open', [dir, { keyEncoding }], /^options\.keyEncoding/]),
      ...NO_ENCODING.map(
        (valueEncoding): Case => ['open', [dir, { valueEncoding }], /^options\.valueEncoding/],
      ),
      ...[1, {}, 'console'].map((logger): Case => ['open', [dir, { logger }], /^options\.logger/]),
    ];
    for (const bad of cases) await expectTypeError({ open }, bad, true);
    expect(existsSync(dir)).toBe(false);
  });

  test("openCluster, before anything is made, or asked of the log: those of open, and a node's own", async () => {
    const cluster = new TestCluster(memoryDirectory());
    const [dir, log] = [cluster.dirOf('a'), new MemoryLog(cluster.log, 'a')];
    const given = { dir, node: 'a', log, files: cluster.exchange.opener('a') };
    const wrong: readonly (readonly [string, readonly unknown[]])[] = [
      ['dir', [undefined, null, 1, '']],
      ['node', [undefined, 1, '', 'a/b', 'a'.repeat(65)]],
      ['log', [undefined, null, {}]],
      ['files', [undefined, null, {}]],
      ['replicas', [0, 1.5, '3', 101]],
      ['windowVersions', [0, 15, '64', 10_000_001]],
      ['commitTimeoutMs', [0, '1', 2 ** 31]],
      ['announceMs', [0, '1', 60_001]],
      ['memtableBytes', [-1, '4096']],
      ['durability', ['none', null]],
      ['keyEncoding', NO_ENCODING],
      ['logger', ['console']],
      ['readOnly', [true, false]],
      ['createIfMissing', [true, false]],
      ['errorIfExists', [true, false]],
      ['conflictWindowBytes', [1 << 20]],
    ];
    for (const options of NO_OBJECT)
      await expectTypeError({ openCluster }, ['openCluster', [options], /^options must be an object/], true);
    for (const [name, values] of wrong)
      for (const value of values) {
        const bad: Case = ['openCluster', [{ ...given, [name]: value }], new RegExp(`^options\\.${name} `)];
        await expectTypeError({ openCluster }, bad, true);
      }
    expect(existsSync(dir)).toBe(false);
    expect(cluster.log.config).toBeUndefined();
    expect(cluster.log.members.size).toBe(0);
  });

  test('a writer of files', async () => {
    const path = join(memoryDirectory(), 'a.sst');
    const make = (...args: unknown[]): unknown => Reflect.construct(SstWriter, args);
    const cases: readonly Case[] = [
      ...[undefined, null, 1, ''].map((wrong): Case => ['make', [wrong], /^path must be/]),
      ...NO_OBJECT.map((options): Case => ['make', [path, options], /^options must be an object/]),
      ['make', [path, { compression: 'gzip' }], /^options\.compression/],
      ...[0, 1.5, '64'].map((blockBytes): Case => ['make', [path, { blockBytes }], /^options\.blockBytes/]),
      ...[-1, 1.5, '10'].map(
        (filterBitsPerKey): Case => ['make', [path, { filterBitsPerKey }], /^options\.filterBitsPerKey/],
      ),
      ...NO_ENCODING.map((keyEncoding): Case => ['make', [path, { keyEncoding }], /^options\.keyEncoding/]),
      ...NO_ENCODING.map(
        (valueEncoding): Case => ['make', [path, { valueEncoding }], /^options\.valueEncoding/],
      ),
    ];
    for (const bad of cases) await expectTypeError({ make }, bad, false);
    expect(existsSync(path)).toBe(false);
    await using writer = new SstWriter(path);
    for (const key of NO_BYTES) {
      await expectTypeError(writer, ['put', [key, 'v'], /^key must be/], false);
      await expectTypeError(writer, ['put', ['k', key], /^value must be/], false);
      await expectTypeError(writer, ['del', [key], /^key must be/], false);
    }
    writer.put('k', 'v');
    expect(await writer.finish()).toMatchObject({ entries: 1 });
  });
});
