/**
 * The tables of the conflict window: a check that finds them by key, and by filters it holds, answers as one that looks
 * into each of them (L5), whatever entered and was trimmed before; and each file is given back once.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { NO_VERSION, type Version } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { Table } from '../../src/sst/table.ts';
import { TableCache } from '../../src/sst/table-cache.ts';
import { ConflictCheck } from '../../src/txn/conflict-check.ts';
import { inRange, type ReadRange, ReadSet } from '../../src/txn/read-set.ts';
import type { TableWrites } from '../../src/txn/table-writes.ts';
import { ConflictWindow } from '../../src/txn/window.ts';
import { memoryDirectory } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';

const FILES = 60;
const KEYS = 40;
const KEYSPACES = ['x', 'y'] as const;
const keyOf = (n: number): string => `k${String(n).padStart(2, '0')}`;

interface MadeFile {
  readonly keys: readonly string[];
  readonly table: Table;
}

/** Narrow files and wide ones, with filters and without; few of them are open at a time. */
async function makeFiles(): Promise<MadeFile[]> {
  const dir = join(memoryDirectory(), 'files');
  mkdirSync(dir);
  const cache = new BlockCache(1 << 20);
  const tableCache = new TableCache(cache, 8);
  const files: MadeFile[] = [];
  for (let n = 0; n < FILES; n++) {
    const path = join(dir, `${n}.sst`);
    const step = (n % 7) * (n % 7) + 1;
    const keys = Array.from({ length: 1 + (n % 3) }, (_, i) => (n * 11 + i * step) % KEYS);
    const sorted = [...new Set(keys)].sort((a, b) => a - b).map(keyOf);
    await writeSst(
      path,
      sorted.map((key) => [key, n % 2 === 0 ? 'value' : undefined]),
      { filterBitsPerKey: n % 5 === 0 ? 0 : 10 },
    );
    files.push({ keys: sorted, table: new Table({ path, fs: nodeEnv.fs, cache, tableCache }) });
  }
  return files;
}

interface Reads {
  readonly points: readonly (readonly [keyspace: string, key: number])[];
  readonly ranges: readonly (readonly [keyspace: string, lower: number, length: number])[];
}

type Step =
  | { readonly op: 'enter'; readonly files: readonly (readonly [keyspace: string, file: number])[] }
  | { readonly op: 'trim'; readonly part: number }
  | { readonly op: 'check'; readonly reads: Reads; readonly part: number; readonly meanwhile: boolean };

const keyspace = fc.constantFrom(...KEYSPACES);
const keyNumber = fc.nat(KEYS);
const part = fc.nat(8).map((n) => n / 8);
const files = fc.array(fc.tuple(keyspace, fc.nat(FILES - 1)), { minLength: 1, maxLength: 6 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('enter' as const), files }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('trim' as const), part }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('check' as const),
      reads: fc.record({
        points: fc.array(fc.tuple(keyspace, keyNumber), { maxLength: 4 }),
        ranges: fc.array(fc.tuple(keyspace, keyNumber, fc.nat(4)), { maxLength: 2 }),
      }),
      part,
      meanwhile: fc.boolean(),
    }),
  },
);

function readSetOf({ points, ranges }: Reads): ReadSet {
  const reads = new ReadSet();
  for (const [name, key] of points) reads.addPoint(name, Buffer.from(keyOf(key)));
  for (const [name, lower, length] of ranges) {
    // A length of 4 stands for a scan to the end.
    reads.addRange(name, keyOf(lower)).upper = length === 4 ? undefined : keyOf(lower + length);
  }
  return reads;
}

/** The window as a list of all that was entered, and the check as a loop over it. */
class Play {
  readonly window = new ConflictWindow();
  readonly #files: readonly MadeFile[];
  #entered: { readonly writes: TableWrites; readonly keys: readonly string[] }[] = [];
  #released: TableWrites[] = [];
  #version = 0;
  #trimmed = 0;

  constructor(made: readonly MadeFile[]) {
    this.#files = made;
  }

  async run(step: Step): Promise<void> {
    if (step.op === 'enter') this.#enter(step.files);
    else if (step.op === 'trim') this.#trim(this.#versionAt(step.part));
    else await this.#check(step);
  }

  finish(): void {
    this.window.close();
    expect(this.#released).toHaveLength(this.#entered.length);
    expect(new Set(this.#released).size).toBe(this.#entered.length);
    expect(this.window.bytes).toBe(0);
    expect(this.window.filters.bytes).toBe(0);
  }

  #versionAt(part: number): Version {
    return (this.#trimmed + Math.round((this.#version - this.#trimmed) * part)) as Version;
  }

  /** One commit: the files of a keyspace one version each, from the last to the first. */
  #enter(list: readonly (readonly [keyspace: string, file: number])[]): void {
    const first = this.#version + 1;
    this.#version += list.length;
    const entered = list.map(([name, file], i) => {
      const { keys, table } = this.#files[file] as MadeFile;
      const writes: TableWrites = {
        version: (first + list.length - 1 - i) as Version,
        keyspace: name,
        smallest: keys[0] as string,
        largest: keys.at(-1) as string,
        table,
        release: () => void this.#released.push(writes),
      };
      return { writes, keys };
    });
    this.#entered.push(...entered);
    this.window.enterTables(entered.map(({ writes }) => writes));
  }

  #trim(version: Version): void {
    this.#trimmed = version;
    this.window.trim(version);
    const gone = this.#entered.filter(({ writes }) => writes.version <= version);
    expect(new Set(this.#released)).toEqual(new Set(gone.map(({ writes }) => writes)));
  }

  async #check({ reads, part, meanwhile }: Step & { op: 'check' }): Promise<void> {
    const set = readSetOf(reads);
    const snapshot = this.#versionAt(part);
    const check = new ConflictCheck(this.window, set, snapshot);
    let outcome = check.step();
    for (let round = 0; outcome === 'pending'; round++) {
      if (round % 2 === 0) await check.load();
      else check.loadSync();
      if (meanwhile && round === 0) this.#enter([['x', snapshot % FILES]]);
      outcome = check.step();
    }
    check.close();
    const conflicts = this.#conflicts(set, snapshot);
    if (outcome === 'clear') expect(conflicts).toEqual([]);
    else expect(conflicts).toContainEqual(outcome);
  }

  #conflicts(reads: ReadSet, snapshot: Version): unknown[] {
    return this.#entered.flatMap(({ writes: { keyspace, version }, keys }) => {
      if (version <= snapshot) return [];
      const points = reads.points.get(keyspace) ?? new Set<string>();
      const ranges: readonly ReadRange[] = reads.ranges.get(keyspace) ?? [];
      return keys
        .filter((key) => points.has(key) || ranges.some((range) => inRange(key, range)))
        .map((key) => ({ keyspace, key, version }));
    });
  }
}

test('a check finds a conflict exactly when a loop over all tables does', async () => {
  const made = await makeFiles();
  const steps = fc.array(step, { minLength: 1, maxLength: 30, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const play = new Play(made);
      for (const one of list) await play.run(one);
      play.finish();
    }),
    { numRuns: 300 },
  );
  for (const { table } of made) table.dispose();
});

test('more keys than are listed are all asked for, in the table of which the range has them', async () => {
  const dir = memoryDirectory();
  const path = join(dir, 'wide.sst');
  const cache = new BlockCache(1 << 20);
  await writeSst(
    path,
    [keyOf(0), 'k00500', 'k99'].map((key) => [key, 'value']),
    { filterBitsPerKey: 0 },
  );
  const window = new ConflictWindow();
  const table = new Table({ path, fs: nodeEnv.fs, cache });
  const version = 1 as Version;
  const bounds = { smallest: keyOf(0), largest: 'k99' };
  window.enterTables([{ version, keyspace: 'x', ...bounds, table, release: () => table.dispose() }]);
  const outcomeOf = (last: number): unknown => {
    const reads = new ReadSet();
    for (let n = 1; n <= last; n++) reads.addPoint('x', Buffer.from(`k00${String(n).padStart(3, '0')}`));
    const check = new ConflictCheck(window, reads, NO_VERSION);
    let outcome = check.step();
    for (; outcome === 'pending'; outcome = check.step()) check.loadSync();
    check.close();
    return outcome;
  };
  expect(outcomeOf(499)).toBe('clear');
  expect(outcomeOf(500)).toEqual({ keyspace: 'x', key: 'k00500', version });
  window.close();
});

test('a reader amid the keys of a table whose filter is held does not open it again', async () => {
  const path = join(memoryDirectory(), 'closed.sst');
  const cache = new BlockCache(1 << 20);
  const tableCache = new TableCache(cache);
  await writeSst(
    path,
    [keyOf(0), keyOf(9)].map((key) => [key, 'value']),
  );
  const table = new Table({ path, fs: nodeEnv.fs, cache, tableCache });
  await table.open();
  const window = new ConflictWindow();
  const bounds = { smallest: keyOf(0), largest: keyOf(9) };
  const version = 1 as Version;
  window.enterTables([{ version, keyspace: 'x', ...bounds, table, release: () => table.dispose() }]);
  table.close();
  const reads = new ReadSet();
  reads.addPoint('x', Buffer.from(keyOf(5)));
  expect(new ConflictCheck(window, reads, NO_VERSION).step()).toBe('clear');
  expect(tableCache.opens).toBe(1);
  window.close();
});
