/** Lines of a byte stream, without decoding: what is between newlines, a carriage return before one left out. */

import { SluiceError } from '../base/errors.ts';

/** A value of 1 GiB, its key, and room for escapes of some of it. */
const LINE_BYTES_MAX = 1.5 * 2 ** 30;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Yields the lines of each chunk together: one await a chunk, none a line. The lines are valid until the next step. */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array[], void, undefined> {
  let begun: Uint8Array[] = [];
  let begunBytes = 0;
  for await (const chunk of chunks) {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const piece = chunk.subarray(start, end);
      lines.push(trimmed(begun.length === 0 ? piece : Buffer.concat([...begun, piece])));
      begun = [];
      begunBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      begun.push(chunk.subarray(start));
      begunBytes += chunk.length - start;
      if (begunBytes > LINE_BYTES_MAX) {
        throw new SluiceError('INVALID_VALUE', `A line of the input is longer than ${LINE_BYTES_MAX} bytes`);
      }
    }
    if (lines.length > 0) yield lines;
  }
  if (begun.length > 0) yield [trimmed(Buffer.concat(begun))];
}

function trimmed(line: Uint8Array): Uint8Array {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line;
}
