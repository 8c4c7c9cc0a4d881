/** A file system of byte arrays, with what reading tables and recovering logs takes: an input each, without a disk. */

import type { File, FileStat, FileSystem, OpenMode } from '../../src/base/env/file-system.ts';
import { SluiceError } from '../../src/base/errors.ts';

interface Content {
  bytes: Uint8Array;
}

export class MemoryFiles implements FileSystem {
  readonly #files = new Map<string, Content>();

  set(path: string, bytes: Uint8Array): void {
    this.#files.set(path, { bytes });
  }

  openSync(path: string, mode: OpenMode): File {
    if (mode === 'create') this.set(path, new Uint8Array(0));
    return new MemoryFile(path, this.#content(path));
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    return this.openSync(path, mode);
  }

  statSync(path: string): FileStat {
    const bytes = this.#content(path).bytes.length;
    return { bytes, isFile: true, isDirectory: false, modifiedMs: 0, identity: path };
  }

  existsSync(path: string): boolean {
    return this.#files.has(path) || this.readdirSync(path).length > 0;
  }

  readdirSync(path: string): string[] {
    const within = `${path}/`;
    const names = [...this.#files.keys()].filter((name) => name.startsWith(within));
    return names.map((name) => name.slice(within.length));
  }

  unlinkSync(path: string): void {
    this.#files.delete(path);
  }

  async unlink(path: string): Promise<void> {
    this.unlinkSync(path);
  }

  #content(path: string): Content {
    const content = this.#files.get(path);
    if (content === undefined) throw new SluiceError('FILE_NOT_FOUND', `There is no ${path}`);
    return content;
  }

  syncDirectorySync(): void {
    // Nothing is ever lost.
  }
  async syncDirectory(): Promise<void> {
    // Nothing is ever lost.
  }
  mkdirSync = unused;
  rmdirSync = unused;
  renameSync = unused;
  linkSync = unused;
  copy = unused;
  freeBytesSync = unused;
}

function unused(): never {
  throw new Error('no input needs this call');
}

class MemoryFile implements File {
  readonly path: string;
  readonly #content: Content;

  constructor(path: string, content: Content) {
    this.path = path;
    this.#content = content;
  }

  readSync(target: Uint8Array, start: number, length: number, position: number): number {
    if (!(position >= 0 && length >= 0 && start + length <= target.length)) {
      throw new Error(`a read of ${length} bytes at ${position} into ${target.length - start}`);
    }
    const some = this.#content.bytes.subarray(position, position + length);
    target.set(some, start);
    return some.length;
  }

  async read(target: Uint8Array, start: number, length: number, position: number): Promise<number> {
    return this.readSync(target, start, length, position);
  }

  writeSync(source: Uint8Array, start: number, length: number, position: number): void {
    if (position + length > this.#content.bytes.length) this.truncateSync(position + length);
    this.#content.bytes.set(source.subarray(start, start + length), position);
  }

  async write(source: Uint8Array, start: number, length: number, position: number): Promise<void> {
    this.writeSync(source, start, length, position);
  }

  datasyncSync(): void {
    // Nothing is ever lost.
  }
  async datasync(): Promise<void> {
    // Nothing is ever lost.
  }

  truncateSync(bytes: number): void {
    const next = new Uint8Array(bytes);
    next.set(this.#content.bytes.subarray(0, bytes));
    this.#content.bytes = next;
  }

  sizeSync(): number {
    return this.#content.bytes.length;
  }
  closeSync(): void {
    // Nothing is held.
  }
}
