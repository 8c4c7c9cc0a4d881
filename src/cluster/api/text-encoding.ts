/** Keys and values in JSON, which has no bytes: as UTF-8, base64 or hex. */

import type { Fields } from '../json-fields.ts';

export type TextEncoding = 'utf8' | 'base64' | 'hex';

export const TEXT_ENCODINGS: readonly TextEncoding[] = ['utf8', 'base64', 'hex'];

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What the request says; UTF-8 where it says nothing. */
export function encodingOf(body: Fields): TextEncoding {
  return body.choice('encoding', TEXT_ENCODINGS) ?? 'utf8';
}

/** @throws TypeError for what is not in the encoding: Buffer.from passes over such characters */
export function toBytes(text: unknown, encoding: TextEncoding, argument: string): Buffer {
  if (typeof text !== 'string') throw new TypeError(`${argument} must be a string`);
  const bytes = Buffer.from(text, encoding);
  if (encoding === 'utf8') return bytes;
  const canonical = encoding === 'hex' ? text.toLowerCase() : text;
  if (bytes.toString(encoding) !== canonical) throw new TypeError(`${argument} must be ${encoding}`);
  return bytes;
}

/** @throws TypeError for bytes that are no UTF-8, where that was asked for: a character in their place would be another value */
export function toText(bytes: Uint8Array, encoding: TextEncoding): string {
  if (encoding !== 'utf8')
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding);
  try {
    return utf8.decode(bytes);
  } catch {
    throw new TypeError('encoding must be base64 or hex: what is to be answered is not UTF-8');
  }
}
