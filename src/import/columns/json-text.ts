/** JSON text written from bytes: no digit is lost and nothing becomes an object. */

import { isUtf8 } from 'node:buffer';
import type { ByteWriter } from '../../base/byte-writer.ts';

const QUOTE = 34;
const BACKSLASH = 92;
const HEX = '0123456789abcdef';

/** A string. False: the bytes are not UTF-8, and what is written is of no use. */
export function putJsonString(out: ByteWriter, utf8: Uint8Array, from: number, to: number): boolean {
  out.byte(QUOTE);
  out.reserve(to - from);
  let { bytes, length } = out;
  let high = 0;
  // Copying and looking in one loop: text is short, and a call for each part of it costs more.
  for (let i = from; i < to; i++) {
    const byte = utf8[i] as number;
    if (byte >= 32 && byte !== QUOTE && byte !== BACKSLASH) {
      bytes[length++] = byte;
      high |= byte;
      continue;
    }
    out.length = length;
    out.byte(BACKSLASH);
    if (byte >= 32) out.byte(byte);
    else putControl(out, byte);
    out.reserve(to - i);
    bytes = out.bytes;
    length = out.length;
  }
  out.length = length;
  out.byte(QUOTE);
  return high < 128 || isUtf8(utf8.subarray(from, to));
}

function putControl(out: ByteWriter, byte: number): void {
  const short = SHORT.get(byte);
  if (short !== undefined) out.byte(short.charCodeAt(0));
  else out.text(`u00${HEX[byte >>> 4]}${HEX[byte & 15]}`);
}

const SHORT: ReadonlyMap<number, string> = new Map([
  [8, 'b'],
  [9, 't'],
  [10, 'n'],
  [12, 'f'],
  [13, 'r'],
]);

/** A whole number as JSON writes it: without plus and leading zeros. */
export function putJsonInt(out: ByteWriter, digits: Uint8Array, from: number, to: number): void {
  let at = from;
  const negative = digits[at] === 45;
  if (negative || digits[at] === 43) at++;
  while (at < to - 1 && digits[at] === 48) at++;
  if (negative && digits[at] !== 48) out.byte(45);
  out.append(digits, at, to);
}
