/** What text begins with that is none of it. */

import { SluiceError } from '../../base/errors.ts';

/** As many bytes must be seen, where there are as many. */
export const MARK_BYTES = 3;

/** The length of the mark of UTF-8 at the beginning, or 0. @throws SluiceError BAD_INPUT where the text is UTF-16 */
export function markLength(bytes: Uint8Array, end: number, source: string): number {
  const [a, b, c] = bytes;
  if (end >= 2 && ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)))
    throw new SluiceError('BAD_INPUT', `${source} is UTF-16; convert it to UTF-8`);
  return end >= MARK_BYTES && a === 0xef && b === 0xbb && c === 0xbf ? MARK_BYTES : 0;
}
