/**
 * Tuples as keys: bytes in the order of the elements, compared one after the other; a tuple that another begins with is
 * before it. Types are ordered null, false, true, numbers, dates, strings, bytes. Each element is
 *
 *   null      0x02                 false  0x04      true  0x05
 *   number    0x21 to 0x3e and what follows: ordered-number.ts
 *   date      0x48 | milliseconds since the epoch, i64 big-endian, sign bit inverted
 *   string    0x50 | UTF-8, each 0x00 followed by 0xff | 0x00
 *   bytes     0x58 | likewise
 *
 * Numbers, bigints and Decimals are one type: of equal value they are the same key. Strings are in the order of code points.
 */

import { isUtf8 } from 'node:buffer';
import { ByteWriter } from './byte-writer.ts';
import { SluiceError } from './errors.ts';
import { isNumberByte, putInfinity, putNumber, readNumber } from './ordered-number.ts';

/** A number with all the digits that it was written with: `new Decimal('0.10000000000000000001')`. */
export class Decimal {
  readonly literal: string;

  /** @throws TypeError unless it is a decimal literal of a magnitude within 1e±65000. */
  constructor(literal: string) {
    if (typeof literal !== 'string' || !putLiteral(new ByteWriter(), literal))
      throw new TypeError(`A Decimal must be given as digits; got ${String(literal).slice(0, 64)}`);
    this.literal = literal;
  }

  toString(): string {
    return this.literal;
  }

  toJSON(): string {
    return this.literal;
  }
}

/** What a tuple may hold. NaN is not among numbers: it has no place in an order. */
export type TupleElement = null | boolean | number | bigint | Decimal | Date | string | Uint8Array;

const NULL = 0x02;
const FALSE = 0x04;
const TRUE = 0x05;
const DATE = 0x48;
const STRING = 0x50;
const BYTES = 0x58;

const SIGN = 1n << 63n;
const literals = new TextEncoder();

/** Of the elements, `encodeTuple` will see. */
export function isTuple(value: unknown): value is readonly TupleElement[] {
  return Array.isArray(value);
}

/**
 * The bounds of all tuples that begin with these elements, for range reads under any key encoding: `db.iterator(tupleRange(['user', 42]))`.
 * @throws TypeError as `encodeTuple`
 */
export function tupleRange(prefix: readonly TupleElement[]): { gte: Uint8Array; lt: Uint8Array } {
  const gte = encodeTuple(prefix, 'prefix');
  const lt = new Uint8Array(gte.length + 1);
  lt.set(gte);
  // No element begins with it.
  lt[gte.length] = 255;
  return { gte, lt };
}

/** @throws TypeError where an element has no place in the order; `argument` is its name in the message. */
export function encodeTuple(tuple: readonly TupleElement[], argument = 'tuple'): Uint8Array {
  const out = new ByteWriter(64);
  for (const element of tuple) putElement(out, element, argument);
  return out.take();
}

export function putNull(out: ByteWriter): void {
  out.byte(NULL);
}

export function putBoolean(out: ByteWriter, value: boolean): void {
  out.byte(value ? TRUE : FALSE);
}

export function putDate(out: ByteWriter, epochMs: number): void {
  const bits = BigInt.asUintN(64, BigInt(epochMs) ^ SIGN);
  out.byte(DATE);
  for (let shift = 56n; shift >= 0n; shift -= 8n) out.byte(Number((bits >> shift) & 255n));
}

export function putString(out: ByteWriter, utf8: Uint8Array, from: number, to: number): void {
  putTerminated(out, STRING, utf8, from, to);
}

export function putBytes(out: ByteWriter, bytes: Uint8Array, from: number, to: number): void {
  putTerminated(out, BYTES, bytes, from, to);
}

/** Any number but NaN. Whole ones are exact; others are the decimal that JavaScript shows, which keeps their order. */
export function putFloat(out: ByteWriter, value: number): void {
  if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) putInfinity(out, value < 0);
  else if (Number.isInteger(value) && !Number.isSafeInteger(value)) putLiteral(out, BigInt(value).toString());
  else putLiteral(out, String(value));
}

function putLiteral(out: ByteWriter, literal: string): boolean {
  const bytes = literals.encode(literal);
  return putNumber(out, bytes, 0, bytes.length);
}

function putTerminated(out: ByteWriter, type: number, bytes: Uint8Array, from: number, to: number): void {
  out.byte(type);
  let begin = from;
  for (let i = from; i < to; i++) {
    if (bytes[i] !== 0) continue;
    out.append(bytes, begin, i + 1);
    out.byte(255);
    begin = i + 1;
  }
  out.append(bytes, begin, to);
  out.byte(0);
}

function putElement(out: ByteWriter, element: unknown, argument: string): void {
  const wrong = (what: string): TypeError =>
    new TypeError(
      `${argument} must be an array of null, booleans, numbers, dates, strings and bytes; got ${what}`,
    );
  if (element === null) putNull(out);
  else if (typeof element === 'boolean') putBoolean(out, element);
  else if (typeof element === 'string') {
    if (/\p{Surrogate}/u.test(element)) throw wrong('a string with half a surrogate pair');
    const bytes = literals.encode(element);
    putString(out, bytes, 0, bytes.length);
  } else if (typeof element === 'number') {
    if (Number.isNaN(element)) throw wrong('NaN');
    putFloat(out, element);
  } else if (typeof element === 'bigint') {
    if (!putLiteral(out, element.toString())) throw wrong('a bigint of more than 65,000 digits');
  } else if (element instanceof Decimal) putLiteral(out, element.literal);
  else if (element instanceof Date) {
    if (Number.isNaN(element.getTime())) throw wrong('an invalid Date');
    putDate(out, element.getTime());
  } else if (element instanceof Uint8Array) putBytes(out, element, 0, element.length);
  else throw wrong(typeof element);
}

/**
 * The elements of a key made by `encodeTuple`. Numbers come back as number; whole ones beyond 2^53 as bigint, others that
 * no number shows as Decimal. Strings and bytes are copies.
 * @throws SluiceError CORRUPTION where it is no such key
 */
export function decodeTuple(key: Uint8Array): TupleElement[] {
  const elements: TupleElement[] = [];
  for (let at = 0; at < key.length; ) {
    const type = key[at] as number;
    if (isNumberByte(type)) {
      const { literal, to } = readNumber(key, at);
      elements.push(numberOf(literal));
      at = to;
      continue;
    }
    at++;
    if (type === NULL) elements.push(null);
    else if (type === FALSE || type === TRUE) elements.push(type === TRUE);
    else if (type === DATE) {
      if (at + 8 > key.length) throw damaged('a date in it is cut short');
      elements.push(dateAt(key, at));
      at += 8;
    } else if (type === STRING || type === BYTES) {
      const end = endOfTerminated(key, at);
      const bytes = unescaped(key, at, end);
      if (type === STRING && !isUtf8(bytes)) throw damaged('a string in it is not UTF-8');
      elements.push(type === STRING ? Buffer.from(bytes.buffer, 0, bytes.length).toString('utf8') : bytes);
      at = end + 1;
    } else throw damaged(`byte ${at - 1} of it is no type`);
  }
  return elements;
}

function numberOf(literal: string): number | bigint | Decimal {
  const value = Number(literal);
  if (/^-?\d+$/.test(literal)) return Number.isSafeInteger(value) ? value : BigInt(literal);
  if (!Number.isFinite(value)) return /Infinity$/.test(literal) ? value : new Decimal(literal);
  return sameNumber(literal, value) ? value : new Decimal(literal);
}

/** Whether the number encodes as the literal does. */
function sameNumber(literal: string, value: number): boolean {
  const [a, b] = [new ByteWriter(64), new ByteWriter(64)];
  putLiteral(a, literal);
  putFloat(b, value);
  return Buffer.compare(a.take(), b.take()) === 0;
}

function dateAt(key: Uint8Array, at: number): Date {
  let bits = 0n;
  for (let i = 0; i < 8; i++) bits = (bits << 8n) | BigInt(key[at + i] as number);
  const date = new Date(Number(BigInt.asIntN(64, bits ^ SIGN)));
  if (Number.isNaN(date.getTime())) throw damaged('a date in it is out of range');
  return date;
}

function endOfTerminated(key: Uint8Array, from: number): number {
  for (let i = from; i < key.length; i++) {
    if (key[i] !== 0) continue;
    if (key[i + 1] !== 255) return i;
    i++;
  }
  throw damaged('a string in it does not end');
}

function unescaped(key: Uint8Array, from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(to - from);
  let length = 0;
  for (let i = from; i < to; i++) {
    bytes[length++] = key[i] as number;
    if (key[i] === 0) i++;
  }
  return bytes.subarray(0, length);
}

function damaged(what: string): SluiceError {
  return new SluiceError('CORRUPTION', `The key is no tuple: ${what}; read it with another encoding`);
}
