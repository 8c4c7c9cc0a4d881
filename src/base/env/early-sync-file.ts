/**
 * A file whose bytes are sent to the disk while it is written, not all at its end: otherwise whoever syncs another file meanwhile
 * (the manifest, the log) waits for the hundreds of megabytes that have gathered. RocksDB calls it bytes_per_sync.
 */

import type { File } from './file-system.ts';

const SYNC_BYTES = 4 << 20;

export class EarlySyncFile implements File {
  readonly path: string;
  readonly #file: File;
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  /** The system tells it once: `datasync` must not say later that all is well. */
  #failure: unknown;

  constructor(file: File) {
    this.path = file.path;
    this.#file = file;
  }

  writeSync(source: Uint8Array, start: number, length: number, position: number): void {
    this.#file.writeSync(source, start, length, position);
    this.#wrote(length);
  }

  async write(source: Uint8Array, start: number, length: number, position: number): Promise<void> {
    await this.#file.write(source, start, length, position);
    this.#wrote(length);
  }

  #wrote(length: number): void {
    this.#unsynced += length;
    if (this.#unsynced < SYNC_BYTES || this.#syncing !== undefined) return;
    this.#unsynced = 0;
    this.#syncing = this.#file
      .datasync()
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  async datasync(): Promise<void> {
    await this.#syncing;
    this.#checkSynced();
    await this.#file.datasync();
  }

  datasyncSync(): void {
    this.#checkSynced();
    this.#file.datasyncSync();
  }

  #checkSynced(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  readSync(target: Uint8Array, start: number, length: number, position: number): number {
    return this.#file.readSync(target, start, length, position);
  }

  read(target: Uint8Array, start: number, length: number, position: number): Promise<number> {
    return this.#file.read(target, start, length, position);
  }

  truncateSync(bytes: number): void {
    this.#file.truncateSync(bytes);
  }

  sizeSync(): number {
    return this.#file.sizeSync();
  }

  closeSync(): void {
    this.#file.closeSync();
  }
}
