/**
 * The text of typed columns: what each type takes, without spaces around it.
 *
 *   int      [+-] digits, of any size             bool    true, false, t, f, yes, no, y, n, 1, 0 in any case
 *   float    a decimal literal; not NaN or Inf    hex     pairs of digits of base 16
 *   decimal  the same, all digits kept            base64  with or without padding, also of the URL alphabet
 *   date     yyyy-mm-dd, and behind a T or a space hh:mm[:ss[.fff]] and Z, ±hh:mm or nothing, which is UTC
 */

import { unreachable } from '../../base/assert.ts';
import type { ColumnType } from '../../import-options.ts';

const SPACE = 32;

/** A range without the spaces around it, found by `trim`; and what `readDate` and `readBool` read. */
export class TypedText {
  from = 0;
  to = 0;
  epochMs = 0;
  truth = false;

  /** Whether the range is a text of the type; then `from`, `to` and the reading are set. */
  read(type: ColumnType, bytes: Uint8Array, from: number, to: number): boolean {
    this.#trim(bytes, from, to);
    switch (type) {
      case 'text':
        this.from = from;
        this.to = to;
        return true;
      case 'int':
        return isInt(bytes, this.from, this.to);
      case 'float':
      case 'decimal':
        return isDecimal(bytes, this.from, this.to);
      case 'bool':
        return this.#readBool(bytes);
      case 'date':
        return this.#readDate(bytes);
      case 'hex':
        return (this.to - this.from) % 2 === 0 && allOf(HEX, bytes, this.from, this.to);
      case 'base64':
        return isBase64(bytes, this.from, this.to);
      default:
        return unreachable(type);
    }
  }

  #trim(bytes: Uint8Array, from: number, to: number): void {
    while (from < to && (bytes[from] as number) <= SPACE) from++;
    while (to > from && (bytes[to - 1] as number) <= SPACE) to--;
    this.from = from;
    this.to = to;
  }

  #readBool(bytes: Uint8Array): boolean {
    if (this.to - this.from > 5) return false;
    const truth = BOOLS.get(latin1(bytes, this.from, this.to).toLowerCase());
    this.truth = truth === true;
    return truth !== undefined;
  }

  #readDate(bytes: Uint8Array): boolean {
    const { from, to } = this;
    const year = digits(bytes, from, 4, to);
    const month = digits(bytes, from + 5, 2, to);
    const day = digits(bytes, from + 8, 2, to);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return false;
    if (bytes[from + 4] !== 45 || bytes[from + 7] !== 45) return false;
    this.epochMs = epochDays(year, month, day) * 86_400_000;
    if (to === from + 10) return true;
    const time = TIME.exec(latin1(bytes, from + 10, to));
    if (time === null) return false;
    const [
      ,
      hours = '',
      minutes = '',
      seconds = '0',
      fraction = '',
      sign = '',
      offsetH = '0',
      offsetM = '0',
    ] = time;
    if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return false;
    if (Number(offsetH) > 23 || Number(offsetM) > 59) return false;
    const offsetMinutes = (Number(offsetH) * 60 + Number(offsetM)) * (sign === '-' ? -1 : 1);
    const wholeMs = ((Number(hours) * 60 + Number(minutes) - offsetMinutes) * 60 + Number(seconds)) * 1000;
    this.epochMs += wholeMs + Number(fraction.padEnd(3, '0'));
    return true;
  }
}

/** Finer fractions than a millisecond would be lost: only zeros may follow. */
const TIME = /^[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,3})0*)?)?(?:Z|([+-])(\d\d):?(\d\d)?)?$/i;

const BOOLS: ReadonlyMap<string, boolean> = new Map([
  ...['true', 't', 'yes', 'y', '1'].map((word): [string, boolean] => [word, true]),
  ...['false', 'f', 'no', 'n', '0'].map((word): [string, boolean] => [word, false]),
]);

const HEX = alphabet('0123456789abcdefABCDEF');
const BASE64 = alphabet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_');

function alphabet(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}

function allOf(table: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (table[bytes[i] as number] === 0) return false;
  return true;
}

function isBase64(bytes: Uint8Array, from: number, to: number): boolean {
  let end = to;
  while (end > from && to - end < 2 && bytes[end - 1] === 61) end--;
  if (end < to && (to - from) % 4 !== 0) return false;
  return (end - from) % 4 !== 1 && allOf(BASE64, bytes, from, end);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 48 && byte <= 57;
}

export function isInt(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  if (bytes[at] === 45 || bytes[at] === 43) at++;
  if (at >= to) return false;
  for (; at < to; at++) if (!isDigit(bytes[at])) return false;
  return true;
}

function isDecimal(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  if (bytes[at] === 45 || bytes[at] === 43) at++;
  const begin = at;
  while (at < to && isDigit(bytes[at])) at++;
  let count = at - begin;
  if (at < to && bytes[at] === 46) {
    const fraction = ++at;
    while (at < to && isDigit(bytes[at])) at++;
    count += at - fraction;
  }
  if (count === 0) return false;
  if (at === to) return true;
  return (bytes[at] === 101 || bytes[at] === 69) && isInt(bytes, at + 1, to);
}

/** So many digits as a number; -1 where they are not there. */
function digits(bytes: Uint8Array, from: number, count: number, to: number): number {
  if (from + count > to) return -1;
  let value = 0;
  for (let i = from; i < from + count; i++) {
    if (!isDigit(bytes[i])) return -1;
    value = value * 10 + (bytes[i] as number) - 48;
  }
  return value;
}

function daysOf(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** Days since 1970-01-01 of the proleptic Gregorian calendar, its years beginning in March (H. Hinnant). */
function epochDays(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

export function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}
