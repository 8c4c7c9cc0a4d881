/** JSON text as MessagePack, without an object being made: whole numbers of up to 64 bits keep all their digits. */

import type { ByteWriter } from '../../base/byte-writer.ts';
import * as pack from './msgpack.ts';
import { isInt, latin1 } from './typed-text.ts';

const QUOTE = 34;
const BACKSLASH = 92;

/** Writes the value that begins at `from`, of text that is known to be JSON; returns where it ends. */
export function putJsonAsMsgpack(out: ByteWriter, json: Uint8Array, from: number): number {
  const at = skipSpace(json, from);
  switch (json[at]) {
    case 123:
      return putMembers(out, json, at + 1, 125);
    case 91:
      return putMembers(out, json, at + 1, 93);
    case QUOTE:
      return putText(out, json, at);
    case 116:
      pack.putBoolean(out, true);
      return at + 4;
    case 102:
      pack.putBoolean(out, false);
      return at + 5;
    case 110:
      pack.putNil(out);
      return at + 4;
    default:
      return putNumber(out, json, at);
  }
}

/** Of an object or a list: how many they are is only known at their end. */
function putMembers(out: ByteWriter, json: Uint8Array, from: number, close: number): number {
  const isObject = close === 125;
  const head = pack.putLongHead(out, isObject);
  let members = 0;
  let at = skipSpace(json, from);
  while (json[at] !== close) {
    if (json[at] === 44) at++;
    if (isObject) at = skipSpace(json, putText(out, json, skipSpace(json, at))) + 1;
    at = skipSpace(json, putJsonAsMsgpack(out, json, at));
    members++;
  }
  pack.setLongHead(out, head, members);
  return at + 1;
}

function skipSpace(json: Uint8Array, from: number): number {
  let at = from;
  while ((json[at] as number) <= 32) at++;
  return at;
}

function putText(out: ByteWriter, json: Uint8Array, from: number): number {
  let escaped = false;
  let at = from + 1;
  for (; json[at] !== QUOTE; at++) {
    if (json[at] !== BACKSLASH) continue;
    escaped = true;
    at++;
  }
  if (!escaped) pack.putString(out, json, from + 1, at);
  else {
    const value: unknown = JSON.parse(Buffer.from(json.subarray(from, at + 1)).toString('utf8'));
    const utf8 = Buffer.from(String(value), 'utf8');
    pack.putString(out, utf8, 0, utf8.length);
  }
  return at + 1;
}

function putNumber(out: ByteWriter, json: Uint8Array, from: number): number {
  let at = from;
  // + - . digits E e
  while (
    at < json.length &&
    (json[at] === 43 ||
      ((json[at] as number) >= 45 && (json[at] as number) <= 57) ||
      ((json[at] as number) | 32) === 101)
  )
    at++;
  const literal = latin1(json, from, at);
  // Beyond 64 bits, what a number can show of it.
  if (!isInt(json, from, at) || !pack.putInt(out, literal)) pack.putFloat(out, Number(literal));
  return at;
}
