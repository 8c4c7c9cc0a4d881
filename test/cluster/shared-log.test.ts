/** What a shared log must do with entries: append once, in one order; read from anywhere; trim. */

import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { ENTRY_BYTES_MAX, type SharedLog } from '../../src/cluster/log/shared-log.ts';
import { appended, bytes, DIGESTS, id, LOGS, member, openLogs, SETTINGS, take, text } from './logs.ts';

describe.each(LOGS)('entries of $name', (implementation) => {
  const open = openLogs(implementation);

  describe('append', () => {
    test('gives ascending revisions, and what was appended is read in that order by all', async () => {
      const [a, b] = await open.two();
      const revisions: number[] = [];
      for (let n = 0; n < 10; n++) revisions.push(await appended(n % 2 === 0 ? a : b, n, `entry ${n}`));
      expect(revisions).toEqual([...new Set(revisions)].sort((x, y) => x - y));
      for (const log of [a, b]) {
        const entries = await take(log, 0, 10);
        expect(entries.map(({ revision }) => revision)).toEqual(revisions);
        expect(entries.map(text)).toEqual(Array.from({ length: 10 }, (_, n) => `entry ${n}`));
        expect(entries.map((entry) => entry.id)).toEqual(Array.from({ length: 10 }, (_, n) => id(n)));
      }
    });

    test('at once by two nodes gives one order', async () => {
      const [a, b] = await open.two();
      const all = await Promise.all(
        Array.from({ length: 40 }, (_, n) => appended(n % 2 === 0 ? a : b, n, `entry ${n}`)),
      );
      const [first, second] = [await take(a, 0, 40), await take(b, 0, 40)];
      expect(first).toEqual(second);
      const byRevision = new Map(first.map((entry) => [entry.revision, text(entry)]));
      expect(all.map((revision) => byRevision.get(revision))).toEqual(all.map((_, n) => `entry ${n}`));
    });

    test('of an id that is there answers with the first, and keeps the first bytes', async () => {
      const [a, b] = await open.two();
      const first = await appended(a, 1, 'first');
      await appended(a, 2, 'second');
      expect(await appended(a, 1, 'again')).toBe(first);
      expect(await appended(b, 1, 'from another node')).toBe(first);
      expect((await take(b, 0, 2)).map(text)).toEqual(['first', 'second']);
      expect(await a.head()).toBeGreaterThan(first);
    });

    test('of one id many times at once writes it once', async () => {
      const [a, b] = await open.two();
      const revisions = await Promise.all(
        Array.from({ length: 12 }, (_, i) => appended(i % 2 === 0 ? a : b, 5, `try ${i}`)),
      );
      expect(new Set(revisions).size).toBe(1);
      await appended(a, 6, 'last');
      expect(await take(a, 0, 2)).toHaveLength(2);
    });

    test('takes entries of the greatest length, of no length and of any bytes', async () => {
      const log = await open.one();
      const large = new Uint8Array(ENTRY_BYTES_MAX - 32).map((_, i) => (i * 31) % 256);
      const contents = [large, new Uint8Array(0), Uint8Array.of(0, 255, 0)];
      for (const [n, content] of contents.entries())
        await log.append({ id: id(n), bytes: content, stagings: [] });
      const read = await take(log, 0, 3);
      expect(read.map(({ bytes: got }, n) => Buffer.compare(got, contents[n] ?? large))).toEqual([0, 0, 0]);
    });

    test('refuses one that is longer, and ids in another form', async () => {
      const log = await open.one();
      const tooLong = { id: id(1), bytes: new Uint8Array(ENTRY_BYTES_MAX - 31), stagings: [] };
      await expect(log.append(tooLong)).rejects.toThrow(TypeError);
      await expect(log.append({ id: 'x/y', bytes: bytes('x'), stagings: [] })).rejects.toThrow(TypeError);
      expect(await log.head()).toBe(0);
    });
  });

  describe('read', () => {
    test('from any position gives what comes after it, and follows', async () => {
      const [a, b] = await open.two();
      const revisions: number[] = [];
      for (let n = 0; n < 4; n++) revisions.push(await appended(a, n, `entry ${n}`));
      const [first = 0, , third = 0] = revisions;
      expect((await take(b, first, 3)).map(text)).toEqual(['entry 1', 'entry 2', 'entry 3']);
      const following = take(b, third, 3);
      for (let n = 4; n < 6; n++) await appended(a, n, `entry ${n}`);
      expect((await following).map(text)).toEqual(['entry 3', 'entry 4', 'entry 5']);
    });

    test('ends without an error when its signal fires, whether it waits or has not begun', async () => {
      const log = await open.one();
      await appended(log, 1, 'one');
      const ended = new AbortController();
      const seen: string[] = [];
      for await (const entry of log.read(0, ended.signal)) {
        seen.push(text(entry));
        ended.abort();
      }
      for await (const entry of log.read(0, AbortSignal.abort())) seen.push(text(entry));
      const waits = new AbortController();
      const waiting = (async () => {
        for await (const entry of log.read(await log.head(), waits.signal)) seen.push(text(entry));
      })();
      await nodeEnv.clock.turn();
      waits.abort();
      await waiting;
      expect(seen).toEqual(['one']);
    });

    test('by a slow reader misses nothing', async () => {
      const log = await open.one();
      const large = 'x'.repeat(200_000);
      for (let n = 0; n < 60; n++) await appended(log, n, `${n} ${large}`);
      const seen: string[] = [];
      for await (const entry of log.read(0, new AbortController().signal)) {
        if (seen.length % 10 === 0) await nodeEnv.clock.sleep(20);
        seen.push(text(entry).slice(0, text(entry).indexOf(' ')));
        if (seen.length === 60) break;
      }
      expect(seen).toEqual(Array.from({ length: 60 }, (_, n) => String(n)));
    });
  });

  describe('head', () => {
    test('is 0 of a log without entries, and then the revision of the newest, asked through any node', async () => {
      const [a, b] = await open.two();
      expect(await a.head()).toBe(0);
      const first = await appended(a, 1, 'one');
      expect([await a.head(), await b.head()]).toEqual([first, first]);
      const second = await appended(b, 2, 'two');
      expect([await a.head(), await b.head()]).toEqual([second, second]);
    });

    test('does not move with what is no entry', async () => {
      const [a, b] = await open.two();
      const first = await appended(a, 1, 'one');
      await a.announce(member('a'));
      await a.announceFile(DIGESTS[0] ?? '', 'a');
      await b.lease('trim', 'b');
      await a.trim(0);
      expect(await b.head()).toBe(first);
    });
  });

  describe('backlog', () => {
    const weighed = async (log: SharedLog, n: number, node: string, records: number, size: number) => {
      const weight = { node, records, bytes: size };
      const result = await log.append({ id: id(n), bytes: bytes('x'), stagings: [], weight });
      if ('missing' in result) throw new Error('no file was named');
      return result.revision;
    };

    test('tells what comes after a revision, whoever appended it, the same append twice once', async () => {
      const [a, b] = await open.two();
      expect(await a.backlog(0)).toEqual({ head: 0, records: 0, bytes: 0 });
      const first = await weighed(a, 1, 'a', 3, 100);
      const second = await weighed(b, 2, 'b', 1, 20);
      const third = await weighed(a, 3, 'a', 2, 7);
      expect(await weighed(a, 3, 'a', 2, 7)).toBe(third);
      for (const [after, records, size] of [
        [0, 6, 127],
        [first, 3, 27],
        [second, 2, 7],
        [third, 0, 0],
      ] as const)
        expect(await b.backlog(after)).toEqual({ head: third, records, bytes: size });
    });

    test('does not tell of what the log has forgotten', async () => {
      const [a] = await open.two();
      const revisions: number[] = [];
      for (let n = 1; n <= 3; n++) revisions.push(await weighed(a, n, 'a', 1, 10));
      const [first = 0, second = 0, third = 0] = revisions;
      await a.trim(second);
      expect(await a.backlog(first)).toEqual({ head: third });
      expect(await a.backlog(second)).toEqual({ head: third, records: 1, bytes: 10 });
    });
  });

  describe('trim', () => {
    test('forgets what is told, and no more', async () => {
      const [a, b] = await open.two();
      const revisions: number[] = [];
      for (let n = 0; n < 6; n++) revisions.push(await appended(a, n, `entry ${n}`));
      const [, , third = 0, fourth = 0] = revisions;
      expect(await a.trimmedThrough()).toBe(0);
      await a.trim(third);
      expect([await a.trimmedThrough(), await b.trimmedThrough()]).toEqual([third, third]);
      expect((await take(b, third, 3)).map(text)).toEqual(['entry 3', 'entry 4', 'entry 5']);
      expect((await take(b, fourth, 2)).map(text)).toEqual(['entry 4', 'entry 5']);
      for (const after of [0, third - 1])
        await expect(take(b, after, 1)).rejects.toMatchObject({ code: 'TRIMMED' });
    });

    test('never goes back, and not beyond the newest entry', async () => {
      const [a, b] = await open.two();
      const revisions: number[] = [];
      for (let n = 0; n < 3; n++) revisions.push(await appended(a, n, `entry ${n}`));
      const [first = 0, second = 0, third = 0] = revisions;
      await a.trim(second);
      await b.trim(first);
      expect(await a.trimmedThrough()).toBe(second);
      await b.trim(third + 1000);
      expect(await a.trimmedThrough()).toBe(third);
      const next = await appended(b, 9, 'after');
      expect(next).toBeGreaterThan(third);
      expect(await a.head()).toBe(next);
      expect((await take(a, third, 1)).map(text)).toEqual(['after']);
    });

    test('under appends and a reader: the reader, which is ahead, misses nothing', async () => {
      const [a, b] = await open.two();
      const count = 60;
      let read = 0;
      const reading = (async () => {
        const seen: string[] = [];
        for await (const entry of b.read(0, new AbortController().signal)) {
          seen.push(text(entry));
          read = entry.revision;
          if (seen.length === count) break;
        }
        return seen;
      })();
      for (let n = 0; n < count; n++) {
        await appended(a, n, `entry ${n}`);
        if (n % 10 === 9) await a.trim(read);
      }
      expect(await reading).toEqual(Array.from({ length: count }, (_, n) => `entry ${n}`));
    });
  });

  test('after close all calls are rejected with CLOSED, readers end, and closing again is nothing', async () => {
    const log = await open.one();
    const first = await appended(log, 1, 'one');
    const reading = (async () => {
      for await (const entry of log.read(first, new AbortController().signal)) return entry;
      return undefined;
    })();
    await nodeEnv.clock.turn();
    await Promise.all([log.close(), log.close()]);
    expect(await reading).toBeUndefined();
    for (const call of [
      () => log.append({ id: id(2), bytes: bytes('x'), stagings: [] }),
      () => log.head(),
      () => log.trim(1),
      () => log.announce(member('a')),
      () => log.members(),
      () => log.holders('a'.repeat(64)),
      () => log.lease('trim', 'a'),
      () => log.config(SETTINGS),
    ]) {
      const error = await call().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(isSluiceError(error, 'CLOSED')).toBe(true);
    }
  });
});
