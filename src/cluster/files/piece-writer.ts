/**
 * Writes pieces of any size behind each other: one buffer is filled while the other is written. The disk has them soon, not all at the end,
 * where somebody else's sync would have to wait for all of them.
 */

import type { File } from '../../base/env/file-system.ts';

const BUFFER_BYTES = 512 << 10;
/** Twice as much may not be on the disk yet. */
const SYNC_BYTES = 16 << 20;

export class PieceWriter {
  readonly #file: File;
  readonly #sync: (file: File) => Promise<void>;
  #filling = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #other = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #filled = 0;
  #written: number;
  #unsynced = 0;
  #adding: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();

  /** @param sync makes what is written durable; it may wait until others have */
  constructor(file: File, position: number, sync: (file: File) => Promise<void>) {
    this.#file = file;
    this.#written = position;
    this.#sync = sync;
  }

  /** Behind all that was taken. */
  get position(): number {
    return this.#written + this.#filled;
  }

  /** False: there is no room for it now, and it is not taken. */
  takes(piece: Uint8Array): boolean {
    if (piece.length > this.#filling.length - this.#filled) return false;
    this.#fill(piece);
    return true;
  }

  /** Resolves when it is taken: the piece may be written over then. */
  add(piece: Uint8Array): Promise<void> {
    this.#adding = this.#adding.then(() => this.#add(piece));
    return this.#adding;
  }

  /** All is written when it resolves; it may not be durable yet. */
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
