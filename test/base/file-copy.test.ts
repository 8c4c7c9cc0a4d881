/** Copies of files: whole or not there, on the disk as they go, and in pieces that keep no core from others for long. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { copyFileSync } from '../../src/base/env/file-copy.ts';
import type { File, FileSystem, OpenMode } from '../../src/base/env/file-system.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { NodeFileSystem } from '../../src/base/env/node-file-system.ts';
import { outcomeOf } from './database.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const MIB = 1 << 20;

/** Each way to copy; stopped by `signal`, if there is one. */
const WAYS: [
  string,
  (system: FileSystem, from: string, to: string, signal?: AbortSignal) => Promise<void>,
][] = [
  ['by the event loop', (system, from, to, signal) => system.copy(from, to, signal)],
  [
    'by a thread',
    async (system, from, to, signal) => copyFileSync(system, from, to, () => signal?.throwIfAborted()),
  ],
];

test.each(WAYS)('%s: the same bytes, never over a file', async (_, copy) => {
  const dir = temporaryDirectory();
  const content = Buffer.alloc(9 * MIB + 7, 'abc');
  fs.writeFileSync(`${dir}/from`, content);
  fs.writeFileSync(`${dir}/empty`, '');
  const stops = [undefined, new AbortController().signal];
  for (const [n, signal] of stops.entries()) {
    await copy(nodeEnv.fs, `${dir}/from`, `${dir}/${n}`, signal);
    await copy(nodeEnv.fs, `${dir}/empty`, `${dir}/empty${n}`, signal);
    expect(await outcomeOf(() => copy(nodeEnv.fs, `${dir}/from`, `${dir}/${n}`, signal))).toBe(
      'ALREADY_EXISTS',
    );
    expect(await outcomeOf(() => copy(nodeEnv.fs, `${dir}/none`, `${dir}/x`, signal))).toBe('FILE_NOT_FOUND');
    expect(fs.readFileSync(`${dir}/${n}`).equals(content)).toBe(true);
    expect(fs.statSync(`${dir}/empty${n}`).size).toBe(0);
  }
  expect(fs.existsSync(`${dir}/x`)).toBe(false);
});

/** Tells of pieces that are written, and which sizes a file has had when it was synced. */
class Watched extends NodeFileSystem {
  readonly sizesAtSync: number[] = [];
  readonly #onPiece: (bytes: number) => void;

  constructor(onPiece: (bytes: number) => void) {
    super();
    this.#onPiece = onPiece;
  }

  override openSync(path: string, mode: OpenMode): File {
    return this.#watch(super.openSync(path, mode));
  }

  override async open(path: string, mode: OpenMode): Promise<File> {
    return this.#watch(await super.open(path, mode));
  }

  #watch(file: File): File {
    const datasync = file.datasync.bind(file);
    const datasyncSync = file.datasyncSync.bind(file);
    const write = file.write.bind(file);
    const writeSync = file.writeSync.bind(file);
    const synced = (): void => void this.sizesAtSync.push(file.sizeSync());
    file.datasync = () => {
      synced();
      return datasync();
    };
    file.datasyncSync = () => {
      synced();
      datasyncSync();
    };
    file.write = (source, start, length, position) => {
      this.#onPiece(length);
      return write(source, start, length, position);
    };
    file.writeSync = (source, start, length, position) => {
      this.#onPiece(length);
      writeSync(source, start, length, position);
    };
    return file;
  }
}

test.each(WAYS)('%s: sent to the disk while it is made, and in small pieces', async (_, copy) => {
  const dir = temporaryDirectory();
  fs.writeFileSync(`${dir}/from`, Buffer.alloc(40 * MIB, 1));
  let pieceBytesMax = 0;
  const system = new Watched((bytes) => {
    pieceBytesMax = Math.max(pieceBytesMax, bytes);
  });
  await copy(system, `${dir}/from`, `${dir}/to`);
  expect(fs.statSync(`${dir}/to`).size).toBe(40 * MIB);
  if (pieceBytesMax === 0) return; // a reflink
  expect(system.sizesAtSync).toEqual([16 * MIB, 32 * MIB]);
  expect(pieceBytesMax).toBeLessThanOrEqual(256 << 10);
});

test.each(WAYS)('%s: stopped, it leaves nothing behind', async (_, copy) => {
  const dir = temporaryDirectory();
  fs.writeFileSync(`${dir}/from`, Buffer.alloc(4 * MIB));
  const stop = new AbortController();
  let pieces = 0;
  const system = new Watched(() => {
    if (++pieces === 3) stop.abort();
  });
  await copy(system, `${dir}/from`, `${dir}/to`, stop.signal).catch((error: unknown) => {
    expect(error).toMatchObject({ name: 'AbortError' });
  });
  expect([0, 3]).toContain(pieces);
  expect(fs.existsSync(`${dir}/to`)).toBe(pieces === 0); // 0: a reflink
});
