/** `db.transaction`: runs again on conflicts, pauses between, gives up, stops for signals, undoes what throws. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Env } from '../../src/base/env/env.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { memoryDirectory, openDatabase, outcomeOf, type TextDb } from '../base/database.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';

/** A database whose pauses are recorded and last no time; the jitter is always `float`. */
async function withPauses(float = 0.5): Promise<{ db: TextDb; pauses: number[] }> {
  const pauses: number[] = [];
  const env: Env = {
    ...nodeEnv,
    clock: {
      ...nodeEnv.clock,
      sleep: async (ms) => {
        pauses.push(ms);
      },
    },
    random: { ...nodeEnv.random, float: () => float },
  };
  const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os', env });
  return { db, pauses };
}

describe('retries', () => {
  test('run the function again from the new state until it commits', async () => {
    const { db, pauses } = await withPauses();
    await db.put('n', '0');
    const attempts: number[] = [];
    const result = await db.transaction(async (txn, attempt) => {
      attempts.push(attempt);
      const n = Number(await txn.get('n'));
      if (attempt <= 3) await db.put('n', String(n + 100));
      txn.put('n', String(n + 1));
      return n;
    });
    expect(attempts).toEqual([1, 2, 3, 4]);
    expect(result).toBe(300);
    expect(await db.get('n')).toBe('301');
    expect(pauses).toEqual([0.5, 1, 2]);
  });

  test('pauses grow to 200 ms and no further, and 20 retries are made', async () => {
    const { db, pauses } = await withPauses(1);
    let runs = 0;
    const outcome = await outcomeOf(() =>
      db.transaction(async (txn, attempt) => {
        runs++;
        await txn.get('n');
        await db.put('n', String(attempt));
        txn.put('m', '');
      }),
    );
    expect(outcome).toBe('CONFLICT');
    expect(runs).toBe(21);
    expect(pauses.slice(0, 9)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 200]);
    expect(new Set(pauses.slice(8))).toEqual(new Set([200]));
    expect(pauses).toHaveLength(20);
    expect(await db.has('m')).toBe(false);
  });

  test('maxRetries bounds them', async () => {
    const { db } = await withPauses();
    for (const maxRetries of [0, 2]) {
      let runs = 0;
      const run = db.transaction(
        async (txn) => {
          runs++;
          await txn.get('n');
          await db.put('n', '');
          txn.put('m', '');
        },
        { maxRetries },
      );
      expect(await outcomeOf(() => run)).toBe('CONFLICT');
      expect(runs).toBe(maxRetries + 1);
    }
    for (const maxRetries of [-1, 1.5, Number.NaN]) {
      expect(await outcomeOf(() => db.transaction(() => 1, { maxRetries }))).toMatch(
        /^TypeError: .*maxRetries/,
      );
    }
  });

  test('concurrent increments all count', async () => {
    const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
    const increment = (): Promise<void> =>
      db.transaction(
        async (txn) => {
          txn.put('n', String(Number((await txn.get('n')) ?? 0) + 1));
        },
        { maxRetries: 1000 },
      );
    await Promise.all(Array.from({ length: 40 }, increment));
    expect(await db.get('n')).toBe('40');
  });
});

describe('signals', () => {
  test('stop it before a run, during one, and in a pause; nothing is committed', async () => {
    const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
    const aborted = AbortSignal.abort(new Error('no'));
    let runs = 0;
    const run = db.transaction(() => runs++, { signal: aborted });
    expect(await outcomeOf(() => run)).toBe('ABORTED');
    expect(runs).toBe(0);
    const during = new AbortController();
    const cut = db.transaction(
      (txn) => {
        txn.put('k', '');
        during.abort();
      },
      { signal: during.signal },
    );
    expect(await outcomeOf(() => cut)).toBe('ABORTED');
    const pausing = new AbortController();
    const paused = db.transaction(
      async (txn, attempt) => {
        await txn.get('n');
        await db.put('n', String(attempt));
        txn.put('k', '');
        if (attempt === 5) setTimeout(() => pausing.abort(), 0);
      },
      { signal: pausing.signal, maxRetries: 100_000 },
    );
    expect(await outcomeOf(() => paused)).toBe('ABORTED');
    expect(await db.has('k')).toBe(false);
    expect(db.stats().transactions.active).toBe(0);
  });
});

describe('a function that throws', () => {
  test('is rethrown as it is, not retried, and undone with its ingests', async () => {
    const dir = memoryDirectory();
    const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
    await writeSst(join(dir, 'a.sst'), numbered(0, 10));
    const thrown = { not: 'even an Error' };
    let runs = 0;
    const caught = await db
      .transaction(async (txn) => {
        runs++;
        txn.put('k', 'v');
        await txn.ingest(join(dir, 'a.sst'), { mode: 'move' });
        throw thrown;
      })
      .catch((reason: unknown) => reason);
    expect(caught).toBe(thrown);
    expect(runs).toBe(1);
    expect(await db.keys().all()).toEqual([]);
    expect(tableFiles(join(dir, 'db'))).toEqual([]);
    expect(db.stats()).toMatchObject({ transactions: { active: 0 }, snapshots: { open: 0 } });
    await db.ingest(join(dir, 'a.sst'));
    expect(await db.keys().all()).toHaveLength(10);
  });

  test('may commit or abort by itself', async () => {
    const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
    const version = await db.transaction(async (txn) => {
      txn.put('a', '1');
      return (await txn.commit()).version;
    });
    expect(version).toBe(db.version);
    await db.transaction((txn) => {
      txn.put('b', '1');
      txn.abort();
    });
    expect(await db.keys().all()).toEqual(['a']);
  });
});

describe('the conflict window', () => {
  test('gives up the oldest reader when it is full, and a retry succeeds', async () => {
    const db = await openDatabase(join(memoryDirectory(), 'db'), {
      durability: 'os',
      conflictWindowBytes: 1 << 16,
    });
    const old = db.begin();
    await old.get('a');
    old.put('b', '');
    const blind = db.begin();
    blind.put('blind', '');
    for (let n = 0; n < 200; n++) {
      await db.batch(numbered(n * 50, n * 50 + 50).map(([key]) => ({ type: 'put', key, value: '' })));
    }
    expect(db.stats().transactions.windowBytes).toBeLessThan(1 << 17);
    const error = await old.commit().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'TOO_OLD', retryable: true });
    expect(String(error)).toContain('conflictWindowBytes');
    // L6: who read nothing commits, however old.
    expect(await outcomeOf(() => blind.commit())).toBe('ok');
    const attempts: number[] = [];
    await db.transaction(async (txn, attempt) => {
      attempts.push(attempt);
      await txn.get('a');
      txn.put('b', 'yes');
      if (attempt > 1) return;
      for (let n = 0; n < 200; n++) {
        await db.batch(numbered(n * 50, n * 50 + 50).map(([key]) => ({ type: 'put', key, value: '' })));
      }
    });
    expect(attempts).toEqual([1, 2]);
    expect(await db.get('b')).toBe('yes');
  });

  test('is empty once nobody needs it', async () => {
    const db = await openDatabase(join(memoryDirectory(), 'db'), { durability: 'os' });
    const txn = db.begin();
    await txn.get('a');
    for (const [key] of numbered(0, 100)) await db.put(key, '');
    expect(db.stats().transactions.active).toBe(1);
    txn.abort();
    await db.put('z', '');
    expect(db.stats().transactions).toEqual({ active: 0, windowBytes: 0, conflicts: 0 });
  });
});
