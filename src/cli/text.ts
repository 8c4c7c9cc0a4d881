/**
 * Keys and values as text: how they are typed, printed and read back.
 *
 * Printed lines are TSV, `key<TAB>value`, one line an entry, whatever the bytes: backslash, tab, newline and carriage
 * return are written \\ \t \n \r, and bytes that are not UTF-8, or control characters, \xNN. A value of \N says that the
 * key is deleted (as in PostgreSQL's COPY). `sst build` reads back what `scan` and `sst dump` print.
 */

import { isUtf8 } from 'node:buffer';
import { SluiceError } from '../base/errors.ts';
import { UsageError } from './command.ts';

/** In a table's or a TSV file's value column: this key is deleted. */
export const TOMBSTONE = '\\N';

const NAMED: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

export function escapeText(bytes: Uint8Array): string {
  if (isUtf8(bytes))
    return asText(bytes).replace(/[\\\p{Cc}]/gu, (char) => NAMED[char] ?? hexEscapes(Buffer.from(char)));
  let text = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    text += NAMED[char] ?? (byte >= 0x20 && byte < 0x7f ? char : hexEscapes([byte]));
  }
  return text;
}

function hexEscapes(bytes: Iterable<number>): string {
  let text = '';
  for (const byte of bytes) text += `\\x${byte.toString(16).padStart(2, '0')}`;
  return text;
}

const BACKSLASH = 0x5c;
const UNNAMED: Readonly<Record<string, number>> = { '\\': BACKSLASH, t: 9, n: 10, r: 13 };

/** @param where names the place in the input, for the message */
export function unescapeText(bytes: Uint8Array, where: string): Uint8Array {
  if (!bytes.includes(BACKSLASH)) return bytes;
  const plain = new Uint8Array(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== BACKSLASH) {
      plain[length++] = bytes[i] as number;
      continue;
    }
    const rest = Buffer.from(bytes.subarray(i + 1, i + 4)).toString('latin1');
    const named = UNNAMED[rest.charAt(0)];
    const hex = /^x([0-9a-fA-F]{2})/.exec(rest)?.[1];
    if (named === undefined && hex === undefined) {
      const message = `${where}: \\${rest.charAt(0)} is not an escape; \\\\ \\t \\n \\r \\xNN are`;
      throw new SluiceError('CORRUPTION', message);
    }
    plain[length++] = named ?? Number.parseInt(hex ?? '', 16);
    i += named === undefined ? 3 : 1;
  }
  return plain.subarray(0, length);
}

/** A key or value as given on the command line: UTF-8 text taken as it is, or hex digits. */
export function bytesOf(text: string, hex: boolean, name: string): Buffer {
  if (!hex) return Buffer.from(text, 'utf8');
  if (/^([0-9a-fA-F]{2})*$/.test(text)) return Buffer.from(text, 'hex');
  throw new UsageError(`${name} must be hex digits, two a byte, with --hex; got ${JSON.stringify(text)}`);
}

/** For a printed line. */
export function shown(bytes: Uint8Array, hex: boolean): string {
  return hex ? hexOf(bytes) : escapeText(bytes);
}

/**
 * A field of a JSON object: `{ key: text }` where the bytes are UTF-8, `{ keyHex: digits }` where they are not, or
 * where hex is asked for.
 */
export function jsonField(name: string, bytes: Uint8Array, hex: boolean): Record<string, string> {
  return hex || !isUtf8(bytes) ? { [`${name}Hex`]: hexOf(bytes) } : { [name]: asText(bytes) };
}

export function hexOf(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex');
}

function asText(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('utf8');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** 1536 → '1.5 KiB' */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

const numbers = new Intl.NumberFormat('en-US');

/** 138398 → '138,398' */
export function countText(count: number): string {
  return numbers.format(count);
}

/** '1 file', '2 files' */
export function plural(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** '1 entry', '2 entries' */
export function entriesText(count: number): string {
  return count === 1 ? '1 entry' : `${countText(count)} entries`;
}

/** Rows as aligned columns; the columns in `right` are set to the right. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
