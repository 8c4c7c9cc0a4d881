/**
 * Keys and values as Hadoop's Writables serialise them, and what of them is loaded:
 *
 *   BytesWritable  length i32 | bytes: the bytes        Text   vint length | UTF-8: the text
 *   UTF8           length u16 | UTF-8: the text         NullWritable   nothing: nothing
 *   numbers        ByteWritable i8, ShortWritable i16, IntWritable i32, LongWritable i64, VIntWritable, VLongWritable (vint),
 *                  FloatWritable f32, DoubleWritable f64, BooleanWritable u8: as 'text' in digits, `true` and `false`, or as
 *                  'bytes' of their full width, the highest first
 *
 * 'serialized' takes all of it as it is, of any class.
 */

import { unreachable } from '../../../base/assert.ts';
import { EMPTY_BYTES } from '../../../base/bytes.ts';
import { SluiceError } from '../../../base/errors.ts';
import { shortestFloat } from '../shortest-float.ts';
import { int32, int64, vint, vintBytes, vlong } from './numbers.ts';

export type Rendering = 'text' | 'bytes' | 'serialized';

type Kind =
  | 'serialized'
  | 'BytesWritable'
  | 'Text'
  | 'UTF8'
  | 'NullWritable'
  | 'ByteWritable'
  | 'ShortWritable'
  | 'IntWritable'
  | 'LongWritable'
  | 'VIntWritable'
  | 'VLongWritable'
  | 'FloatWritable'
  | 'DoubleWritable'
  | 'BooleanWritable';

const KINDS: ReadonlySet<string> = new Set<Exclude<Kind, 'serialized'>>([
  'BytesWritable',
  'Text',
  'UTF8',
  'NullWritable',
  'ByteWritable',
  'ShortWritable',
  'IntWritable',
  'LongWritable',
  'VIntWritable',
  'VLongWritable',
  'FloatWritable',
  'DoubleWritable',
  'BooleanWritable',
]);
const WRITABLE_PACKAGE = 'org.apache.hadoop.io.';

function isKind(name: string): name is Kind {
  return KINDS.has(name);
}

/** The content of one Writable after another, as a range that is valid until the next. */
export class WritableDecoder {
  bytes: Uint8Array = EMPTY_BYTES;
  from = 0;
  to = 0;
  readonly #kind: Kind;
  readonly #asText: boolean;
  /** Numbers are put here. */
  readonly #scratch = Buffer.alloc(32);

  /** Throws UNSUPPORTED_FORMAT for a class whose content we do not know. */
  constructor(className: string, rendering: Rendering, name: string) {
    const short = className.startsWith(WRITABLE_PACKAGE) ? className.slice(WRITABLE_PACKAGE.length) : '';
    const kind = rendering === 'serialized' ? 'serialized' : short;
    if (kind !== 'serialized' && !isKind(kind)) {
      throw new SluiceError(
        'UNSUPPORTED_FORMAT',
        `${name} has keys or values of the class ${className}, whose content is not known; with writables: 'serialized' they are taken as they are`,
      );
    }
    this.#kind = kind;
    this.#asText = rendering === 'text';
  }

  /** Of what is serialised in bytes[from … to). Returns what is wrong with it, undefined if nothing is. */
  decode(bytes: Uint8Array, from: number, to: number): string | undefined {
    const kind = this.#kind;
    switch (kind) {
      case 'BytesWritable':
        if (to - from < 4) return wrong(kind, to - from);
        return this.#counted(bytes, from + 4, int32(bytes, from), to);
      case 'Text': {
        const size = from < to ? vintBytes(bytes[from] as number) : 1;
        if (to - from < size) return wrong(kind, to - from);
        return this.#counted(bytes, from + size, vint(bytes, from), to);
      }
      case 'UTF8':
        if (to - from < 2) return wrong(kind, to - from);
        return this.#counted(bytes, from + 2, int32(bytes, from) >>> 16, to);
      case 'NullWritable':
        return from === to ? this.#range(bytes, from, to) : wrong(kind, to - from);
      case 'serialized':
        return this.#range(bytes, from, to);
      case 'VIntWritable':
      case 'VLongWritable':
        return this.#variable(kind, bytes, from, to);
      default:
        return this.#fixed(kind, bytes, from, to);
    }
  }

  #counted(bytes: Uint8Array, from: number, length: number, to: number): string | undefined {
    if (length !== to - from) return `a ${this.#kind} says that it has ${length} bytes, and has ${to - from}`;
    return this.#range(bytes, from, to);
  }

  #range(bytes: Uint8Array, from: number, to: number): undefined {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  #variable(
    kind: 'VIntWritable' | 'VLongWritable',
    bytes: Uint8Array,
    from: number,
    to: number,
  ): string | undefined {
    if (from === to || to - from !== vintBytes(bytes[from] as number)) return wrong(kind, to - from);
    const value = BigInt.asIntN(64, vlong(bytes, from));
    if (this.#asText) return this.#text(String(value));
    const width = kind === 'VIntWritable' ? 4 : 8;
    this.#scratch.writeBigInt64BE(value, 0);
    return this.#range(this.#scratch, 8 - width, 8);
  }

  #fixed(
    kind: Exclude<
      Kind,
      'serialized' | 'BytesWritable' | 'Text' | 'UTF8' | 'NullWritable' | 'VIntWritable' | 'VLongWritable'
    >,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): string | undefined {
    if (to - from !== WIDTHS[kind]) return wrong(kind, to - from);
    if (!this.#asText) return this.#range(bytes, from, to);
    switch (kind) {
      case 'ByteWritable':
        return this.#text(String(((bytes[from] as number) << 24) >> 24));
      case 'ShortWritable':
        return this.#text(String((((bytes[from] as number) << 24) >> 16) | (bytes[from + 1] as number)));
      case 'IntWritable':
        return this.#text(String(int32(bytes, from)));
      case 'LongWritable':
        return this.#text(String(int64(bytes, from)));
      case 'FloatWritable':
        return this.#text(shortestFloat(viewOf(bytes).getFloat32(from)));
      case 'DoubleWritable':
        return this.#text(String(viewOf(bytes).getFloat64(from)));
      case 'BooleanWritable':
        return this.#text(String(bytes[from] !== 0));
      default:
        return unreachable(kind);
    }
  }

  #text(text: string): undefined {
    return this.#range(this.#scratch, 0, this.#scratch.write(text, 'latin1'));
  }
}

const WIDTHS = {
  ByteWritable: 1,
  BooleanWritable: 1,
  ShortWritable: 2,
  IntWritable: 4,
  FloatWritable: 4,
  LongWritable: 8,
  DoubleWritable: 8,
} as const;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function wrong(kind: Kind, length: number): string {
  return `a ${kind} cannot have ${length} bytes`;
}
