/** Cells in the three forms that they are stored in: an element of a tuple, a member of a JSON object, of a MessagePack map. */

import { isUtf8 } from 'node:buffer';
import { unreachable } from '../../base/assert.ts';
import type { ByteWriter } from '../../base/byte-writer.ts';
import { putNumber } from '../../base/ordered-number.ts';
import { putBoolean, putBytes, putDate, putFloat, putNull, putString } from '../../base/tuple.ts';
import type { ColumnType } from '../../import-options.ts';
import * as cell from './cells.ts';
import { putJsonInt, putJsonString } from './json-text.ts';
import { putJsonAsMsgpack } from './json-to-msgpack.ts';
import * as pack from './msgpack.ts';
import { isInt, latin1, TypedText } from './typed-text.ts';

const typed = new TypedText();

/** How a cell is read: by the type that its column was given, or as what its format says that it is. */
export type CellType = ColumnType | undefined;

/** Why a cell cannot be stored; undefined: it is written. */
export type Refusal = string | undefined;

/** Reads the cell's text as the type; undefined: it is one. */
function refuse(cells: cell.Cells, slot: number, type: ColumnType): Refusal {
  const kind = cells.kind(slot);
  if (kind !== cell.JSON_TEXT && (kind !== cell.BYTES || type === 'text')) {
    const bytes = cells.bytes[slot] as Uint8Array;
    if (typed.read(type, bytes, cells.from[slot] as number, cells.to[slot] as number)) return undefined;
  }
  return `${cells.text(slot)} is not ${type === 'int' ? 'an' : 'a'} ${NAMES[type]}`;
}

const NAMES: Readonly<Record<ColumnType, string>> = {
  text: 'text',
  int: 'int',
  float: 'float',
  decimal: 'decimal',
  date: 'date (yyyy-mm-dd, or with a time of milliseconds at most)',
  bool: 'bool',
  hex: 'string of hex digits',
  base64: 'base64 string',
};

/** The type that decides, of a cell that is not null. */
function typeOf(kind: cell.CellKind, type: CellType): ColumnType | 'json' | 'bytes' {
  if (type !== undefined) return type;
  switch (kind) {
    case cell.NUMBER:
      return 'decimal';
    case cell.TRUE:
    case cell.FALSE:
      return 'bool';
    case cell.DATE:
      return 'date';
    case cell.JSON_TEXT:
      return 'json';
    case cell.BYTES:
      return 'bytes';
    case cell.TEXT:
    case cell.NULL:
    case cell.ABSENT:
      return 'text';
    default:
      return unreachable(kind);
  }
}

function isNull(kind: cell.CellKind): boolean {
  return kind === cell.NULL || kind === cell.ABSENT;
}

function decoded(bytes: Uint8Array, encoding: 'hex' | 'base64'): Uint8Array {
  return Buffer.from(latin1(bytes, typed.from, typed.to), encoding);
}

function notUtf8(cells: cell.Cells, slot: number): Refusal {
  const bytes = cells.bytes[slot] as Uint8Array;
  const [from, to] = [cells.from[slot] as number, cells.to[slot] as number];
  for (let i = from; i < to; i++) {
    if ((bytes[i] as number) < 128) continue;
    return isUtf8(bytes.subarray(i, to)) ? undefined : `${cells.text(slot)} is not UTF-8`;
  }
  return undefined;
}

/** The bytes of a column that stands alone, as they are; of hex and base64 what they stand for. Null is no bytes. */
export function putPlain(out: ByteWriter, cells: cell.Cells, slot: number, type: CellType): Refusal {
  const kind = cells.kind(slot);
  if (isNull(kind)) return undefined;
  const bytes = cells.bytes[slot] as Uint8Array;
  if (type !== undefined) {
    const refusal = refuse(cells, slot, type);
    if (refusal !== undefined) return refusal;
    if (type === 'hex' || type === 'base64') {
      const raw = decoded(bytes, type);
      out.append(raw, 0, raw.length);
      return undefined;
    }
  }
  out.append(bytes, cells.from[slot] as number, cells.to[slot] as number);
  return undefined;
}

export function putTuple(out: ByteWriter, cells: cell.Cells, slot: number, given: CellType): Refusal {
  const kind = cells.kind(slot);
  if (isNull(kind)) {
    putNull(out);
    return undefined;
  }
  const type = typeOf(kind, given);
  const bytes = cells.bytes[slot] as Uint8Array;
  const [from, to] = [cells.from[slot] as number, cells.to[slot] as number];
  if (type === 'json') return 'an object or a list cannot be part of a key';
  const refusal =
    type === 'bytes' ? undefined : (refuse(cells, slot, type) ?? textRefusal(cells, slot, type));
  if (refusal !== undefined) return refusal;
  switch (type) {
    case 'bytes':
      putBytes(out, bytes, from, to);
      return undefined;
    case 'text':
      putString(out, bytes, from, to);
      return undefined;
    case 'int':
    case 'decimal':
      return putNumber(out, bytes, typed.from, typed.to) ? undefined : `${cells.text(slot)} is out of range`;
    case 'float': {
      const value = Number(latin1(bytes, typed.from, typed.to));
      if (!Number.isFinite(value)) return `${cells.text(slot)} is out of range of a float`;
      putFloat(out, value);
      return undefined;
    }
    case 'bool':
      putBoolean(out, typed.truth);
      return undefined;
    case 'date':
      putDate(out, typed.epochMs);
      return undefined;
    case 'hex':
    case 'base64': {
      const raw = decoded(bytes, type);
      putBytes(out, raw, 0, raw.length);
      return undefined;
    }
    default:
      return unreachable(type);
  }
}

function textRefusal(cells: cell.Cells, slot: number, type: ColumnType): Refusal {
  return type === 'text' ? notUtf8(cells, slot) : undefined;
}

/** A JSON value. Decimals, dates, hex and base64 are strings as they stand; other numbers are numbers with all their digits. */
export function putJson(out: ByteWriter, cells: cell.Cells, slot: number, given: CellType): Refusal {
  const kind = cells.kind(slot);
  if (isNull(kind)) {
    out.text('null');
    return undefined;
  }
  const type = given ?? typeOf(kind, given);
  const bytes = cells.bytes[slot] as Uint8Array;
  const [from, to] = [cells.from[slot] as number, cells.to[slot] as number];
  if (type === 'json') out.append(bytes, from, to);
  else if (type === 'bytes') out.text(`"${Buffer.from(bytes.subarray(from, to)).toString('base64')}"`);
  else if (kind === cell.NUMBER && given === undefined) out.append(bytes, from, to);
  else if (type === 'text') {
    if (kind === cell.JSON_TEXT) return refuse(cells, slot, type);
    if (!putJsonString(out, bytes, from, to)) return `${cells.text(slot)} is not UTF-8`;
  } else {
    const refusal = refuse(cells, slot, type);
    if (refusal !== undefined) return refusal;
    if (type === 'int') putJsonInt(out, bytes, typed.from, typed.to);
    else if (type === 'bool') out.text(typed.truth ? 'true' : 'false');
    else if (type === 'float') {
      const value = Number(latin1(bytes, typed.from, typed.to));
      if (!Number.isFinite(value)) return `${cells.text(slot)} is out of range of a float`;
      out.text(String(value));
    } else putJsonString(out, bytes, typed.from, typed.to);
  }
  return undefined;
}

/** A MessagePack value. Bytes are bytes; decimals and dates strings as they stand; whole numbers of up to 64 bits are exact. */
export function putMsgpack(out: ByteWriter, cells: cell.Cells, slot: number, given: CellType): Refusal {
  const kind = cells.kind(slot);
  if (isNull(kind)) {
    pack.putNil(out);
    return undefined;
  }
  const type = typeOf(kind, given);
  const bytes = cells.bytes[slot] as Uint8Array;
  const [from, to] = [cells.from[slot] as number, cells.to[slot] as number];
  if (type === 'bytes') {
    pack.putBinary(out, bytes, from, to);
    return undefined;
  }
  if (type === 'json') {
    putJsonAsMsgpack(out, bytes, from);
    return undefined;
  }
  const refusal = refuse(cells, slot, type) ?? notUtf8(cells, slot);
  if (refusal !== undefined) return refusal;
  if (type === 'bool') pack.putBoolean(out, typed.truth);
  else if (type === 'hex' || type === 'base64') {
    const raw = decoded(bytes, type);
    pack.putBinary(out, raw, 0, raw.length);
  } else if (type === 'int' || type === 'float' || (type === 'decimal' && given === undefined)) {
    const literal = latin1(bytes, typed.from, typed.to);
    if (isInt(bytes, typed.from, typed.to) && type !== 'float') {
      if (!pack.putInt(out, literal)) return `${cells.text(slot)} has more than 64 bits`;
      return undefined;
    }
    const value = Number(literal);
    if (!Number.isFinite(value)) return `${cells.text(slot)} is out of range of a float`;
    pack.putFloat(out, value);
  } else pack.putString(out, bytes, typed.from, typed.to);
  return undefined;
}
