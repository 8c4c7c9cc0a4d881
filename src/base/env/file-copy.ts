/**
 * Copies byte by byte, where a file system has no reflinks. In small pieces, for the sake of others on the same core: node-file.ts.
 */

import fs from 'node:fs';
import { isSluiceError, throwIfAborted } from '../errors.ts';
import type { File, FileSystem } from './file-system.ts';
import { errnoOf, systemError } from './system-error.ts';

/** Each costs this thread two trips to another. */
const PIECE_BYTES = 256 << 10;
/** Where there are no trips. */
const PIECE_BYTES_SYNC = 64 << 10;
/**
 * Of a copy, what may not be on the disk yet. Where a file system makes its journal durable only together with what other files
 * have in memory, somebody else's sync would wait for all of a large copy.
 */
const UNSYNCED_BYTES = 16 << 20;

const { COPYFILE_EXCL, COPYFILE_FICLONE_FORCE } = fs.constants;
const REFLINK = COPYFILE_EXCL | COPYFILE_FICLONE_FORCE;

/** A reflink; false where it cannot be had. `to` must not exist. */
export async function reflink(from: string, to: string): Promise<boolean> {
  try {
    await fs.promises.copyFile(from, to, REFLINK);
    return true;
  } catch (cause) {
    return noReflink(cause, from, to);
  }
}

function reflinkSync(from: string, to: string): boolean {
  try {
    fs.copyFileSync(from, to, REFLINK);
    return true;
  } catch (cause) {
    return noReflink(cause, from, to);
  }
}

/** Throws what would stop a copy too. */
function noReflink(cause: unknown, from: string, to: string): false {
  const errno = errnoOf(cause);
  if (errno !== 'ENOENT' && errno !== 'EEXIST' && errno !== 'EACCES') return false;
  throw systemError(cause, `copy to ${to}`, from);
}

/** Leaves no partial copy behind, whatever stops it. Not synced. */
export async function copyInPieces(
  system: FileSystem,
  from: string,
  to: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const source = await system.open(from, 'read');
  try {
    const target = await system.open(to, 'create');
    try {
      const piece = pieceFor(source, PIECE_BYTES);
      let unsynced = 0;
      for (let position = 0; ; ) {
        throwIfAborted(signal);
        const n = await source.read(piece, 0, piece.length, position);
        if (n === 0) break;
        await target.write(piece, 0, n, position);
        position += n;
        unsynced += n;
        if (unsynced < UNSYNCED_BYTES) continue;
        await target.datasync();
        unsynced = 0;
      }
      target.closeSync();
    } catch (error) {
      target.closeSync();
      removePartial(system, to);
      throw error;
    }
  } finally {
    source.closeSync();
  }
}

/**
 * As `FileSystem.copy`, for a thread that has nothing else to do. Tells `onBytes` of bytes that are copied: what that throws ends it.
 * Leaves no partial copy behind.
 */
export function copyFileSync(
  system: FileSystem,
  from: string,
  to: string,
  onBytes: (bytes: number) => void,
): void {
  if (reflinkSync(from, to)) return;
  const source = system.openSync(from, 'read');
  try {
    const target = system.openSync(to, 'create');
    try {
      const piece = pieceFor(source, PIECE_BYTES_SYNC);
      let unsynced = 0;
      for (let position = 0; ; ) {
        const n = source.readSync(piece, 0, piece.length, position);
        if (n === 0) break;
        target.writeSync(piece, 0, n, position);
        position += n;
        unsynced += n;
        onBytes(n);
        if (unsynced < UNSYNCED_BYTES) continue;
        target.datasyncSync();
        unsynced = 0;
      }
      target.closeSync();
    } catch (error) {
      target.closeSync();
      removePartial(system, to);
      throw error;
    }
  } finally {
    source.closeSync();
  }
}

function pieceFor(source: File, bytesMax: number): Uint8Array {
  return new Uint8Array(Math.max(1, Math.min(bytesMax, source.sizeSync())));
}

function removePartial(system: FileSystem, path: string): void {
  try {
    system.unlinkSync(path);
  } catch (error) {
    if (!isSluiceError(error, 'FILE_NOT_FOUND')) throw error;
  }
}
