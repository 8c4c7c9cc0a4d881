/**
 * A FileSystem over a real one in which chosen calls fail, and which can record every call.
 *
 *     const fs = new FaultyFileSystem(nodeEnv.fs);
 *     fs.fail({ op: 'write', path: /\.wal$/, errno: 'ENOSPC', writtenBytes: 100 });   // once, at the next match
 *     fs.fail({ op: 'datasync', errno: 'EIO', after: 3, times: Infinity });           // from the 4th match on
 */

import type { File, FileStat, FileSystem, OpenMode } from '../../src/base/env/file-system.ts';
import { systemError } from '../../src/base/env/system-error.ts';

/** A call of FileSystem or File; the synchronous and the asynchronous form are one operation. */
export type Operation =
  | 'open'
  | 'stat'
  | 'exists'
  | 'readdir'
  | 'mkdir'
  | 'rmdir'
  | 'unlink'
  | 'rename'
  | 'link'
  | 'copy'
  | 'syncDirectory'
  | 'freeBytes'
  | 'read'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'size'
  | 'close';

export interface Fault {
  readonly op: Operation | readonly Operation[];
  /** Of the first path of the call; every path when absent. */
  readonly path?: RegExp;
  /** 'ENOSPC', 'EIO' … */
  readonly errno: string;
  /** Matching calls that still pass. 0. */
  readonly after?: number;
  /** How many fail then. 1. */
  readonly times?: number;
  /** For write: this many bytes reach the file before it fails. 0. */
  readonly writtenBytes?: number;
}

export interface Call {
  readonly op: Operation;
  readonly path: string;
  /** For read and write. */
  readonly position?: number;
  readonly length?: number;
  readonly failed: boolean;
}

interface ActiveFault extends Fault {
  seen: number;
}

export class FaultyFileSystem implements FileSystem {
  readonly #inner: FileSystem;
  #faults: ActiveFault[] = [];
  /** Every call since the start or the last `calls.length = 0`. */
  readonly calls: Call[] = [];
  /** What freeBytesSync answers instead of the truth. */
  freeBytes: number | undefined;

  constructor(inner: FileSystem) {
    this.#inner = inner;
  }

  fail(fault: Fault): void {
    this.#faults.push({ ...fault, seen: 0 });
  }

  /** All goes well from now on. */
  heal(): void {
    this.#faults = [];
    this.freeBytes = undefined;
  }

  count(op: Operation, path?: RegExp): number {
    return this.calls.filter((call) => call.op === op && (path?.test(call.path) ?? true)).length;
  }

  /** Records the call; returns the fault that it must fail with. */
  enter(op: Operation, path: string, position?: number, length?: number): ActiveFault | undefined {
    let hit: ActiveFault | undefined;
    for (const fault of this.#faults) {
      const ops = typeof fault.op === 'string' ? [fault.op] : fault.op;
      if (!ops.includes(op) || !(fault.path?.test(path) ?? true)) continue;
      const turn = fault.seen++ - (fault.after ?? 0);
      if (turn >= 0 && turn < (fault.times ?? 1)) hit ??= fault;
    }
    const where = position === undefined || length === undefined ? {} : { position, length };
    this.calls.push({ op, path, ...where, failed: hit !== undefined });
    return hit;
  }

  /** Records the call and throws its fault. */
  check(op: Operation, path: string, position?: number, length?: number): void {
    const fault = this.enter(op, path, position, length);
    if (fault !== undefined) throw injected(fault, op, path);
  }

  openSync(path: string, mode: OpenMode): File {
    this.check('open', path);
    return new FaultyFile(this, this.#inner.openSync(path, mode));
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    this.check('open', path);
    return new FaultyFile(this, await this.#inner.open(path, mode));
  }

  statSync(path: string): FileStat {
    this.check('stat', path);
    return this.#inner.statSync(path);
  }

  existsSync(path: string): boolean {
    this.check('exists', path);
    return this.#inner.existsSync(path);
  }

  readdirSync(path: string): string[] {
    this.check('readdir', path);
    return this.#inner.readdirSync(path);
  }

  mkdirSync(path: string): void {
    this.check('mkdir', path);
    this.#inner.mkdirSync(path);
  }

  rmdirSync(path: string): void {
    this.check('rmdir', path);
    this.#inner.rmdirSync(path);
  }

  unlinkSync(path: string): void {
    this.check('unlink', path);
    this.#inner.unlinkSync(path);
  }

  async unlink(path: string): Promise<void> {
    this.check('unlink', path);
    await this.#inner.unlink(path);
  }

  renameSync(from: string, to: string): void {
    this.check('rename', from);
    this.#inner.renameSync(from, to);
  }

  linkSync(from: string, to: string): void {
    this.check('link', from);
    this.#inner.linkSync(from, to);
  }

  async copy(from: string, to: string, signal?: AbortSignal): Promise<void> {
    this.check('copy', from);
    await this.#inner.copy(from, to, signal);
  }

  syncDirectorySync(path: string): void {
    this.check('syncDirectory', path);
    this.#inner.syncDirectorySync(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.check('syncDirectory', path);
    await this.#inner.syncDirectory(path);
  }

  freeBytesSync(path: string): number {
    this.check('freeBytes', path);
    return this.freeBytes ?? this.#inner.freeBytesSync(path);
  }
}

class FaultyFile implements File {
  readonly path: string;
  readonly #system: FaultyFileSystem;
  readonly #inner: File;

  constructor(system: FaultyFileSystem, inner: File) {
    this.path = inner.path;
    this.#system = system;
    this.#inner = inner;
  }

  readSync(target: Uint8Array, start: number, length: number, position: number): number {
    this.#system.check('read', this.path, position, length);
    return this.#inner.readSync(target, start, length, position);
  }

  async read(target: Uint8Array, start: number, length: number, position: number): Promise<number> {
    this.#system.check('read', this.path, position, length);
    return this.#inner.read(target, start, length, position);
  }

  writeSync(source: Uint8Array, start: number, length: number, position: number): void {
    const fault = this.#system.enter('write', this.path, position, length);
    this.#inner.writeSync(source, start, reaching(fault, length), position);
    if (fault !== undefined) throw injected(fault, 'write', this.path);
  }

  async write(source: Uint8Array, start: number, length: number, position: number): Promise<void> {
    const fault = this.#system.enter('write', this.path, position, length);
    await this.#inner.write(source, start, reaching(fault, length), position);
    if (fault !== undefined) throw injected(fault, 'write', this.path);
  }

  datasyncSync(): void {
    this.#system.check('datasync', this.path);
    this.#inner.datasyncSync();
  }

  async datasync(): Promise<void> {
    this.#system.check('datasync', this.path);
    await this.#inner.datasync();
  }

  truncateSync(bytes: number): void {
    this.#system.check('truncate', this.path);
    this.#inner.truncateSync(bytes);
  }

  sizeSync(): number {
    this.#system.check('size', this.path);
    return this.#inner.sizeSync();
  }

  closeSync(): void {
    this.#system.check('close', this.path);
    this.#inner.closeSync();
  }
}

/** How many of `length` bytes a write moves. */
function reaching(fault: Fault | undefined, length: number): number {
  return fault === undefined ? length : Math.min(length, fault.writtenBytes ?? 0);
}

function injected(fault: Fault, op: Operation, path: string): Error {
  const cause = Object.assign(new Error(`${fault.errno}: injected`), { code: fault.errno });
  return systemError(cause, op, path);
}
