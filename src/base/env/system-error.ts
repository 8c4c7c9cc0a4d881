/** The one place where a system error becomes a SluiceError. */

import { type ErrorCode, isSluiceError, SluiceError } from '../errors.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'FILE_NOT_FOUND',
  ENOTDIR: 'FILE_NOT_FOUND',
  EEXIST: 'ALREADY_EXISTS',
  EACCES: 'PERMISSION',
  EPERM: 'PERMISSION',
  EROFS: 'PERMISSION',
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
};

const ADVICE: Readonly<Record<string, string>> = {
  ENOTDIR: 'a part of the path is a file, not a directory',
  EEXIST: 'it exists already',
  EACCES: 'permission denied; check the owner and mode of the file and its directory',
  EPERM: 'not permitted; check the owner and mode of the file and its directory',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device; free some and try again',
  EDQUOT: 'the disk quota is used up; free some space and try again',
  EISDIR: 'it is a directory, not a file',
  EMFILE: 'this process has too many files open; raise `ulimit -n`',
  ENFILE: 'the system has too many files open',
  EXDEV: 'the two paths are on different file systems',
  EFBIG: 'the file would be larger than the file system or `ulimit -f` allows',
  EIO: 'the device reported an I/O error; check its health',
};

/** The errno name ('ENOSPC' …) behind an error, one of ours or the system's; undefined when there is none. */
export function errnoOf(error: unknown): string | undefined {
  const source = isSluiceError(error) ? error.cause : error;
  const code = source instanceof Error && 'code' in source ? source.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/**
 * @param action what was tried, for the message: 'open', 'write 512 bytes at 0 of' …
 * @param code overrides the code that the errno stands for
 */
export function systemError(cause: unknown, action: string, path: string, code?: ErrorCode): SluiceError {
  const errno = errnoOf(cause) ?? '';
  const detail = cause instanceof Error ? cause.message : String(cause);
  const advice = ADVICE[errno];
  return new SluiceError(
    code ?? CODES[errno] ?? 'IO',
    `Could not ${action} ${path}: ${advice === undefined ? detail : `${advice} (${errno})`}`,
    { cause },
  );
}
