/**
 * Writes pieces of any size behind each other. The disk has them soon, not all at the end, where somebody else's sync would have to wait
 * for all of them.
 */

import type { File } from '../../base/env/file-system.ts';

/** After so much it waits for others, and may be waited for. */
const BUFFER_BYTES = 512 << 10;
/** Twice as much may not be on the disk yet. */
const SYNC_BYTES = 16 << 20;

/** Makes durable what is written to a file; it may wait until others have. */
export type SyncFile = (file: File) => Promise<void>;

export interface PieceWriter {
  /** Behind all that was taken. */
  readonly position: number;
  /** False: it is not taken, for it would have to wait. */
  takes(piece: Uint8Array): boolean;
  /** Resolves when it is taken: the piece may be written over then. */
  add(piece: Uint8Array): Promise<void>;
  /** All is written when it resolves; it may not be durable yet. */
  end(): Promise<void>;
}

/**
 * For a thread that the system may hold: pieces are written as they come. No thread of Node's pool is held while too much waits for the
 * disk, so others have them for reads.
 */
export class HeldWriter implements PieceWriter {
  readonly #file: File;
  readonly #sync: SyncFile;
  #written: number;
  #taken = 0;
  #unsynced = 0;
  #adding: Promise<void> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();

  constructor(file: File, position: number, sync: SyncFile) {
    this.#file = file;
    this.#written = position;
    this.#sync = sync;
  }

  get position(): number {
    return this.#written;
  }

  takes(piece: Uint8Array): boolean {
    if (this.#taken + piece.length > BUFFER_BYTES) return false;
    this.#write(piece);
    return true;
  }

  add(piece: Uint8Array): Promise<void> {
    this.#adding = this.#adding.then(() => this.#add(piece));
    return this.#adding;
  }

  async end(): Promise<void> {
    await this.#adding;
    await this.#syncing;
  }

  async #add(piece: Uint8Array): Promise<void> {
    this.#taken = 0;
    this.#write(piece);
    if (this.#unsynced < SYNC_BYTES) return;
    await this.#syncing;
    this.#unsynced = 0;
    this.#syncing = this.#sync(this.#file);
    this.#syncing.catch(() => undefined); // told where it is awaited
  }

  #write(piece: Uint8Array): void {
    this.#file.writeSync(piece, 0, piece.length, this.#written);
    this.#written += piece.length;
    this.#taken += piece.length;
    this.#unsynced += piece.length;
  }
}

/** For a thread with other work: one buffer is filled while the other is written. */
export class BufferedWriter implements PieceWriter {
  readonly #file: File;
  readonly #sync: SyncFile;
  #filling = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #other = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #filled = 0;
  #written: number;
  #unsynced = 0;
  #adding: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();

  constructor(file: File, position: number, sync: SyncFile) {
    this.#file = file;
    this.#written = position;
    this.#sync = sync;
  }

  get position(): number {
    return this.#written + this.#filled;
  }

  takes(piece: Uint8Array): boolean {
    if (piece.length > this.#filling.length - this.#filled) return false;
    this.#fill(piece);
    return true;
  }

  add(piece: Uint8Array): Promise<void> {
    this.#adding = this.#adding.then(() => this.#add(piece));
    return this.#adding;
  }

  async end(): Promise<void> {
    await this.#adding;
    if (this.#filled > 0) await this.#flush();
    await this.#writing;
    await this.#syncing;
  }

  async #add(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      const room = this.#filling.length - this.#filled;
      if (room === 0) await this.#flush();
      else {
        this.#fill(piece.subarray(at, at + room));
        at += room;
      }
    }
  }

  #fill(piece: Uint8Array): void {
    this.#filling.set(piece, this.#filled);
    this.#filled += piece.length;
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const [buffer, bytes] = [this.#filling, this.#filled];
    this.#writing = this.#file.write(buffer, 0, bytes, this.#written);
    this.#writing.catch(() => undefined); // told where it is awaited
    this.#written += bytes;
    this.#unsynced += bytes;
    this.#filled = 0;
    [this.#filling, this.#other] = [this.#other, buffer];
    if (this.#unsynced < SYNC_BYTES) return;
    await this.#syncing;
    this.#unsynced = 0;
    this.#syncing = this.#writing.then(() => this.#sync(this.#file));
    this.#syncing.catch(() => undefined); // told where it is awaited
  }
}
