/** Damaging the files of a database, and asking it for everything afterwards. */

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSluiceError, type SluiceError } from '../../src/index.ts';
import { openText, type TestOptions, type TextDb } from '../base/database.ts';

export type Content = readonly (readonly [string, string])[];

export interface Damage {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** Each byte changed, in one bit or all. */
export function* flips(bytes: Uint8Array): Iterable<Damage> {
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ (at % 3 === 0 ? 0xff : 1 << (at % 8));
    yield { what: `byte ${at}`, bytes: damaged };
  }
}

/** Every length shorter than it has. */
export function* cuts(bytes: Uint8Array): Iterable<Damage> {
  for (let length = 0; length < bytes.length; length++) {
    yield { what: `length ${length}`, bytes: bytes.subarray(0, length) };
  }
}

/** What `run` returns, or the SluiceError that it throws; any other error is thrown on. */
export async function attempt<T>(run: () => Promise<T>): Promise<T | SluiceError> {
  try {
    return await run();
  } catch (error) {
    if (isSluiceError(error)) return error;
    throw error;
  }
}

/** What the database shows in each way to read it. */
export async function readings(db: TextDb, keys: readonly string[]): Promise<(Content | SluiceError)[]> {
  const got = async (value: (key: string) => string | undefined | Promise<string | undefined>) => {
    const found: [string, string][] = [];
    for (const key of keys) {
      const text = await value(key);
      if (text !== undefined) found.push([key, text]);
    }
    return found;
  };
  return [
    await attempt(() => got((key) => db.getSync(key))),
    await attempt(async () => (await db.iterator({ reverse: true }).all()).reverse()),
    await attempt(() => db.iterator().all()),
    await attempt(() => got((key) => db.get(key))),
  ];
}

/** A database directory as it was at one moment, to go back to. */
export class Image {
  readonly #image: string;
  readonly path: string;

  /** Copies what is at `path` now, which may be open: the copy is what a crash now would leave. */
  constructor(path: string) {
    this.path = path;
    this.#image = `${path}.image`;
    cpSync(path, this.#image, { recursive: true });
  }

  read(file: string): Buffer {
    return readFileSync(join(this.#image, file));
  }

  /** Everything as it was, but for one file. */
  restore(file: string, bytes: Uint8Array): void {
    for (const part of ['wal', 'tables', 'manifest']) {
      const there = new Set(readdirSync(join(this.#image, part)));
      for (const name of readdirSync(join(this.path, part))) {
        if (!there.has(name)) rmSync(join(this.path, part, name));
      }
      for (const name of there) {
        if (name !== 'lock.mdb') writeFileSync(join(this.path, part, name), this.read(`${part}/${name}`));
      }
    }
    writeFileSync(join(this.path, file), bytes);
  }

  /** Runs with the database open, or returns why it does not open. */
  opened<T>(options: TestOptions, run: (db: TextDb) => Promise<T>): Promise<T | SluiceError> {
    return attempt(async () => {
      const small: TestOptions = { durability: 'os', blockCacheBytes: 1 << 20, memtableBytes: 1 << 12 };
      const db = await openText(this.path, { ...small, ...options });
      try {
        return await run(db);
      } finally {
        await db.close();
      }
    });
  }
}

/** How many files this process has open, where the system tells. */
export function openFiles(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}
