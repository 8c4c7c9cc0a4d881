/** Where a path leads once all symbolic links in it are followed. */

import fs from 'node:fs';
import { systemError } from './system-error.ts';

/** @throws SluiceError FILE_NOT_FOUND, PERMISSION … */
export function realPathSync(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch (cause) {
    throw systemError(cause, 'resolve', path);
  }
}
