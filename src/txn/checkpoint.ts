/**
 * `db.checkpoint()`: another database directory with what this one holds at one version, made while this one goes on.
 * Tables are hard links where that can be, since nobody ever writes to one (L2); manifest and log are new.
 */

import { isAbsolute, relative, resolve } from 'node:path';
import { checkCallback, checkOptions, checkSignal } from '../base/arguments.ts';
import type { Env } from '../base/env/env.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../base/errors.ts';
import { databasePaths, tableName } from '../manifest/directory.ts';
import { writeManifest } from '../manifest/new-manifest.ts';
import { PartialDirectory } from '../manifest/partial-directory.ts';
import { type Capture, capture } from './capture.ts';
import type { Engine } from './engine.ts';
import { copyLog } from './wal/copy.ts';

export interface CheckpointProgress {
  readonly tablesDone: number;
  readonly tablesTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface CheckpointOptions {
  readonly signal?: AbortSignal;
  /** Called after each table. */
  readonly onProgress?: (progress: CheckpointProgress) => void;
}

export interface Checkpoint {
  /** Absolute. */
  readonly path: string;
  /** It holds every commit up to this, and nothing else. */
  readonly version: number;
  readonly tables: number;
  /** Tables that are hard links to the database's; the others are copies. */
  readonly linkedTables: number;
  /** Of all its tables. */
  readonly bytes: number;
}

/** Between two turns of the event loop. */
const LINKS_MAX = 64;

/** Those that are being made; closing the database ends them. */
export class Checkpoints {
  readonly #engine: Engine;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Runs `make` with what the database is now; nothing that this names is removed until `make` is done. */
  async run<T>(
    dir: string,
    signal: AbortSignal | undefined,
    make: (taken: Capture, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const closing = this.#closing.signal;
    const either = signal === undefined ? closing : AbortSignal.any([closing, signal]);
    const running = this.#run(dir, either, make);
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      if (!closing.aborted || !isSluiceError(error, 'ABORTED')) throw error;
      throw new SluiceError('CLOSED', 'The database was closed meanwhile', { cause: error });
    } finally {
      this.#running.delete(running);
    }
  }

  async #run<T>(
    dir: string,
    signal: AbortSignal,
    make: (taken: Capture, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal);
    const taken = await capture(this.#engine, databasePaths(dir).wal);
    try {
      return await make(taken, signal);
    } finally {
      taken.release();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#running);
  }
}

/** @param dir of the database */
export async function checkpoint(
  engine: Engine,
  dir: string,
  target: unknown,
  options: CheckpointOptions,
): Promise<Checkpoint> {
  checkOptions(options);
  checkSignal(options.signal);
  checkCallback(options.onProgress, 'options.onProgress');
  const path = targetPath(target, dir, 'dir');
  engine.checkOpen();
  return engine.checkpoints.run(dir, options.signal, async (taken, signal) => {
    const partial = new PartialDirectory(engine.env.fs, path);
    try {
      const linkedTables = await linkTables(engine.env, dir, partial.path, taken, { ...options, signal });
      await writeState(engine.env, dir, partial.path, taken, signal);
      throwIfAborted(signal);
      partial.finish();
      const { tables } = taken.state;
      return { path, version: taken.version, tables: tables.size, linkedTables, bytes: bytesOf(taken) };
    } catch (error) {
      partial.abandon();
      throw error;
    }
  });
}

/** @throws TypeError unless it is a path, and not one within the database. */
export function targetPath(target: unknown, dir: string, argument: string): string {
  if (typeof target !== 'string' || target === '')
    throw new TypeError(`${argument} must be a non-empty path`);
  const path = resolve(target);
  const within = relative(dir, path);
  if (within !== '' && (within.startsWith('..') || isAbsolute(within))) return path;
  throw new TypeError(`${argument} must not be within the database itself`);
}

/** Manifest and log of what was taken, durable in the directory `to` with their names. */
export async function writeState(
  env: Env,
  dir: string,
  to: string,
  { state, segments, wanted }: Capture,
  signal: AbortSignal,
): Promise<void> {
  // Its own id: were segments of both databases alike, one in the wrong place would be replayed.
  const database = { ...state.database, id: env.random.hex(16) };
  const [source, made] = [databasePaths(dir), databasePaths(to)];
  await copyLog({
    env,
    from: { dir: source.wal, databaseId: state.database.id },
    segments,
    to: { dir: made.wal, databaseId: database.id },
    wanted,
    signal,
  });
  await writeManifest(env, made.manifest, { ...state, database });
}

/** Returns how many could be linked. */
async function linkTables(
  env: Env,
  dir: string,
  to: string,
  taken: Capture,
  options: CheckpointOptions & { readonly signal: AbortSignal },
): Promise<number> {
  const [source, made] = [databasePaths(dir).tables, databasePaths(to).tables];
  const rows = taken.state.tables;
  const bytesTotal = bytesOf(taken);
  let [linked, tablesDone, bytesDone] = [0, 0, 0];
  for (const { id, bytes } of rows.values()) {
    throwIfAborted(options.signal);
    const [from, copy] = [`${source}/${tableName(id)}`, `${made}/${tableName(id)}`];
    if (link(env, from, copy)) linked++;
    else await copyDurably(env, from, copy, options.signal);
    tablesDone++;
    bytesDone += bytes;
    options.onProgress?.({ tablesDone, tablesTotal: rows.size, bytesDone, bytesTotal });
    if (linked % LINKS_MAX === 0) await env.clock.turn();
  }
  await env.fs.syncDirectory(made);
  return linked;
}

/** False where a hard link cannot be had: another file system, none at all, too many links. */
function link(env: Env, from: string, to: string): boolean {
  try {
    env.fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (!isSluiceError(error) || error.code === 'FILE_NOT_FOUND' || error.code === 'NO_SPACE') throw error;
    return false;
  }
}

async function copyDurably(env: Env, from: string, to: string, signal: AbortSignal): Promise<void> {
  await env.fs.copy(from, to, signal);
  const file = await env.fs.open(to, 'read');
  try {
    await file.datasync();
  } finally {
    file.closeSync();
  }
}

function bytesOf({ state }: Capture): number {
  let sum = 0;
  for (const { bytes } of state.tables.values()) sum += bytes;
  return sum;
}
