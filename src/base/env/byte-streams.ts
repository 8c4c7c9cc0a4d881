/** Bytes that come once and in order: standard input, and files that are pipes. */

import fs from 'node:fs';
import { systemError } from './system-error.ts';

export function standardInput(): AsyncIterable<Uint8Array> {
  return process.stdin;
}

/** A pipe by its name: made by mkfifo, or by a shell's `<(…)`. */
export async function* readPipe(path: string): AsyncIterable<Uint8Array> {
  try {
    yield* fs.createReadStream(path);
  } catch (cause) {
    throw systemError(cause, 'read', path);
  }
}
