/**
 * A FileSystem that knows what a loss of power may take: it notes what each datasync and syncDirectory made durable,
 * and writes out a directory as it may look afterwards.
 *
 * Of what was not synced, each sector of 512 bytes, each file length and each directory entry survives or not at
 * random. Names are tracked per path: hard links to one file are taken for separate files.
 */

import fs from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { File, FileStat, FileSystem, OpenMode } from '../../src/base/env/file-system.ts';

const SECTOR_BYTES = 512;

export class PowerLossFileSystem implements FileSystem {
  readonly #inner: FileSystem;
  /** Contents by path, as of the last datasync; a file that was never synced has none. */
  readonly #durable = new Map<string, Uint8Array>();
  /** Names by directory, as of the last syncDirectory. */
  readonly #names = new Map<string, ReadonlySet<string>>();

  constructor(inner: FileSystem) {
    this.#inner = inner;
  }

  /** Writes to `to` what may be left of `root`, all of whose files were made through this file system. */
  lose(root: string, to: string, random: () => number): void {
    fs.mkdirSync(to, { recursive: true });
    for (const dir of [root, ...subdirectories(root)]) {
      const target = join(to, relative(root, dir));
      fs.mkdirSync(target, { recursive: true });
      const durable = this.#names.get(dir) ?? new Set<string>();
      const current = new Set(fs.readdirSync(dir));
      for (const name of new Set([...durable, ...current])) {
        const path = join(dir, name);
        if (fs.existsSync(path) && fs.statSync(path).isDirectory()) continue;
        if (durable.has(name) !== current.has(name) && random() < 0.5) continue;
        fs.writeFileSync(join(target, name), this.#remains(path, random));
      }
    }
  }

  /** Takes all that is at `root` for durable. */
  adopt(root: string): void {
    for (const dir of [root, ...subdirectories(root)]) {
      const entries = fs.readdirSync(dir, { withFileTypes: true });
      this.#names.set(dir, new Set(entries.map(({ name }) => name)));
      for (const entry of entries) if (entry.isFile()) this.synced(join(dir, entry.name));
    }
  }

  #remains(path: string, random: () => number): Uint8Array {
    const durable = this.#durable.get(path) ?? new Uint8Array(0);
    if (!fs.existsSync(path)) return durable;
    const current = fs.readFileSync(path);
    const image = new Uint8Array(random() < 0.5 ? durable.length : current.length);
    for (let at = 0; at < image.length; at += SECTOR_BYTES) {
      const source = random() < 0.5 ? durable : current;
      image.set(source.subarray(at, Math.min(at + SECTOR_BYTES, image.length)), at);
    }
    return image;
  }

  /** For PowerLossFile. */
  synced(path: string): void {
    this.#durable.set(path, fs.existsSync(path) ? fs.readFileSync(path) : new Uint8Array(0));
  }

  openSync(path: string, mode: OpenMode): File {
    return new PowerLossFile(this, this.#inner.openSync(path, mode));
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    return new PowerLossFile(this, await this.#inner.open(path, mode));
  }

  statSync(path: string): FileStat {
    return this.#inner.statSync(path);
  }

  existsSync(path: string): boolean {
    return this.#inner.existsSync(path);
  }

  readdirSync(path: string): string[] {
    return this.#inner.readdirSync(path);
  }

  mkdirSync(path: string): void {
    this.#inner.mkdirSync(path);
  }

  rmdirSync(path: string): void {
    this.#inner.rmdirSync(path);
  }

  unlinkSync(path: string): void {
    this.#inner.unlinkSync(path);
  }

  unlink(path: string): Promise<void> {
    return this.#inner.unlink(path);
  }

  renameSync(from: string, to: string): void {
    this.#inner.renameSync(from, to);
    const durable = this.#durable.get(from);
    if (durable !== undefined) this.#durable.set(to, durable);
  }

  linkSync(from: string, to: string): void {
    this.#inner.linkSync(from, to);
    const durable = this.#durable.get(from);
    if (durable !== undefined) this.#durable.set(to, durable);
  }

  copy(from: string, to: string, signal?: AbortSignal): Promise<void> {
    return this.#inner.copy(from, to, signal);
  }

  syncDirectorySync(path: string): void {
    this.#inner.syncDirectorySync(path);
    this.#names.set(join(path), new Set(this.#inner.readdirSync(path)));
  }

  async syncDirectory(path: string): Promise<void> {
    const names = new Set(this.#inner.readdirSync(path)); // those of before the call: a later one need not be in
    await this.#inner.syncDirectory(path);
    this.#names.set(join(path), names);
  }

  freeBytesSync(path: string): number {
    return this.#inner.freeBytesSync(path);
  }
}

function subdirectories(root: string): string[] {
  return fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, basename(entry.name)));
}

class PowerLossFile implements File {
  readonly path: string;
  readonly #system: PowerLossFileSystem;
  readonly #inner: File;

  constructor(system: PowerLossFileSystem, inner: File) {
    this.path = join(dirname(inner.path), basename(inner.path));
    this.#system = system;
    this.#inner = inner;
  }

  readSync(target: Uint8Array, start: number, length: number, position: number): number {
    return this.#inner.readSync(target, start, length, position);
  }

  read(target: Uint8Array, start: number, length: number, position: number): Promise<number> {
    return this.#inner.read(target, start, length, position);
  }

  writeSync(source: Uint8Array, start: number, length: number, position: number): void {
    this.#inner.writeSync(source, start, length, position);
  }

  write(source: Uint8Array, start: number, length: number, position: number): Promise<void> {
    return this.#inner.write(source, start, length, position);
  }

  datasyncSync(): void {
    this.#inner.datasyncSync();
    this.#system.synced(this.path);
  }

  /** What is written while it runs counts as synced: a weaker test, never a false alarm. */
  async datasync(): Promise<void> {
    await this.#inner.datasync();
    this.#system.synced(this.path);
  }

  truncateSync(bytes: number): void {
    this.#inner.truncateSync(bytes);
  }

  sizeSync(): number {
    return this.#inner.sizeSync();
  }

  closeSync(): void {
    this.#inner.closeSync();
  }
}
