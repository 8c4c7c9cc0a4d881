/** Subcompactions: parts of a job come to what the whole would, and succeed or fail as one. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBytes } from '../../../src/base/bytes.ts';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { isSluiceError } from '../../../src/base/errors.ts';
import { ALL_KEYS } from '../../../src/levels/compaction/job.ts';
import { partsOf, splitKeys } from '../../../src/levels/compaction/parts.ts';
import type { Workspace } from '../../../src/levels/compaction/workspace.ts';
import { versionOf } from '../../../src/mvcc/version.ts';
import { ensureZstd } from '../../../src/sst/zstd.ts';
import { envOf, memoryDirectory, openDatabase, openText, type TextDb, TINY } from '../../base/database.ts';
import { FaultyFileSystem } from '../../base/faulty-file-system.ts';
import { temporaryDirectory } from '../../base/temporary-directory.ts';
import { cursors, jobArbitrary, jobOf, kernels, type Outcome, run } from './jobs.ts';

const BY_HAND = { ...TINY, compaction: 'off' as const, memtableBytes: 1 << 16, maxSubcompactions: 3 };
const name = (i: number): string => `key${String(i).padStart(5, '0')}`;
const tablesIn = (dir: string): string[] => readdirSync(join(dir, 'tables')).sort();

/** undefined: refused, as the same version of a key in two inputs is. */
async function runParts(
  job: Parameters<typeof run>[0],
  workspace: Workspace,
): Promise<Outcome[] | undefined> {
  const outcomes: Outcome[] = [];
  try {
    for (const part of partsOf(job, await splitKeys(job, nodeEnv.fs, workspace.cache))) {
      outcomes.push(await run(part, workspace));
    }
    return outcomes;
  } catch (error) {
    if (isSluiceError(error)) return undefined;
    throw error;
  }
}

test('the parts of a job write together what the whole would', async () => {
  await ensureZstd();
  const dir = join(temporaryDirectory(), 'tables');
  await fc.assert(
    fc.asyncProperty(
      jobArbitrary,
      fc.integer({ min: 2, max: 5 }),
      fc.constantFrom(kernels, cursors),
      async (spec, partsMax, workspace) => {
        const job = { ...jobOf(dir, spec), range: ALL_KEYS, partsMax };
        const keys = await splitKeys(job, nodeEnv.fs, workspace.cache);
        expect(keys.length).toBeLessThan(partsMax);
        expect(keys.every((key, i) => i === 0 || compareBytes(keys[i - 1] ?? key, key) < 0)).toBe(true);
        const whole = await runParts({ ...job, partsMax: 1 }, workspace);
        const parts = await runParts(job, workspace);
        if (whole === undefined || parts === undefined) {
          expect(parts).toBe(whole);
          return;
        }
        const sums = (outcomes: readonly Outcome[]) => ({
          read: outcomes.reduce((sum, { result }) => sum + result.entriesRead, 0),
          written: outcomes.reduce((sum, { result }) => sum + result.entriesWritten, 0),
          heldBack: outcomes.reduce((sum, { result }) => sum + result.heldBack, 0),
          entries: outcomes.flatMap(({ entries }) => entries),
        });
        expect(sums(parts)).toEqual(sums(whole));
        // L3: levels below 0 do not overlap, and no key is in two tables.
        const rows = parts.flatMap(({ result }) => result.outputs);
        for (const [i, row] of rows.entries()) {
          const last = rows[i - 1];
          if (last !== undefined) expect(compareBytes(last.largest, row.smallest)).toBeLessThan(0);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('runs of one table each, all over the keys, are split in the middle', async () => {
  const entries = Array.from({ length: 400 }, (_, i) => ({
    key: Buffer.from(name(i)),
    version: versionOf(1),
    type: 1 as const,
    value: Buffer.alloc(50, `${i}`),
  }));
  const form = { blockBytes: 300, compression: 'none' as const };
  const table = { ...form, entries, globalVersion: versionOf(1), prefix: undefined };
  const spec = {
    ...{
      snapshots: [],
      horizon: versionOf(9),
      keepVersions: 1,
      outside: [],
      tombstones: [],
      grandparents: [],
    },
    ...{ targetFileBytes: 100_000, range: ALL_KEYS, output: form },
    runs: Array.from({ length: 13 }, (_, i) => [
      { ...table, entries: entries.filter((__, entry) => entry % 13 === i) },
    ]),
  };
  const job = { ...jobOf(join(temporaryDirectory(), 'tables'), spec), partsMax: 2 };
  const [middle, ...others] = await splitKeys(job, nodeEnv.fs, kernels.cache);
  expect(others).toEqual([]);
  // A block of each run has some 50 of all keys between its ends.
  const place = entries.filter(({ key }) => compareBytes(key, middle ?? key) < 0).length;
  expect(Math.abs(place - 200)).toBeLessThan(100);
});

/** Overlapping tables in level 0. */
async function fill(db: TextDb): Promise<void> {
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 200; i++) await db.put(name(i), `${round}`.repeat(60));
    await db.flush();
  }
}

test('a compaction in three threads is installed as one', async () => {
  const db = await openDatabase(memoryDirectory(), { ...BY_HAND, compactionInline: false });
  await fill(db);
  await db.compactRange();
  expect(db.stats().compaction).toMatchObject({ merges: 1, failures: 0 });
  expect(db.stats().keyspaces[0]?.levels.map(({ entries }) => entries)).toEqual([0, 0, 0, 0, 0, 0, 200]);
  expect((await db.verify({ full: true })).problems).toEqual([]);
  const all = await db.iterator().all();
  expect(all.map(([key]) => key)).toEqual(Array.from({ length: 200 }, (_, i) => name(i)));
  expect(new Set(all.map(([, value]) => value))).toEqual(new Set(['2'.repeat(60)]));
});

for (const nth of [0, 1, 2, 3, 4]) {
  test(`one part fails at its sync number ${nth}: the job does, and all is as it was`, async () => {
    const dir = memoryDirectory();
    const fs = new FaultyFileSystem(nodeEnv.fs);
    const db = await openText(dir, { ...BY_HAND, env: envOf(fs) });
    await fill(db);
    const before = tablesIn(dir);
    fs.fail({ op: 'datasync', path: /tables/, errno: 'ENOSPC', after: nth });
    await expect(db.compactRange()).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect(tablesIn(dir)).toEqual(before);
    expect(await db.get(name(7))).toBe('2'.repeat(60));
    const named = fs.count('syncDirectory', /tables/);
    await db.compactRange();
    // Each part sees to the names of its tables.
    expect(fs.count('syncDirectory', /tables/) - named).toBeGreaterThan(1);
    expect(db.stats().keyspaces[0]?.levels.map(({ entries }) => entries)).toEqual([0, 0, 0, 0, 0, 0, 200]);
    expect((await db.verify({ full: true })).problems).toEqual([]);
    await db.close();
    const again = await openDatabase(dir, { compaction: 'off' });
    expect((await again.iterator().all()).length).toBe(200);
  });
}

test('closing ends all parts', async () => {
  const dir = memoryDirectory();
  const db = await openText(dir, { ...BY_HAND, backgroundBytesPerSecond: 2000 });
  await fill(db);
  const before = tablesIn(dir);
  const compacted = db.compactRange();
  compacted.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await db.close();
  await expect(compacted).rejects.toMatchObject({ code: 'CLOSED' });
  expect(tablesIn(dir)).toEqual(before);
});
