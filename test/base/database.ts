/** Opening databases in tests: text in and out, small limits, closed when the test ends. */

import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Env } from '../../src/base/env/env.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { InternalOptions } from '../../src/db-options.ts';
import { type Db, type DbOptions, isSluiceError, open } from '../../src/index.ts';
import type { FaultyFileSystem } from './faulty-file-system.ts';

export type TestOptions = DbOptions<'utf8', 'utf8'> & InternalOptions;
export type TextDb = Db<'utf8', 'utf8'>;

/**
 * Limits at which a few entries already make several blocks, tables and levels, with compaction all the time. It runs on
 * the main thread: starting one for each database would take most of the time.
 */
export const TINY: TestOptions = {
  durability: 'os',
  memtableBytes: 6144,
  blockBytes: 64,
  blockCacheBytes: 1 << 20,
  level0Trigger: 2,
  levelBaseBytes: 1 << 10,
  levelMultiplier: 2,
  targetFileBytes: 1 << 10,
  maxSubcompactions: 1,
  compactionInline: true,
};

/** Opens with strings as keys and values; also takes the options that the public type hides. The caller closes. */
export function openText(dir: string, options: TestOptions = {}): Promise<TextDb> {
  const all: TestOptions = {
    keyEncoding: 'utf8',
    valueEncoding: 'utf8',
    blockCacheBytes: 4 << 20,
    ...options,
  };
  return open(dir, all);
}

/** As openText, closed when the test ends. */
export async function openDatabase(dir: string, options: TestOptions = {}): Promise<TextDb> {
  const db = await openText(dir, options);
  onTestFinished(() => db.close());
  return db;
}

/** A new directory in memory where the machine has such, so that a test of logic does not wait for a disk. */
export function makeMemoryDirectory(): string {
  let parent = '/dev/shm';
  try {
    accessSync(parent, constants.W_OK);
  } catch {
    parent = tmpdir();
  }
  return mkdtempSync(join(parent, 'sluice-test-'));
}

/** As makeMemoryDirectory, removed when the test ends. */
export function memoryDirectory(): string {
  const path = makeMemoryDirectory();
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The real environment with this file system. */
export function envOf(fs: FaultyFileSystem): Env {
  return { fs, clock: nodeEnv.clock, random: nodeEnv.random };
}

/** 'ok', the code of a SluiceError, or 'TypeError: …'; anything else is thrown on. */
export async function outcomeOf(act: () => unknown): Promise<string> {
  try {
    await act();
    return 'ok';
  } catch (error) {
    if (isSluiceError(error)) return error.code;
    if (error instanceof TypeError) return `TypeError: ${error.message}`;
    throw error;
  }
}
