/**
 * Values of Parquet columns as cells. Columns without others in them come as their physical type has them, since what
 * hyparquet makes of decimals and timestamps loses digits:
 *
 *   integers, decimals        their digits, all of them
 *   floats                    the fewest digits that read back the same; NaN and infinities as text
 *   strings, enums, UUIDs     text                      JSON           as it is
 *   dates, timestamps         ISO 8601, without Z where they are local; finer than a millisecond it is text, not a date
 *   times of day, intervals   the number, the bytes     other bytes    as they are
 *
 * A struct, list or map is its JSON; decimals within it are floats, and bytes base64.
 */

import type { SchemaElement } from 'hyparquet';
import { unreachable } from '../../../base/assert.ts';
import {
  BYTES,
  type CellKind,
  type Cells,
  DATE,
  FALSE,
  JSON_TEXT,
  NULL,
  NUMBER,
  TEXT,
  TRUE,
} from '../../columns/cells.ts';
import { shortestFloat } from '../shortest-float.ts';

type Conversion =
  | {
      readonly to: 'value' | 'float' | 'half' | 'text' | 'json' | 'bytes' | 'uuid' | 'date' | 'nested';
    }
  | { readonly to: 'unsigned'; readonly bits: number }
  | { readonly to: 'decimal'; readonly scale: number }
  | { readonly to: 'timestamp'; readonly perSecond: bigint; readonly utc: boolean };

const MILLIS = 1000n;
const MICROS = 1_000_000n;
const NANOS = 1_000_000_000n;

/** `element`: of a column without others in it. */
function conversionOf(element: SchemaElement | undefined): Conversion {
  if (element === undefined) return { to: 'nested' };
  const { type, converted_type: converted, logical_type: logical } = element;
  if (type === 'INT96') return { to: 'timestamp', perSecond: NANOS, utc: false };
  if (type === 'FLOAT') return { to: 'float' };
  switch (logical?.type) {
    case 'DECIMAL':
      return { to: 'decimal', scale: logical.scale };
    case 'TIMESTAMP': {
      const perSecond = { MILLIS, MICROS, NANOS }[logical.unit];
      return { to: 'timestamp', perSecond, utc: logical.isAdjustedToUTC };
    }
    case 'INTEGER':
      return logical.isSigned ? { to: 'value' } : unsigned(type);
    case 'UUID':
      return { to: 'uuid' };
    case 'FLOAT16':
      return { to: 'half' };
    case 'STRING':
    case 'ENUM':
      return { to: 'text' };
    case 'JSON':
      return { to: 'json' };
    case 'DATE':
      return { to: 'date' };
    default:
  }
  switch (converted) {
    case 'DECIMAL':
      return { to: 'decimal', scale: element.scale ?? 0 };
    case 'TIMESTAMP_MILLIS':
      return { to: 'timestamp', perSecond: MILLIS, utc: true };
    case 'TIMESTAMP_MICROS':
      return { to: 'timestamp', perSecond: MICROS, utc: true };
    case 'UINT_8':
    case 'UINT_16':
    case 'UINT_32':
    case 'UINT_64':
      return unsigned(type);
    case 'UTF8':
    case 'ENUM':
      return { to: 'text' };
    case 'JSON':
      return { to: 'json' };
    case 'DATE':
      return { to: 'date' };
    default:
      return { to: type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY' ? 'bytes' : 'value' };
  }
}

function unsigned(type: SchemaElement['type']): Conversion {
  return { to: 'unsigned', bits: type === 'INT32' ? 32 : 64 };
}

const SCRATCH_BYTES = 64;

/** Puts the values of one column into its cell. */
export class ColumnValue {
  readonly #slot: number;
  readonly #conversion: Conversion;
  readonly #scratch = Buffer.alloc(SCRATCH_BYTES);

  constructor(slot: number, element: SchemaElement | undefined) {
    this.#slot = slot;
    this.#conversion = conversionOf(element);
  }

  put(cells: Cells, value: unknown): void {
    if (value === undefined || value === null) cells.set(this.#slot, NULL, this.#scratch, 0, 0);
    else if (this.#conversion.to === 'nested') this.#text(cells, JSON_TEXT, nestedJson(value));
    else if (value instanceof Uint8Array) this.#bytes(cells, value);
    else if (typeof value === 'boolean') this.#text(cells, value ? TRUE : FALSE, String(value));
    else if (typeof value === 'bigint') this.#integer(cells, value);
    else this.#number(cells, Number(value));
  }

  #bytes(cells: Cells, value: Uint8Array): void {
    const conversion = this.#conversion;
    switch (conversion.to) {
      case 'text':
        cells.set(this.#slot, TEXT, value, 0, value.length);
        return;
      case 'json':
        cells.set(this.#slot, JSON_TEXT, value, 0, value.length);
        return;
      case 'uuid':
        this.#text(cells, TEXT, uuidText(value));
        return;
      case 'half':
        this.#number(cells, halfFloat(value));
        return;
      case 'decimal':
        this.#text(cells, NUMBER, decimalText(integerOf(value), conversion.scale));
        return;
      case 'value':
      case 'unsigned':
      case 'float':
      case 'bytes':
      case 'date':
      case 'timestamp':
      case 'nested':
        cells.set(this.#slot, BYTES, value, 0, value.length);
        return;
      default:
        unreachable(conversion);
    }
  }

  #integer(cells: Cells, value: bigint): void {
    const conversion = this.#conversion;
    if (conversion.to === 'decimal') this.#text(cells, NUMBER, decimalText(value, conversion.scale));
    else if (conversion.to === 'unsigned')
      this.#text(cells, NUMBER, String(BigInt.asUintN(conversion.bits, value)));
    else if (conversion.to !== 'timestamp') this.#text(cells, NUMBER, String(value));
    else {
      const iso = isoTimestamp(value, conversion.perSecond, conversion.utc);
      const kind = conversion.perSecond === MILLIS ? DATE : TEXT;
      this.#text(cells, iso === undefined ? NUMBER : kind, iso ?? String(value));
    }
  }

  #number(cells: Cells, value: number): void {
    const { to } = this.#conversion;
    if (to === 'decimal' || to === 'timestamp') this.#integer(cells, BigInt(value));
    else if (!Number.isFinite(value)) this.#text(cells, TEXT, String(value));
    else if (to === 'float') this.#text(cells, NUMBER, shortestFloat(value));
    else if (to === 'unsigned') this.#text(cells, NUMBER, String(value >>> 0));
    else if (to === 'date') this.#text(cells, DATE, isoDate(value) ?? String(value));
    else this.#text(cells, NUMBER, String(value));
  }

  #text(cells: Cells, kind: CellKind, text: string): void {
    // Of all but JSON, which is UTF-8, a character is a byte.
    const fits = kind !== JSON_TEXT && text.length <= SCRATCH_BYTES;
    const bytes = fits ? this.#scratch : Buffer.from(text, 'utf8');
    const length = fits ? this.#scratch.write(text, 'latin1') : bytes.length;
    cells.set(this.#slot, kind, bytes, 0, length);
  }
}

/** Undefined: beyond the years that have an ISO form. */
export function isoDate(days: number): string | undefined {
  return iso(days * 86_400_000)?.slice(0, -'T00:00:00.000Z'.length);
}

/** With all digits of the second that the unit has, so that the texts sort as the times do. */
export function isoTimestamp(ticks: bigint, perSecond: bigint, utc: boolean): string | undefined {
  const inSecond = ((ticks % perSecond) + perSecond) % perSecond;
  const whole = iso(Number((ticks - inSecond) / perSecond) * 1000);
  if (whole === undefined) return undefined;
  const fraction = String(inSecond).padStart(String(perSecond).length - 1, '0');
  return `${whole.slice(0, -'000Z'.length)}${fraction}${utc ? 'Z' : ''}`;
}

const ISO_MS_MAX = 8.64e15;

function iso(ms: number): string | undefined {
  return Math.abs(ms) <= ISO_MS_MAX ? new Date(ms).toISOString() : undefined;
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return String(unscaled * 10n ** BigInt(-scale));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Two's complement, the highest byte first. */
function integerOf(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${hexOf(bytes)}`));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function uuidText(bytes: Uint8Array): string {
  const hex = hexOf(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function halfFloat(bytes: Uint8Array): number {
  const bits = ((bytes[1] ?? 0) << 8) | (bytes[0] ?? 0);
  const [exponent, fraction] = [(bits >>> 10) & 31, bits & 1023];
  const sign = bits >>> 15 === 0 ? 1 : -1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? 2 ** -24 * fraction : 2 ** (exponent - 15) * (1 + fraction / 1024));
}

function nestedJson(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return `[${Array.from(value as ArrayLike<unknown>, nestedJson).join(',')}]`;
  if (typeof value === 'object') {
    const members = Object.entries(value).map(([name, of]) => `${JSON.stringify(name)}:${nestedJson(of)}`);
    return `{${members.join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return JSON.stringify(String(value));
  return JSON.stringify(value);
}
