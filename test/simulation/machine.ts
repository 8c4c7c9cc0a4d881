/**
 * A machine that databases live on: a simulated disk with a directory `db` and one for inputs, LMDB's real directory
 * beside it, and what each start finds of both after a crash.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Env } from '../../src/base/env/env.ts';
import type { File } from '../../src/base/env/file-system.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../../src/mvcc/internal-key.ts';
import { NO_VERSION } from '../../src/mvcc/version.ts';
import { TableBuilder } from '../../src/sst/table-builder.ts';
import { makeMemoryDirectory, openText, type TestOptions, type TextDb } from '../base/database.ts';
import type { SeededRandom } from '../base/seeded-random.ts';
import type { Entry } from '../base/sst-files.ts';
import { Disk, type Fate, FileNode } from './disk.ts';
import { type Behaviour, IDEAL, noteManifest, SimulatedFileSystem } from './file-system.ts';
import { Schedule } from './schedule.ts';

/** LMDB's two meta pages: they change with every commit. */
const META_BYTES = 8192;
const DATA = 'data.mdb';

/** A disk at one moment, with LMDB's data as of its last commit. */
export interface Image {
  readonly disk: Disk;
}

export class Machine {
  readonly root: string;
  readonly schedule: Schedule;
  disk: Disk;
  readonly #firstInput: number;
  readonly #inputs = new Map<string, Uint8Array>();

  /**
   * @param root a real directory, empty, which LMDB's are made in
   * @param firstInput the number that names its first input, where machines must not have the same
   */
  constructor(root: string, schedule = new Schedule(), firstInput = 0) {
    this.root = root;
    this.schedule = schedule;
    this.#firstInput = firstInput;
    this.disk = new Disk(root);
    this.disk.makeDirectory(this.input(''));
    this.disk.sync();
  }

  get db(): string {
    return join(this.root, 'db');
  }

  get checkpoint(): string {
    return join(this.root, 'checkpoint');
  }

  /** What the checkpoint is called while it is made. */
  get partialCheckpoint(): string {
    return `${this.checkpoint}.partial-checkpoint`;
  }

  input(name: string): string {
    return join(this.root, 'in', name);
  }

  /** A file system of one process on the machine's disk as it is now. */
  fileSystem(behaviour: Behaviour = IDEAL): SimulatedFileSystem {
    return new SimulatedFileSystem(this.disk, this.schedule, behaviour);
  }

  env(fs: SimulatedFileSystem, random: SeededRandom): Env {
    return {
      fs,
      clock: this.schedule,
      random: { float: () => random.float(), hex: (bytes) => random.hex(bytes) },
    };
  }

  /** @param dir the database's, unless told otherwise */
  open(fs: SimulatedFileSystem, random: SeededRandom, options: TestOptions, dir = this.db): Promise<TextDb> {
    return openText(dir, { ...options, env: this.env(fs, random) });
  }

  /** Writes an SST file, durably; returns its name. */
  writeInput(entries: readonly Entry[], name = `${this.#firstInput + this.#inputs.size}.sst`): string {
    const file = this.#makeInput(name);
    const builder = new TableBuilder(file, { compression: 'lz4', blockBytes: 64, external: true });
    for (const [key, value] of sorted(entries)) {
      const keyBytes = Buffer.from(key);
      const valueBytes = Buffer.from(value ?? '');
      const type = value === undefined ? TYPE_DELETE : TYPE_VALUE;
      builder.add(keyBytes, 0, keyBytes.length, NO_VERSION, type, valueBytes, 0, valueBytes.length);
    }
    builder.finish();
    this.#keepInput(name, file);
    return name;
  }

  /** Durably, too. */
  writeText(text: string, name: string): void {
    const file = this.#makeInput(name);
    const bytes = Buffer.from(text);
    file.writeSync(bytes, 0, bytes.length, 0);
    this.#keepInput(name, file);
  }

  #makeInput(name: string): File {
    const path = this.input(name);
    const fs = this.fileSystem();
    if (this.disk.directory(dirname(path)) === undefined) {
      this.disk.makeDirectory(dirname(path));
      fs.syncDirectorySync(dirname(dirname(path)));
    }
    return fs.openSync(path, 'create');
  }

  #keepInput(name: string, file: File): void {
    file.datasyncSync();
    this.fileSystem().syncDirectorySync(dirname(file.path));
    const bytes = new Uint8Array(file.sizeSync());
    file.readSync(bytes, 0, bytes.length, 0);
    this.#inputs.set(name, bytes);
  }

  /** Of files in a directory below the root. */
  names(directory: string): string[] {
    return [...(this.disk.directory(join(this.root, directory))?.names.keys() ?? [])];
  }

  /** There, with the bytes that it was written with. */
  isInputIntact(name: string): boolean {
    const entry = this.disk.entry(this.input(name));
    if (!(entry instanceof FileNode)) return false;
    return Buffer.compare(entry.bytes(), this.#inputs.get(name) ?? new Uint8Array(0)) === 0;
  }

  image(): Image {
    for (const path of this.disk.directories()) if (basename(path) === 'manifest') this.#takeManifest(path);
    return { disk: this.disk.image() };
  }

  #takeManifest(directory: string): void {
    const path = join(directory, DATA);
    if (!existsSync(path)) return;
    noteManifest(this.disk, directory);
    const node = this.disk.entry(path);
    if (!(node instanceof FileNode)) return;
    const bytes = readFileSync(path);
    if (node.real !== undefined && bytes.subarray(0, META_BYTES).equals(node.real.subarray(0, META_BYTES)))
      return;
    node.real = bytes;
  }

  /** REQUIRES: no database of this machine is open. */
  restart({ disk }: Image, fate: Fate): void {
    this.disk = disk.afterCrash(fate);
    for (const name of readdirSync(this.root)) rmSync(join(this.root, name), { recursive: true });
    for (const path of this.disk.directories()) {
      if (path !== this.root) mkdirSync(path);
      const manifest = this.disk.entry(join(path, DATA));
      if (manifest instanceof FileNode && manifest.real !== undefined)
        writeFileSync(join(path, DATA), manifest.real);
    }
  }
}

/** In key order; of entries with one key the last counts. */
function sorted(entries: readonly Entry[]): Entry[] {
  return [...new Map(entries)].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** Of its own for each test, and gone afterwards. */
export async function withMachine<T>(run: (machine: Machine) => Promise<T>): Promise<T> {
  const root = makeMemoryDirectory();
  try {
    return await run(new Machine(root));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
