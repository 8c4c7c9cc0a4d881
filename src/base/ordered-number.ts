/**
 * Numbers as bytes in the order of their values: exactly, whether they were integers, floats or decimals, so that 42, 42.0
 * and 4.2e1 are the same bytes. The form is that of SQLite4's key encoding.
 *
 * A number is ± 0.d1 d2 d3 … × 100^E with d1 > 0, each d a digit of base 100 and the last not 0:
 *
 *   0x21  -∞                           0x30  0
 *   0x22  negative, E > 10 | ~E        0x31  positive, E < 0 | E
 *   0x23 … 0x2d  negative, E = 10 … 0  0x32 … 0x3c  positive, E = 0 … 10
 *   0x2e  negative, E < 0 | ~E         0x3d  positive, E > 10 | E
 *                                      0x3e  +∞
 *
 *   E     u16 big-endian, + 32,768
 *   d     u8: 2d + 1, and 2d of the last one, so that a number that goes on is the larger, and none is the beginning of another
 *
 * All of it behind the first byte is complemented in a negative number.
 */

import type { ByteWriter } from './byte-writer.ts';
import { SluiceError } from './errors.ts';

const MINUS_INFINITY = 0x21;
const NEGATIVE_LARGE = 0x22;
/** Of E = 0. */
const NEGATIVE = 0x2d;
const NEGATIVE_SMALL = 0x2e;
const ZERO = 0x30;
const POSITIVE_SMALL = 0x31;
/** Of E = 0. */
const POSITIVE = 0x32;
const POSITIVE_LARGE = 0x3d;
const PLUS_INFINITY = 0x3e;

/** The largest E with a byte of its own. */
const NEAR = 10;
const BIAS = 32_768;

/** `e` of a literal: more is out of range whatever the digits are. */
const EXPONENT_MAX = 1_000_000;

/** Between the signs one byte is free. */
export function isNumberByte(byte: number): boolean {
  return byte >= MINUS_INFINITY && byte <= PLUS_INFINITY && byte !== NEGATIVE_SMALL + 1;
}

export function putInfinity(out: ByteWriter, negative: boolean): void {
  out.byte(negative ? MINUS_INFINITY : PLUS_INFINITY);
}

/**
 * The number that a literal stands for: [+-] digits [. digits] [e [+-] digits], with a digit at least.
 * False, and nothing is written: it is no such literal, or its magnitude is beyond 100^±32767.
 */
export function putNumber(out: ByteWriter, text: Uint8Array, from: number, to: number): boolean {
  const literal = scan(text, from, to);
  if (literal === undefined) return false;
  const { negative, first, last, point, exponent } = literal;
  if (first === -1) {
    out.byte(ZERO);
    return true;
  }
  // The value is 0.f… × 10^tens, f being the first digit that is not 0; pairs of digits begin at an even power.
  const tens = (first < point ? point - first : point - first + 1) + exponent;
  const odd = tens % 2 !== 0;
  const e = Math.ceil(tens / 2);
  if (e < -BIAS || e >= BIAS) return false;
  putMagnitude(out, e, negative);
  const flip = negative ? 255 : 0;
  let pair = 0;
  let high = !odd;
  out.reserve(last - first + 2);
  for (let i = first; i <= last; i++) {
    if (i === point) continue;
    const digit = (text[i] as number) - 48;
    if (high) {
      pair = digit * 10;
      high = false;
      continue;
    }
    pair += digit;
    high = true;
    // The last digit is not 0, so only the last pair can be the end.
    out.byte((i === last ? pair * 2 : pair * 2 + 1) ^ flip);
    pair = 0;
  }
  if (!high) out.byte((pair * 2) ^ flip);
  return true;
}

function putMagnitude(out: ByteWriter, e: number, negative: boolean): void {
  if (e >= 0 && e <= NEAR) {
    out.byte(negative ? NEGATIVE - e : POSITIVE + e);
    return;
  }
  const biased = (e + BIAS) ^ (negative ? 0xffff : 0);
  if (e > 0) out.byte(negative ? NEGATIVE_LARGE : POSITIVE_LARGE);
  else out.byte(negative ? NEGATIVE_SMALL : POSITIVE_SMALL);
  out.byte(biased >>> 8);
  out.byte(biased & 255);
}

interface Literal {
  readonly negative: boolean;
  /** Of the first and last digits that are not 0; -1: all are. */
  readonly first: number;
  readonly last: number;
  /** Where the point is, or would be. */
  readonly point: number;
  readonly exponent: number;
}

function scan(text: Uint8Array, from: number, to: number): Literal | undefined {
  let at = from;
  const negative = text[at] === 45;
  if (at < to && (negative || text[at] === 43)) at++;
  let first = -1;
  let last = -1;
  let point = -1;
  let digits = 0;
  for (; at < to; at++) {
    const byte = text[at] as number;
    if (byte === 46 && point === -1) {
      point = at;
      continue;
    }
    if (byte < 48 || byte > 57) break;
    digits++;
    if (byte === 48) continue;
    if (first === -1) first = at;
    last = at;
  }
  if (digits === 0) return undefined;
  if (point === -1) point = at;
  const exponent = at === to ? 0 : scanExponent(text, at, to);
  return exponent === undefined ? undefined : { negative, first, last, point, exponent };
}

function scanExponent(text: Uint8Array, from: number, to: number): number | undefined {
  let at = from;
  if (text[at] !== 101 && text[at] !== 69) return undefined;
  at++;
  const negative = text[at] === 45;
  if (at < to && (negative || text[at] === 43)) at++;
  if (at === to) return undefined;
  let value = 0;
  for (; at < to; at++) {
    const byte = text[at] as number;
    if (byte < 48 || byte > 57) return undefined;
    value = Math.min(EXPONENT_MAX, value * 10 + byte - 48);
  }
  return negative ? -value : value;
}

/** A number read back: its literal without needless zeros, and where it ends. */
export interface ReadNumber {
  readonly literal: string;
  readonly to: number;
}

/** @throws SluiceError CORRUPTION where there is none at `from`. */
export function readNumber(bytes: Uint8Array, from: number): ReadNumber {
  const head = bytes[from] as number;
  if (head === MINUS_INFINITY) return { literal: '-Infinity', to: from + 1 };
  if (head === PLUS_INFINITY) return { literal: 'Infinity', to: from + 1 };
  if (head === ZERO) return { literal: '0', to: from + 1 };
  const negative = head < ZERO;
  const flip = negative ? 255 : 0;
  let at = from + 1;
  let e: number;
  if (head >= POSITIVE && head <= POSITIVE + NEAR) e = head - POSITIVE;
  else if (head <= NEGATIVE && head >= NEGATIVE - NEAR) e = NEGATIVE - head;
  else {
    if (!isNumberByte(head) || at + 2 > bytes.length) throw damaged();
    e = ((((bytes[at] as number) << 8) | (bytes[at + 1] as number)) ^ (negative ? 0xffff : 0)) - BIAS;
    at += 2;
    if ((head === NEGATIVE_LARGE || head === POSITIVE_LARGE) !== e > NEAR || (e >= 0 && e <= NEAR))
      throw damaged();
  }
  // Of each number there is one form: what has another was not written by `putNumber`.
  if (at === bytes.length || ((bytes[at] as number) ^ flip) < 2) throw damaged();
  let digits = '';
  for (;;) {
    if (at === bytes.length) throw damaged();
    const pair = (bytes[at++] as number) ^ flip;
    if (pair >= 200) throw damaged();
    digits += String(pair >>> 1).padStart(2, '0');
    if ((pair & 1) === 1) continue;
    if (pair === 0) throw damaged();
    break;
  }
  return { literal: (negative ? '-' : '') + placePoint(digits, e * 2), to: at };
}

/** The literal of 0.digits × 10^tens: with an exponent where the point is far from the digits. */
function placePoint(digits: string, tens: number): string {
  const zeros = /^0*/.exec(digits)?.[0].length ?? 0;
  const plain = digits.slice(zeros).replace(/0+$/, '');
  const whole = tens - zeros;
  if (whole >= plain.length && whole <= 400) return plain + '0'.repeat(whole - plain.length);
  if (whole > 0 && whole < plain.length) return `${plain.slice(0, whole)}.${plain.slice(whole)}`;
  if (whole <= 0 && whole > -10) return `0.${'0'.repeat(-whole)}${plain}`;
  const fraction = plain.length > 1 ? `.${plain.slice(1)}` : '';
  return `${plain[0]}${fraction}e${whole - 1}`;
}

function damaged(): SluiceError {
  return new SluiceError('CORRUPTION', 'The key is no tuple: a number in it is damaged');
}
