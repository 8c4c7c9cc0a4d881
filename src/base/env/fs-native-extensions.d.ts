/** The package has no types of its own. */
declare module 'fs-native-extensions' {
  /** An exclusive lock of the open file on [offset, offset + length); false when another open file has it. */
  export function tryLock(fd: number, offset?: number, length?: number): boolean;
  export function unlock(fd: number, offset?: number, length?: number): void;
}
