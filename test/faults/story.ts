/** A run of commits of every kind with one call of the file system failing, and what must hold whatever it was. */

import { existsSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError, type SluiceError } from '../../src/index.ts';
import { envOf, makeMemoryDirectory, openText, type TestOptions, type TextDb } from '../base/database.ts';
import { FaultyFileSystem, type Operation } from '../base/faulty-file-system.ts';
import { type Entry, numbered, tableFiles, writeSst } from '../base/sst-files.ts';

export interface Fault {
  readonly ops: readonly Operation[];
  /** Which call of those fails, counted over all of the story. */
  readonly at: number;
  readonly errno: 'ENOSPC' | 'EIO';
  /** The disk stays so until the story is told. */
  readonly lasting: boolean;
}

interface Step {
  readonly name: string;
  readonly act: (db: TextDb, dir: string) => Promise<unknown>;
  readonly entries: readonly Entry[];
  /** An input that only this step, committed, may take. */
  readonly input?: string;
}

const OPTIONS: TestOptions = {
  durability: 'fsync',
  memtableBytes: 4096,
  walSegmentBytes: 2048,
  blockBytes: 64,
  blockCacheBytes: 1 << 20,
};

const big = numbered(0, 30, 'big', 'x'.repeat(60));

const STEPS: readonly Step[] = [
  { name: 'put', act: (db) => db.put('a', '1'), entries: [['a', '1']] },
  { name: 'keyspace', act: async (db) => db.keyspace('other'), entries: [] },
  ...(['copy', 'link', 'move'] as const).map(
    (mode): Step => ({
      name: `ingest, ${mode}`,
      act: (db, dir) => db.ingest(join(dir, `${mode}.sst`), { mode }),
      entries: numbered(0, 3, mode),
      input: `${mode}.sst`,
    }),
  ),
  {
    name: 'batch that spans log segments',
    act: (db) => db.batch(big.map(([key, value]) => ({ type: 'put', key, value: value ?? '' }))),
    entries: big,
  },
  { name: 'flush', act: (db) => db.flush(), entries: [] },
  {
    name: 'transaction with puts and a moved file',
    act: (db, dir) =>
      db.transaction(async (txn) => {
        txn.put('before', (await txn.get('a')) ?? 'none');
        await txn.ingest(join(dir, 'mixed.sst'), { mode: 'move' });
        txn.put('mixed000001', 'after');
      }),
    entries: [['before', '1'], ...numbered(0, 3, 'mixed'), ['mixed000001', 'after']],
    input: 'mixed.sst',
  },
  { name: 'reading', act: (db) => db.iterator().all(), entries: [] },
  {
    name: 'transaction that its function ends',
    act: async (db, dir) => {
      const ended = new Error('ended');
      const run = db.transaction(async (txn) => {
        await txn.ingest(join(dir, 'ended.sst'), { mode: 'move' });
        txn.put('ended', 'x');
        throw ended;
      });
      await run.catch((error: unknown) => {
        if (error !== ended) throw error;
      });
      expect(existsSync(join(dir, 'ended.sst'))).toBe(true);
    },
    entries: [],
    input: 'ended.sst',
  },
  { name: 'dropping a keyspace that a snapshot sees', act: dropSeen, entries: [] },
  { name: 'del', act: (db) => db.del('a'), entries: [['a', undefined]] },
  { name: 'second flush', act: (db) => db.flush(), entries: [] },
];

async function dropSeen(db: TextDb): Promise<void> {
  await db.keyspace('dropped').batch(numbered(0, 9).map(([key]) => ({ type: 'put', key, value: 'x' })));
  await db.flush();
  const snapshot = db.snapshot();
  try {
    await db.dropKeyspace('dropped');
  } finally {
    snapshot.close();
  }
}

class Expected {
  readonly sure = new Map<string, string>();
  /** Of commits whose outcome is open: all of one or nothing of it. */
  readonly unknown: Step[] = [];

  commit(step: Step): void {
    apply(this.sure, step);
  }

  /** Every content that is allowed after a reopen. */
  allowed(): string[] {
    let contents = [this.sure];
    for (const step of this.unknown) {
      contents = contents.flatMap((content) => {
        const more = new Map(content);
        apply(more, step);
        return [content, more];
      });
    }
    return contents.map(show);
  }
}

function apply(content: Map<string, string>, step: Step): void {
  for (const [key, value] of step.entries) {
    if (value === undefined) content.delete(key);
    // The transaction writes what it read.
    else content.set(key, key === 'before' ? (content.get('a') ?? 'none') : value);
  }
}

function show(content: Iterable<readonly [string, string]>): string {
  return JSON.stringify([...content].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export interface Told {
  /** Calls of the fault's operations. */
  readonly calls: number;
  /** Code by name of the steps that failed. */
  readonly failed: Readonly<Record<string, SluiceError>>;
  readonly poisoned: boolean;
  /** The calls that failed, as 'datasync wal/000001.wal'. */
  readonly met: readonly string[];
}

/** Runs the story; checks that nothing acknowledged is lost, and that nothing is left over or half there. */
export async function tell(fault: Fault): Promise<Told> {
  const dir = makeMemoryDirectory();
  try {
    return await tellIn(dir, fault);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function tellIn(dir: string, fault: Fault): Promise<Told> {
  for (const step of STEPS) {
    if (step.input !== undefined)
      await writeSst(join(dir, step.input), numbered(0, 3, step.input.slice(0, -4)));
  }
  const path = join(dir, 'db');
  const fs = new FaultyFileSystem(nodeEnv.fs);
  const db = await openText(path, { ...OPTIONS, env: envOf(fs) });
  const expected = new Expected();
  const failed: Record<string, SluiceError> = {};
  let poisoned = false;
  try {
    fs.calls.length = 0;
    const { ops: op, at: after, errno, lasting } = fault;
    fs.fail({ op, after, errno, times: lasting ? Number.POSITIVE_INFINITY : 1 });
    for (const step of STEPS) {
      const error = await errorOf(() => step.act(db, dir));
      if (error === undefined) expected.commit(step);
      else failed[step.name] = error;
      if (error?.code === 'OUTCOME_UNKNOWN') expected.unknown.push(step);
      // L9: an input is taken only by its own commit.
      if (step.input !== undefined && error !== undefined) {
        expect(existsSync(join(dir, step.input)), `${step.name}: ${error.code}`).toBe(true);
      }
    }
    const calls = fs.calls.filter((call) => fault.ops.includes(call.op)).length;
    const met = fs.calls
      .filter((call) => call.failed)
      .map((call) => `${call.op} ${relative(path, call.path)}`);
    fs.heal();
    // Reads go on, and show what was acknowledged, poisoned or not.
    expect(show(await db.iterator().all())).toBe(show(expected.sure));
    poisoned = await goesOn(db, expected);
    return { calls, failed, poisoned, met };
  } finally {
    fs.heal();
    await db.close();
    await checkReopened(path, expected, poisoned);
  }
}

async function errorOf(act: () => Promise<unknown>): Promise<SluiceError | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (isSluiceError(error)) return error;
    throw error;
  }
}

/** With the disk well again: writes are taken, or refused with POISONED. */
async function goesOn(db: TextDb, expected: Expected): Promise<boolean> {
  const error = await errorOf(() => db.put('later', 'x'));
  if (error !== undefined) {
    expect(error).toMatchObject({ code: 'POISONED', message: expect.stringMatching(/open/) });
    return true;
  }
  expected.sure.set('later', 'x');
  await db.flush();
  expect(show(await db.iterator().all())).toBe(show(expected.sure));
  return false;
}

async function checkReopened(path: string, expected: Expected, poisoned: boolean): Promise<void> {
  const db = await openText(path, OPTIONS);
  try {
    expect(expected.allowed()).toContain(show(await db.iterator().all()));
    if (!poisoned) expect(expected.unknown).toEqual([]);
    const { problems } = await db.verify({ full: true });
    expect(problems).toEqual([]);
    // A compaction may be under way: its files come before its edit, and go after it.
    await expect.poll(async () => tableFiles(path).length - (await db.verify()).tables).toBe(0);
    await db.put('after reopening', 'x');
  } finally {
    await db.close();
  }
}
