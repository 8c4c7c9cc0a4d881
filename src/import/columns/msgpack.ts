/** MessagePack written from bytes (https://github.com/msgpack/msgpack/blob/master/spec.md). */

import type { ByteWriter } from '../../base/byte-writer.ts';

const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const BIN8 = 0xc4;
const FLOAT64 = 0xcb;
const UINT8 = 0xcc;
const INT8 = 0xd0;
const STR8 = 0xd9;
const ARRAY32 = 0xdd;
const MAP16 = 0xde;
const MAP32 = 0xdf;

const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

export function putNil(out: ByteWriter): void {
  out.byte(NIL);
}

export function putBoolean(out: ByteWriter, value: boolean): void {
  out.byte(value ? TRUE : FALSE);
}

export function putMapHead(out: ByteWriter, members: number): void {
  if (members < 16) out.byte(0x80 | members);
  else if (members < 65_536) putUnsigned(out, MAP16, members, 2);
  else putUnsigned(out, MAP32, members, 4);
}

/** The head of a map or a list whose length is set later; returns its place. */
export function putLongHead(out: ByteWriter, isMap: boolean): number {
  putUnsigned(out, isMap ? MAP32 : ARRAY32, 0, 4);
  return out.length - 4;
}

export function setLongHead(out: ByteWriter, at: number, members: number): void {
  for (let i = 0; i < 4; i++) out.bytes[at + i] = members >>> (24 - i * 8);
}

export function putString(out: ByteWriter, utf8: Uint8Array, from: number, to: number): void {
  const length = to - from;
  if (length < 32) out.byte(0xa0 | length);
  else putLength(out, STR8, length);
  out.append(utf8, from, to);
}

export function putBinary(out: ByteWriter, bytes: Uint8Array, from: number, to: number): void {
  putLength(out, BIN8, to - from);
  out.append(bytes, from, to);
}

export function putFloat(out: ByteWriter, value: number): void {
  scratch.setFloat64(0, value);
  out.byte(FLOAT64);
  out.append(scratchBytes, 0, 8);
}

/**
 * A whole number, as valueEncoding 'msgpack' writes it: of more than 32 bits as a float where that is exact (what is written
 * as 64 bits is read as a bigint), of up to 64 else. False: it has more, and nothing is written.
 */
export function putInt(out: ByteWriter, literal: string): boolean {
  const value = Number(literal);
  if (!Number.isSafeInteger(value)) return putLongInt(out, BigInt(literal.replace(/^\+/, '')));
  if (value >= 0) {
    if (value < 128) out.byte(value);
    else if (value < 256) putUnsigned(out, UINT8, value, 1);
    else if (value < 65_536) putUnsigned(out, UINT8 + 1, value, 2);
    else if (value < 2 ** 32) putUnsigned(out, UINT8 + 2, value, 4);
    else putFloat(out, value);
  } else if (value >= -32) out.byte(value & 255);
  else if (value >= -128) putUnsigned(out, INT8, value & 255, 1);
  else if (value >= -32_768) putUnsigned(out, INT8 + 1, value & 65_535, 2);
  else if (value >= -(2 ** 31)) putUnsigned(out, INT8 + 2, value >>> 0, 4);
  else putFloat(out, value);
  return true;
}

function putLongInt(out: ByteWriter, value: bigint): boolean {
  if (value >= 1n << 64n || value < -(1n << 63n)) return false;
  scratch.setBigUint64(0, BigInt.asUintN(64, value));
  out.byte(value >= 0n ? UINT8 + 3 : INT8 + 3);
  out.append(scratchBytes, 0, 8);
  return true;
}

/** A length behind the first of three types: of one, two and four bytes. */
function putLength(out: ByteWriter, type: number, length: number): void {
  if (length < 256) putUnsigned(out, type, length, 1);
  else if (length < 65_536) putUnsigned(out, type + 1, length, 2);
  else putUnsigned(out, type + 2, length, 4);
}

function putUnsigned(out: ByteWriter, type: number, value: number, bytes: number): void {
  out.byte(type);
  for (let shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out.byte((value >>> shift) & 255);
}
