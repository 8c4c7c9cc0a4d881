import { readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError, SluiceError } from '../../src/base/errors.ts';
import { MemoryLog } from '../../src/cluster/log/memory-log.ts';
import type { LogEntry } from '../../src/cluster/log/shared-log.ts';
import { envOf, outcomeOf } from '../base/database.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { writeSst } from '../base/sst-files.ts';
import { sameOnAll } from './entries.ts';
import { everythingOf } from './everything.ts';
import { ALL_KEPT, threeNodes, until } from './nodes.ts';
import { StuckLog } from './stuck-log.ts';

test('an append whose answer is lost commits once, one that is refused is made again', async () => {
  const { cluster, a, b } = await threeNodes(ALL_KEPT);
  const faults = ['lose-answer', 'lose-answer', 'refuse', 'lose-answer'] as const;
  let n = 0;
  await a.put('n', '0');
  cluster.log.fault = () => faults[n++];
  const before = a.version;
  const add = (txn: {
    get(key: string): Promise<string | undefined>;
    put(key: string, value: string): void;
  }) => txn.get('n').then((value) => txn.put('n', String(Number(value) + 1)));
  await a.transaction(add);
  await a.transaction(add);
  expect(n).toBeGreaterThan(faults.length);
  expect(a.version).toBe(before + 2);
  await b.caughtUp();
  expect(await b.get('n')).toBe('2');
  expect(await everythingOf(b)).toEqual(await everythingOf(a));
});

test('a commit that the log does not answer in time has an unknown outcome; later ones go on', async () => {
  const { cluster, b } = await threeNodes();
  await cluster.stop('a');
  const a = await cluster.open('a', { commitTimeoutMs: 20 });
  cluster.log.fault = (node) => (node === 'a' ? 'refuse' : undefined);
  expect(await outcomeOf(() => a.put('k', '1'))).toBe('OUTCOME_UNKNOWN');
  await b.put('k', '2');
  cluster.log.fault = () => undefined;
  await until('a commits again', async () => (await outcomeOf(() => a.put('l', '3'))) === 'ok');
  await b.caughtUp();
  expect(await b.getMany(['k', 'l'])).toEqual(['2', '3']);
});

test('what the log refuses was not committed, and is said so', async () => {
  const { cluster, b } = await threeNodes();
  await cluster.stop('a');
  const log = new MemoryLog(cluster.log, 'a');
  const append = log.append.bind(log);
  log.append = () => Promise.reject(new SluiceError('NO_SPACE', 'the log is full'));
  const a = await cluster.open('a', { log });
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  expect(await outcomeOf(() => a.put('k', '1'))).toBe('NO_SPACE');
  expect(await outcomeOf(() => a.ingest(path))).toBe('NO_SPACE');
  log.append = append;
  await a.put('l', '1');
  expect(await b.getMany(['k', 'l', 'f'], { linearizable: true })).toEqual([undefined, '1', undefined]);
});

test('what was not given to the log in time was never made; what was may still come', async () => {
  const { cluster, b } = await threeNodes();
  await cluster.stop('a');
  const log = new StuckLog(cluster.log, 'a');
  const a = await cluster.open('a', { log, commitTimeoutMs: 50 });
  const first = outcomeOf(() => a.put('k', '1'));
  await until('it is being appended', () => log.given > 0);
  expect(await outcomeOf(() => a.put('never', '1'))).toBe('UNAVAILABLE');
  expect(await first).toBe('OUTCOME_UNKNOWN');
  log.let();
  await until('it has come', async () => (await b.get('k')) === '1');
  await until('a commits again', async () => (await outcomeOf(() => a.put('l', '1'))) === 'ok');
  await b.caughtUp();
  expect(await b.get('never')).toBe(undefined);
});

test('a commit that is aborted was never made, unless it was given to the log; a read that is aborted ends', async () => {
  const { cluster, b } = await threeNodes();
  await cluster.stop('a');
  const log = new StuckLog(cluster.log, 'a');
  const a = await cluster.open('a', { log });
  const [given, never, late] = [new AbortController(), new AbortController(), new AbortController()];
  const put = (key: string, { signal }: AbortController) =>
    outcomeOf(() => a.transaction((txn) => txn.put(key, '1'), { signal }));
  const first = put('given', given);
  await until('it is being appended', () => log.given > 0);
  const second = put('never', never);
  await until('both wait', async () => (await a.status()).pendingCommits === 2);
  never.abort();
  expect(await second).toBe('ABORTED');
  given.abort();
  expect(await first).toBe('OUTCOME_UNKNOWN');
  log.let();
  await until('it has come', async () => (await b.get('given')) === '1');
  // A node that waits for a file has not applied what the log has.
  cluster.exchange.cut.add('memory:a');
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  await b.ingest(path);
  const [read, committed] = [
    outcomeOf(() => a.get('f', { linearizable: true, signal: late.signal })),
    put('late', late),
  ];
  await until('a waits', async () => (await a.status()).condition === 'lagging');
  await until('it is in the log', async () => (await b.get('late')) === '1');
  late.abort();
  expect([await read, await committed]).toEqual(['ABORTED', 'OUTCOME_UNKNOWN']);
  cluster.exchange.cut.clear();
  await a.caughtUp();
  expect(await a.getMany(['given', 'never', 'late', 'f'])).toEqual(['1', undefined, '1', '1']);
});

test('who commits on a node that lags is told in time that the outcome is not known; it is what it is', async () => {
  const { cluster, a, b } = await threeNodes(ALL_KEPT);
  await cluster.stop('c');
  const c = await cluster.open('c', { commitTimeoutMs: 200 });
  cluster.exchange.cut.add('memory:c');
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  await a.ingest(path);
  await until('c waits', async () => (await c.status()).condition === 'lagging');
  await expect(c.put('k', '1')).rejects.toMatchObject({
    code: 'OUTCOME_UNKNOWN',
    cause: { code: 'UNAVAILABLE', message: expect.stringMatching(/not applied it within 200 ms: it lags/) },
  });
  await b.caughtUp();
  expect(await b.get('k')).toBe('1');
  expect(await c.get('k')).toBe(undefined);
  cluster.exchange.cut.clear();
  await sameOnAll([a, b, c]);
});

test('a transaction whose snapshot lies behind the horizon is refused by all alike, and run again', async () => {
  const { a, b, c } = await threeNodes({ ...ALL_KEPT, windowVersions: 16 });
  await a.put('k', '1');
  const [old, fresh] = [a.begin(), a.begin()];
  await old.get('k');
  old.put('old', '1');
  fresh.put('blind', '1');
  for (let i = 0; i < 17; i++) await b.put(`x${i}`, '1');
  expect(await outcomeOf(() => old.commit())).toBe('TOO_OLD');
  expect(await outcomeOf(() => fresh.commit())).toBe('ok');
  let attempts = 0;
  await a.transaction(async (txn) => {
    attempts++;
    await txn.get('k');
    txn.put('again', '1');
    if (attempts === 1) for (let i = 0; i < 17; i++) await b.put(`y${i}`, '1');
  });
  expect(attempts).toBe(2);
  await sameOnAll([a, b, c]);
});

test('a replica whose disk is full halts at what it has, is read on, and goes on when it is opened again', async () => {
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const { cluster, a, b } = await threeNodes(ALL_KEPT);
  await cluster.stop('c');
  const c = await cluster.open('c', { env: envOf(fs) });
  const version = await a.put('k', 'before');
  await c.caughtUp();
  fs.fail({ op: 'write', path: /\.wal$/, errno: 'ENOSPC', times: 1 });
  await Promise.all([a.put('k', 'lost on c'), b.put('l', 'lost on c')]);
  await until('c has halted', async () => (await c.status()).condition === 'halted');
  expect([c.version, await c.get('k'), await c.get('l')]).toEqual([version, 'before', undefined]);
  expect(await outcomeOf(() => c.put('k', 'x'))).toBe('HALTED');
  expect(await outcomeOf(() => c.caughtUp())).toBe('HALTED');
  await a.put('k', 'after');
  await until('the others know', async () =>
    (await a.status()).members.some(({ node, condition }) => node === 'c' && condition === 'halted'),
  );
  await cluster.stop('c');
  const again = await cluster.open('c');
  await Promise.all([again.caughtUp(), a.caughtUp()]);
  expect(await everythingOf(again)).toEqual(await everythingOf(a));
});

test('a replica whose manifest cannot be written halts before the commit, with no hole', async () => {
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const { cluster, a, b } = await threeNodes(ALL_KEPT);
  await cluster.stop('c');
  const c = await cluster.open('c', { env: envOf(fs) });
  const version = await a.put('k', 'before');
  await c.caughtUp();
  fs.freeBytes = 0;
  await b.deleteRange({ gte: 'k' });
  await a.put('k', 'after');
  await until('c has halted', async () => (await c.status()).condition === 'halted');
  expect([c.version, await c.get('k')]).toEqual([version, 'before']);
  await cluster.stop('c');
  const again = await cluster.open('c');
  await again.caughtUp();
  expect(await everythingOf(again)).toEqual(await everythingOf(a));
});

test('a replica whose log cannot be made durable halts, though nothing more comes that it could not apply', async () => {
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const { cluster, a } = await threeNodes();
  await cluster.stop('c');
  const c = await cluster.open('c', { env: envOf(fs), announceMs: 5 });
  fs.fail({ op: 'datasync', path: /\.wal$/, errno: 'EIO', times: 1 });
  await a.put('k', '1');
  await until('c has halted', async () => (await c.status()).condition === 'halted');
  await until('the others know', async () =>
    (await a.status()).members.some(({ node, condition }) => node === 'c' && condition === 'halted'),
  );
});

/** A node for which one bit of what the log says is another. */
class LyingLog extends MemoryLog {
  override async *read(after: number, signal: AbortSignal): AsyncGenerator<LogEntry> {
    for await (const entry of super.read(after, signal)) {
      const bytes = Uint8Array.from(entry.bytes);
      const at = Buffer.from(bytes).indexOf('truth');
      if (at >= 0) bytes.set(Buffer.from('fraud'), at);
      yield { ...entry, bytes };
    }
  }
}

test('a replica that has something else than the others stops and says so; made anew it is right', async () => {
  const { cluster, a, b } = await threeNodes();
  await cluster.stop('c');
  const c = await cluster.open('c', { log: new LyingLog(cluster.log, 'c') });
  await a.put('k', 'truth');
  await until('c has halted', async () => (await c.status()).condition === 'halted');
  expect((await c.status()).error).toMatch(/not the same commits as (a|b|a, b) at.*sluice cluster repair/);
  try {
    await c.put('x', '1');
  } catch (error) {
    expect(isSluiceError(error, 'HALTED') && isSluiceError(error.cause, 'DIVERGED')).toBe(true);
  }
  await b.put('l', '1');
  expect([(await a.status()).condition, (await b.status()).condition]).toEqual(['running', 'running']);
  await cluster.stop('c');
});

/** A node that is told of entries only once it may be. */
class GatedLog extends MemoryLog {
  open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });

  override async *read(after: number, signal: AbortSignal): AsyncGenerator<LogEntry> {
    for await (const entry of super.read(after, signal)) {
      await this.#opened;
      yield entry;
    }
  }
}

for (const [what, harm] of [
  ['gone', (path: string) => rmSync(path)],
  ['cut short', (path: string) => truncateSync(path, 100)],
] as const) {
  test(`an original that is ${what} when its record comes is fetched from another node`, async () => {
    const { cluster, a, b } = await threeNodes(ALL_KEPT);
    await cluster.stop('c');
    const log = new GatedLog(cluster.log, 'c');
    const c = await cluster.open('c', { log });
    const path = join(cluster.dir, 'in.sst');
    const { sha256 } = await writeSst(path, [['f', '1']]);
    await a.ingest(path);
    const held = join(cluster.dirOf('c'), 'cluster', 'files', sha256);
    await until('c holds it', () => cluster.log.files.get(sha256)?.has('c') === true);
    harm(held);
    log.open();
    await sameOnAll([a, b, c]);
    expect([await c.get('f'), (await c.status()).condition]).toEqual(['1', 'running']);
    expect(readFileSync(held)).toEqual(readFileSync(path));
  });
}

test('a node that is cut off from the log reads what it has, and catches up', async () => {
  const { cluster, a, b } = await threeNodes();
  const version = await a.put('k', '1');
  await b.caughtUp();
  cluster.log.cut('b');
  await a.put('k', '2');
  expect([b.version, await b.get('k')]).toEqual([version, '1']);
  expect(await outcomeOf(() => b.caughtUp())).toBe('UNAVAILABLE');
  cluster.log.reconnect('b');
  await b.caughtUp();
  expect(await b.get('k')).toBe('2');
});
