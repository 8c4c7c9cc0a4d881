/**
 * A FileSystem over a simulated disk: calls take virtual time, fail, move fewer bytes than they were asked for, and stop
 * when the machine does. Only LMDB, which does its own system calls, has its directory `manifest/` on a real file
 * system; its name is on the simulated disk, its contents change at LMDB's commits.
 */

import { existsSync, rmSync } from 'node:fs';
import { basename, join, normalize } from 'node:path';
import type { File, FileStat, FileSystem, OpenMode } from '../../src/base/env/file-system.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { readFully, writeFully } from '../../src/base/env/node-file.ts';
import { systemError } from '../../src/base/env/system-error.ts';
import type { Operation } from '../base/faulty-file-system.ts';
import { DirectoryNode, type Disk, type Fate, FileNode, NOTHING_UNSYNCED } from './disk.ts';
import type { Schedule } from './schedule.ts';

export interface SimulatedCall {
  readonly op: Operation;
  readonly path: string;
}

export interface SimulatedFailure {
  readonly errno: string;
  /** For write: this many bytes reach the file before it fails. */
  readonly writtenBytes?: number;
}

/** How the disk behaves; each is asked once for each call, in their order. */
export interface Behaviour {
  /** Before the call does anything. What it returns the call fails with. */
  onCall(call: SimulatedCall): SimulatedFailure | undefined;
  /** How long an asynchronous call takes. */
  latencyMs(call: SimulatedCall): number;
  /** How many of the bytes wanted a system call moves, 1 at least. */
  moved(wanted: number): number;
  /** What a failed sync leaves. */
  readonly failedSync: Fate;
}

export const IDEAL: Behaviour = {
  onCall: () => undefined,
  latencyMs: () => 0,
  moved: (wanted) => wanted,
  failedSync: NOTHING_UNSYNCED,
};

/** Calls that change the disk, or that LMDB's commits come after. */
export const CHANGES: ReadonlySet<Operation> = new Set([
  'open',
  'mkdir',
  'unlink',
  'rename',
  'link',
  'copy',
  'syncDirectory',
  'freeBytes',
  'write',
  'datasync',
  'truncate',
]);

const MANIFEST = /\/manifest(\/|$)/;
const FREE_BYTES = 2 ** 40;

/** LMDB makes its file unseen. */
export function noteManifest(disk: Disk, directory: string): void {
  const data = join(directory, 'data.mdb');
  if (existsSync(data) && disk.entry(data) === undefined) disk.setName(data, new FileNode());
}

function failure(errno: string, call: SimulatedCall): Error {
  const cause = Object.assign(new Error(`${errno}: simulated`), { code: errno });
  return systemError(cause, call.op, call.path);
}

export class SimulatedFileSystem implements FileSystem {
  readonly disk: Disk;
  readonly #schedule: Schedule;
  readonly #behaviour: Behaviour;
  /** The machine is off: whatever a process still tries comes to nothing. */
  off = false;

  constructor(disk: Disk, schedule: Schedule, behaviour: Behaviour) {
    this.disk = disk;
    this.#schedule = schedule;
    this.#behaviour = behaviour;
  }

  /** Enters the call; throws its failure unless that is a write's, which first moves some bytes. */
  enter(call: SimulatedCall): SimulatedFailure | undefined {
    if (this.off) throw failure('EIO', call);
    const failed = this.#behaviour.onCall(call);
    // The machine may have stopped at this very call.
    if (this.off) throw failure('EIO', call);
    if (failed !== undefined && call.op !== 'write' && call.op !== 'datasync') {
      throw failure(failed.errno, call);
    }
    return failed;
  }

  /** Resolves when the call comes to its end, with what `end` makes of it then. */
  async later<T>(call: SimulatedCall, end: () => T): Promise<T> {
    await new Promise<void>((resolve) => this.#schedule.after(this.#behaviour.latencyMs(call), resolve));
    if (this.off) throw failure('EIO', call);
    return end();
  }

  moved(wanted: number): number {
    return Math.max(1, Math.min(wanted, this.#behaviour.moved(wanted)));
  }

  get failedSync(): Fate {
    return this.#behaviour.failedSync;
  }

  #file(call: SimulatedCall): FileNode {
    const entry = this.disk.entry(call.path);
    if (entry instanceof DirectoryNode) throw failure('EISDIR', call);
    if (entry === undefined) throw failure('ENOENT', call);
    return entry;
  }

  #createAt(call: SimulatedCall, file: FileNode): FileNode {
    if (this.disk.entry(call.path) !== undefined) throw failure('EEXIST', call);
    if (this.disk.directory(`${call.path}/..`) === undefined) throw failure('ENOENT', call);
    this.disk.setName(call.path, file);
    return file;
  }

  openSync(path: string, mode: OpenMode): File {
    const call = { op: 'open', path } as const;
    this.enter(call);
    return this.#opened(call, mode);
  }

  #opened(call: SimulatedCall, mode: OpenMode): File {
    if (MANIFEST.test(call.path)) return nodeEnv.fs.openSync(call.path, mode);
    const node = mode === 'create' ? this.#createAt(call, new FileNode()) : this.#file(call);
    return new SimulatedFile(this, normalize(call.path), node);
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    const call = { op: 'open', path } as const;
    this.enter(call);
    return this.later(call, () => this.#opened(call, mode));
  }

  statSync(path: string): FileStat {
    const call = { op: 'stat', path } as const;
    this.enter(call);
    if (MANIFEST.test(path)) return nodeEnv.fs.statSync(path);
    const entry = this.disk.entry(path);
    if (entry === undefined) throw failure('ENOENT', call);
    const isFile = entry instanceof FileNode;
    const bytes = isFile ? entry.size : 0;
    return { bytes, isFile, isDirectory: !isFile, modifiedMs: 0, identity: normalize(path) };
  }

  existsSync(path: string): boolean {
    this.enter({ op: 'exists', path });
    return MANIFEST.test(path) ? nodeEnv.fs.existsSync(path) : this.disk.entry(path) !== undefined;
  }

  readdirSync(path: string): string[] {
    const call = { op: 'readdir', path } as const;
    this.enter(call);
    const directory = this.disk.directory(path);
    if (directory === undefined) throw failure('ENOENT', call);
    return [...directory.names.keys()].sort();
  }

  /** Also really, for the lock and LMDB. */
  mkdirSync(path: string): void {
    this.enter({ op: 'mkdir', path });
    this.disk.makeDirectory(path);
    nodeEnv.fs.mkdirSync(path);
  }

  rmdirSync(path: string): void {
    const call = { op: 'rmdir', path } as const;
    this.enter(call);
    const directory = this.disk.directory(path);
    if (directory === undefined) throw failure('ENOENT', call);
    if (directory.names.size > 0) throw failure('ENOTEMPTY', call);
    this.disk.setName(path, undefined);
    // What is really there are the lock and LMDB's files, which are removed unseen.
    rmSync(path, { recursive: true, force: true });
  }

  unlinkSync(path: string): void {
    const call = { op: 'unlink', path } as const;
    this.enter(call);
    this.#file(call);
    this.disk.setName(path, undefined);
  }

  async unlink(path: string): Promise<void> {
    const call = { op: 'unlink', path } as const;
    this.enter(call);
    await this.later(call, () => {
      this.#file(call);
      this.disk.setName(path, undefined);
    });
  }

  renameSync(from: string, to: string): void {
    const call = { op: 'rename', path: from } as const;
    this.enter(call);
    if (this.disk.directory(from) !== undefined) {
      this.disk.renameDirectory(from, to);
      nodeEnv.fs.renameSync(from, to);
      return;
    }
    const file = this.#file(call);
    this.disk.setName(to, file);
    this.disk.setName(from, undefined);
  }

  linkSync(from: string, to: string): void {
    const call = { op: 'link', path: from } as const;
    this.enter(call);
    this.#createAt({ ...call, path: to }, this.#file(call));
  }

  async copy(from: string, to: string): Promise<void> {
    const call = { op: 'copy', path: from } as const;
    this.enter(call);
    const source = this.#file(call).bytes();
    const copy = this.#createAt({ ...call, path: to }, new FileNode());
    await this.later(call, () => copy.write(source, 0, source.length, 0));
  }

  syncDirectorySync(path: string): void {
    this.enter({ op: 'syncDirectory', path });
    if (basename(path) === 'manifest') noteManifest(this.disk, path);
    this.disk.directory(path)?.beginSync()();
  }

  async syncDirectory(path: string): Promise<void> {
    const call = { op: 'syncDirectory', path } as const;
    this.enter(call);
    const end = this.disk.directory(path)?.beginSync();
    await this.later(call, () => end?.());
  }

  freeBytesSync(path: string): number {
    this.enter({ op: 'freeBytes', path });
    return FREE_BYTES;
  }
}

class SimulatedFile implements File {
  readonly path: string;
  readonly #system: SimulatedFileSystem;
  readonly #node: FileNode;
  #closed = false;

  constructor(system: SimulatedFileSystem, path: string, node: FileNode) {
    this.path = path;
    this.#system = system;
    this.#node = node;
  }

  #enter(op: Operation): { call: SimulatedCall; failed: SimulatedFailure | undefined } {
    if (this.#closed) throw new Error(`${op} of ${this.path}, which is closed`);
    const call = { op, path: this.path };
    return { call, failed: this.#system.enter(call) };
  }

  #read(target: Uint8Array, start: number, length: number, position: number): number {
    const some = (s: number, n: number, p: number): number =>
      this.#node.read(target, s, this.#system.moved(n), p);
    return readFully(some, start, length, position);
  }

  #write(source: Uint8Array, start: number, length: number, position: number): void {
    const some = (s: number, n: number, p: number): number => {
      const moved = this.#system.moved(n);
      this.#node.write(source, s, moved, p);
      return moved;
    };
    writeFully(some, start, length, position);
  }

  readSync(target: Uint8Array, start: number, length: number, position: number): number {
    this.#enter('read');
    return this.#read(target, start, length, position);
  }

  async read(target: Uint8Array, start: number, length: number, position: number): Promise<number> {
    const { call } = this.#enter('read');
    return this.#system.later(call, () => this.#read(target, start, length, position));
  }

  writeSync(source: Uint8Array, start: number, length: number, position: number): void {
    const { call, failed } = this.#enter('write');
    this.#write(source, start, Math.min(length, failed?.writtenBytes ?? length), position);
    if (failed !== undefined) throw failure(failed.errno, call);
  }

  /** The bytes are in the file before it resolves: a crash meanwhile finds some of them. */
  async write(source: Uint8Array, start: number, length: number, position: number): Promise<void> {
    const { call, failed } = this.#enter('write');
    this.#write(source, start, Math.min(length, failed?.writtenBytes ?? length), position);
    await this.#system.later(call, () => {
      if (failed !== undefined) throw failure(failed.errno, call);
    });
  }

  datasyncSync(): void {
    const { call, failed } = this.#enter('datasync');
    this.#node.beginSync()(failed && this.#system.failedSync);
    if (failed !== undefined) throw failure(failed.errno, call);
  }

  async datasync(): Promise<void> {
    const { call, failed } = this.#enter('datasync');
    const end = this.#node.beginSync();
    await this.#system.later(call, () => {
      end(failed && this.#system.failedSync);
      if (failed !== undefined) throw failure(failed.errno, call);
    });
  }

  truncateSync(bytes: number): void {
    this.#enter('truncate');
    this.#node.truncate(bytes);
  }

  sizeSync(): number {
    this.#enter('size');
    return this.#node.size;
  }

  closeSync(): void {
    this.#closed = true;
  }
}
