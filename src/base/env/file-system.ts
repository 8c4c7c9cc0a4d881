/**
 * The file system as the engine sees it. Everything that touches a disk goes through this interface, so that a test
 * can lose unsynced bytes, tear a write, return ENOSPC or crash at any call.
 *
 * Failures are thrown as SluiceError (FILE_NOT_FOUND, PERMISSION, NO_SPACE, IO …) whose `cause` is the system's.
 */

/** An open file. Reads and writes are positional; nothing has a cursor. */
export interface File {
  readonly path: string;
  /** Reads up to `length` bytes into target[start …]; returns how many (fewer only at the end of the file). */
  readSync(target: Uint8Array, start: number, length: number, position: number): number;
  read(target: Uint8Array, start: number, length: number, position: number): Promise<number>;
  /** Writes all of source[start … start + length): loops on short writes. */
  writeSync(source: Uint8Array, start: number, length: number, position: number): void;
  write(source: Uint8Array, start: number, length: number, position: number): Promise<void>;
  /** fdatasync: bytes and size are durable after it, not the directory entry. */
  datasyncSync(): void;
  datasync(): Promise<void>;
  truncateSync(bytes: number): void;
  sizeSync(): number;
  closeSync(): void;
}

export interface FileStat {
  readonly bytes: number;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly modifiedMs: number;
  /** Device and inode, as one string: two paths with the same identity are the same file. */
  readonly identity: string;
}

export type OpenMode =
  | 'read' // must exist
  | 'create' // read and write; must not exist
  | 'update'; // read and write; must exist

export interface FileSystem {
  openSync(path: string, mode: OpenMode): File;
  open(path: string, mode: OpenMode): Promise<File>;
  statSync(path: string): FileStat;
  existsSync(path: string): boolean;
  readdirSync(path: string): string[];
  mkdirSync(path: string): void;
  /** Of an empty directory. */
  rmdirSync(path: string): void;
  unlinkSync(path: string): void;
  unlink(path: string): Promise<void>;
  renameSync(from: string, to: string): void;
  /** A hard link; IO with cause EXDEV, EPERM … where that cannot be. */
  linkSync(from: string, to: string): void;
  /** Copies as a reflink where the file system can, else byte by byte. `to` must not exist. Not synced. */
  copy(from: string, to: string, signal?: AbortSignal): Promise<void>;
  /** fsync of a directory: names made or removed in it are durable after it. */
  syncDirectorySync(path: string): void;
  syncDirectory(path: string): Promise<void>;
  /** Free bytes for an unprivileged user on the file system that holds `path`. */
  freeBytesSync(path: string): number;
}
