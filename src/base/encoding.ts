/**
 * Encodings between what callers hold and the bytes that are stored. Order is always that of the bytes.
 *
 *   buffer    Buffer (the default)       view   Uint8Array
 *   utf8      string                     json   JSON text            msgpack   MessagePack
 *   tuple     an array, in bytes of its order (tuple.ts)
 *
 * Byte encodings take strings as well, as UTF-8; 'tuple' takes bytes as well, of a tuple that is encoded. Bytes given are borrowed until the call returns; bytes handed out
 * are the caller's own.
 */

import { Packr } from 'msgpackr';
import { unreachable } from './assert.ts';
import { SluiceError } from './errors.ts';
import { decodeTuple, encodeTuple, isTuple, type TupleElement } from './tuple.ts';

export type EncodingName = 'buffer' | 'view' | 'utf8' | 'json' | 'msgpack' | 'tuple';

export interface EncodingOutputs {
  buffer: Buffer;
  view: Uint8Array;
  utf8: string;
  json: unknown;
  msgpack: unknown;
  tuple: TupleElement[];
}

/** What a read hands out. */
export type Output<E extends EncodingName> = EncodingOutputs[E];
/** What a write or a key argument takes. */
export type Input<E extends EncodingName> = E extends 'json' | 'msgpack'
  ? unknown
  : E extends 'tuple'
    ? readonly TupleElement[] | Uint8Array
    : string | Uint8Array;

/** Makes Buffers that are their receiver's own. */
export interface BytesCopier {
  copy(bytes: Uint8Array, start: number, length: number): Buffer;
}

const ENCODING_NAMES: ReadonlySet<string> = new Set(['buffer', 'view', 'utf8', 'json', 'msgpack', 'tuple']);

// Plain maps and no shared structures: a value must be readable by itself, by any MessagePack library.
const packr = new Packr({ useRecords: false, structuredClone: false });

export function checkEncodingName(name: unknown, argument: string): asserts name is EncodingName {
  if (typeof name !== 'string' || !ENCODING_NAMES.has(name)) {
    throw new TypeError(`${argument} must be one of ${[...ENCODING_NAMES].join(', ')}; got ${String(name)}`);
  }
}

/** The bytes of a key or value; TypeError naming `argument` where the encoding cannot take it. */
export function encode(encoding: EncodingName, input: unknown, argument: string): Uint8Array {
  switch (encoding) {
    case 'buffer':
    case 'view':
    case 'utf8':
      if (typeof input === 'string') return Buffer.from(input, 'utf8');
      if (input instanceof Uint8Array) return input;
      throw new TypeError(`${argument} must be a string or a Uint8Array; got ${describe(input)}`);
    case 'json': {
      const text: string | undefined = JSON.stringify(input);
      if (text === undefined) throw new TypeError(`${argument} cannot be JSON; got ${describe(input)}`);
      return Buffer.from(text, 'utf8');
    }
    case 'msgpack':
      if (input === undefined) throw new TypeError(`${argument} must be given; got undefined`);
      return packr.pack(input);
    case 'tuple':
      if (input instanceof Uint8Array) return input;
      if (isTuple(input)) return encodeTuple(input, argument);
      throw new TypeError(`${argument} must be an array or a Uint8Array; got ${describe(input)}`);
    default:
      return unreachable(encoding);
  }
}

/** The value in a range of bytes, copied; CORRUPTION where they are not of the encoding. */
export function decode<E extends EncodingName>(
  encoding: E,
  bytes: Uint8Array,
  start: number,
  length: number,
  copier: BytesCopier,
): Output<E> {
  return decodeAny(encoding, bytes, start, length, copier) as Output<E>;
}

function decodeAny(
  encoding: EncodingName,
  bytes: Uint8Array,
  start: number,
  length: number,
  copier: BytesCopier,
): unknown {
  switch (encoding) {
    case 'buffer':
      return copier.copy(bytes, start, length);
    case 'view': {
      const copy = new Uint8Array(length);
      copy.set(bytes.subarray(start, start + length));
      return copy;
    }
    case 'utf8':
      return view(bytes, start, length).toString('utf8');
    case 'json':
      return decoded('JSON', () => JSON.parse(view(bytes, start, length).toString('utf8')));
    case 'msgpack':
      return decoded('MessagePack', () => packr.unpack(copier.copy(bytes, start, length)));
    case 'tuple':
      return decodeTuple(view(bytes, start, length));
    default:
      return unreachable(encoding);
  }
}

function decoded(form: string, parse: () => unknown): unknown {
  try {
    return parse();
  } catch (cause) {
    throw new SluiceError('CORRUPTION', `The stored bytes are not ${form}; read them with another encoding`, {
      cause,
    });
  }
}

function view(bytes: Uint8Array, start: number, length: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length);
}

function describe(input: unknown): string {
  if (input === null) return 'null';
  return typeof input === 'object' ? (input.constructor?.name ?? 'an object') : typeof input;
}
