/** A writer of SequenceFiles in all their forms, after the layout at the head of src/import/format/sequencefile/header.ts. */

import { deflateSync, gzipSync } from 'node:zlib';
import { createHeap } from '../../../src/sst/heap.ts';
import { KERNEL_RESERVED_BYTES } from '../../../src/sst/kernels/wasm-kernels.ts';
import { zstdCompress } from '../../../src/sst/zstd.ts';
import { bzip2 } from './bzip2-encoder.ts';

export const CODECS = {
  zlib: 'DefaultCodec',
  gzip: 'GzipCodec',
  bzip2: 'BZip2Codec',
  snappy: 'SnappyCodec',
  zstd: 'ZStandardCodec',
} as const;
export type CodecName = keyof typeof CODECS;

export interface SequenceFileForm {
  readonly version?: number;
  readonly keyClass?: string;
  readonly valueClass?: string;
  readonly layout?: 'records' | 'blocks';
  readonly codec?: CodecName | undefined;
  /** A sync marker comes before every so many records, and every block has so many. */
  readonly every?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

export const SYNC = Buffer.from('0123456789abcdef');

export function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function vintOf(value: number): Buffer {
  if (value >= -112 && value <= 127) return Buffer.from([value & 255]);
  const [first, digits] = value < 0 ? [-120, BigInt(-1 - value)] : [-112, BigInt(value)];
  const hex = digits.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.from([(first - bytes.length) & 255]), bytes]);
}

/** As a Text. */
export function text(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([vintOf(bytes.length), bytes]);
}

/** As a BytesWritable. */
export function bytesWritable(value: string | Uint8Array): Buffer {
  return Buffer.concat([i32(Buffer.from(value).length), Buffer.from(value)]);
}

/** REQUIRES for zstd: `ensureZstd()` was awaited. */
export function compress(codec: CodecName, raw: Uint8Array): Uint8Array {
  switch (codec) {
    case 'zlib':
      return deflateSync(raw);
    case 'gzip':
      return gzipSync(raw);
    case 'bzip2':
      return bzip2(raw);
    case 'snappy':
      return snappyBlocks(raw);
    case 'zstd': {
      const frame = zstdCompress(raw);
      if (frame === undefined) throw new Error('too large');
      return frame;
    }
  }
}

const heap = createHeap(KERNEL_RESERVED_BYTES + (1 << 20));

/** Small blocks of smaller chunks, so that there are several of both. */
function snappyBlocks(raw: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < raw.length || at === 0; at += 3000) {
    const block = raw.subarray(at, at + 3000);
    parts.push(i32(block.length));
    for (let from = 0; from < block.length; from += 1000) {
      const chunk = block.subarray(from, from + 1000);
      const src = KERNEL_RESERVED_BYTES;
      heap.bytes.set(chunk, src);
      const length = heap.kernels.snappyCompress(src, chunk.length, src + 5000, 5000);
      parts.push(i32(length), heap.bytes.slice(src + 5000, src + 5000 + length));
    }
  }
  return Buffer.concat(parts);
}

/** Of keys and values serialised as their classes say. */
export function writeSequenceFile(
  rows: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
  form: SequenceFileForm = {},
): Buffer {
  const { version = 6, layout = 'records', codec, every = 3 } = form;
  const parts: Uint8Array[] = [header(form)];
  const sync = () => version >= 2 && parts.push(i32(-1), SYNC);
  for (let at = 0; at < rows.length; at += every) {
    const some = rows.slice(at, at + every);
    if (layout === 'blocks' || at > 0) sync();
    if (layout === 'blocks' && codec !== undefined) {
      parts.push(vintOf(some.length));
      for (const side of [0, 1] as const) {
        const lengths = Buffer.concat(some.map((row) => vintOf(row[side].length)));
        for (const part of [lengths, Buffer.concat(some.map((row) => row[side]))]) {
          const stored = compress(codec, part);
          parts.push(vintOf(stored.length), stored);
        }
      }
      continue;
    }
    for (const [key, value] of some) {
      const stored = codec === undefined ? value : compress(codec, value);
      parts.push(i32(key.length + stored.length), i32(key.length), key, stored);
    }
  }
  return Buffer.concat(parts);
}

function header(form: SequenceFileForm): Buffer {
  const { version = 6, layout = 'records', codec, metadata = {} } = form;
  const name = (short: string) => {
    const bytes = text(`org.apache.hadoop.io.${short}`);
    return version >= 4 ? bytes : Buffer.concat([Buffer.from([0, bytes.length - 1]), bytes.subarray(1)]);
  };
  const parts: Uint8Array[] = [Buffer.from(`SEQ${String.fromCharCode(version)}`)];
  parts.push(name(form.keyClass ?? 'BytesWritable'), name(form.valueClass ?? 'BytesWritable'));
  if (version >= 3) parts.push(Buffer.from([codec === undefined ? 0 : 1]));
  if (version >= 4) parts.push(Buffer.from([layout === 'blocks' ? 1 : 0]));
  if (version >= 5 && codec !== undefined) parts.push(name(`compress.${CODECS[codec]}`));
  if (version >= 6) {
    const pairs = Object.entries(metadata);
    parts.push(i32(pairs.length), ...pairs.flat().map((part) => text(part)));
  }
  if (version >= 2) parts.push(SYNC);
  return Buffer.concat(parts);
}
