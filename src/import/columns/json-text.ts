/** JSON text written from bytes: no digit is lost and nothing becomes an object. */

import type { ByteWriter } from '../../base/byte-writer.ts';

const QUOTE = 34;
const BACKSLASH = 92;
const HEX = '0123456789abcdef';

/** A string; the bytes are UTF-8. */
export function putJsonString(out: ByteWriter, utf8: Uint8Array, from: number, to: number): void {
  out.byte(QUOTE);
  let begin = from;
  for (let i = from; i < to; i++) {
    const byte = utf8[i] as number;
    if (byte >= 32 && byte !== QUOTE && byte !== BACKSLASH) continue;
    out.append(utf8, begin, i);
    begin = i + 1;
    out.byte(BACKSLASH);
    if (byte >= 32) out.byte(byte);
    else putControl(out, byte);
  }
  out.append(utf8, begin, to);
  out.byte(QUOTE);
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
