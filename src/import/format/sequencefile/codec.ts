/**
 * The compression codecs of Hadoop, each over a whole buffer: the value of a record, or a part of a block.
 *
 *   DefaultCodec, DeflateCodec   a zlib stream        GzipCodec            gzip members
 *   BZip2Codec                   a bzip2 stream       ZStandardCodec       ZSTD frames, mostly without content sizes
 *   SnappyCodec                  blocks: raw length u32 | chunks until it is reached: length u32 | raw Snappy
 *
 * What a buffer claims is checked against a limit before it is allocated; damage is BAD_INPUT.
 */

import { gunzipSync, inflateSync } from 'node:zlib';
import { unreachable } from '../../../base/assert.ts';
import { EMPTY_BYTES } from '../../../base/bytes.ts';
import { SluiceError } from '../../../base/errors.ts';
import { ensureZstd, zstdDecompressFrames } from '../../../sst/zstd.ts';
import { unsnapped } from '../raw-blocks.ts';
import { bunzip2 } from './bzip2.ts';
import { int32 } from './numbers.ts';

export type Codec = 'zlib' | 'gzip' | 'bzip2' | 'snappy' | 'zstd';

const CODECS: ReadonlyMap<string, Codec> = new Map([
  ['DefaultCodec', 'zlib'],
  ['DeflateCodec', 'zlib'],
  ['GzipCodec', 'gzip'],
  ['BZip2Codec', 'bzip2'],
  ['SnappyCodec', 'snappy'],
  ['ZStandardCodec', 'zstd'],
]);
const CODEC_PACKAGE = 'org.apache.hadoop.io.compress.';

/** By the class that the header names, the DefaultCodec where it names none, ready to be used in this thread. */
export async function codecOf(className: string | undefined, name: string): Promise<Codec> {
  const codec =
    className === undefined
      ? 'zlib'
      : className.startsWith(CODEC_PACKAGE)
        ? CODECS.get(className.slice(CODEC_PACKAGE.length))
        : undefined;
  if (codec === undefined) {
    throw new SluiceError(
      'UNSUPPORTED_FORMAT',
      `${name} is compressed with ${className}; ${[...CODECS.keys()].join(', ')} of Hadoop can be read`,
    );
  }
  if (codec === 'zstd') await ensureZstd();
  return codec;
}

/** At most `maxBytes`, in memory of their own; BAD_INPUT where it would be more, or is damaged. */
export function decompress(codec: Codec, input: Uint8Array, maxBytes: number): Uint8Array {
  // Hadoop's writers leave a buffer without content empty, or compress it: that depends on the codec.
  if (input.length === 0) return EMPTY_BYTES;
  switch (codec) {
    case 'zlib':
      return byNode('zlib', () => inflateSync(input, { maxOutputLength: Math.max(1, maxBytes) }));
    case 'gzip':
      return byNode('gzip', () => gunzipSync(input, { maxOutputLength: Math.max(1, maxBytes) }));
    case 'bzip2':
      return bunzip2(input, maxBytes);
    case 'snappy':
      return unsnap(input, maxBytes);
    case 'zstd':
      return byNode('ZSTD', () => zstdDecompressFrames(input, maxBytes));
    default:
      return unreachable(codec);
  }
}

function byNode(codec: string, run: () => Uint8Array): Uint8Array {
  try {
    return run();
  } catch (cause) {
    throw damaged(codec, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function unsnap(input: Uint8Array, maxBytes: number): Uint8Array {
  let output: Uint8Array = EMPTY_BYTES;
  let length = 0;
  for (let at = 0; at < input.length; ) {
    const blockEnd = length + lengthAt(input, at);
    at += 4;
    if (blockEnd > maxBytes) throw tooLong(maxBytes);
    while (length < blockEnd) {
      const from = at + 4;
      const to = from + lengthAt(input, at);
      if (to > input.length) throw damaged('Snappy', 'a chunk reaches beyond the end');
      const raw = unsnapped(input.subarray(from, to), blockEnd - length);
      // Memory is taken for what is there, not for what is claimed.
      output = withRoom(output, length, raw.length, maxBytes);
      output.set(raw, length);
      length += raw.length;
      at = to;
    }
  }
  return output.subarray(0, length);
}

function withRoom(bytes: Uint8Array, length: number, more: number, maxBytes: number): Uint8Array {
  if (length + more <= bytes.length) return bytes;
  if (length === 0) return new Uint8Array(more);
  const grown = new Uint8Array(Math.min(maxBytes, Math.max(length + more, 2 * length)));
  grown.set(bytes.subarray(0, length));
  return grown;
}

function lengthAt(input: Uint8Array, at: number): number {
  if (at + 4 > input.length) throw damaged('Snappy', 'it ends within a length');
  const length = int32(input, at);
  if (length < 0) throw damaged('Snappy', `it has a length of ${length}`);
  return length;
}

function damaged(codec: string, what: string, cause?: unknown): SluiceError {
  return new SluiceError('BAD_INPUT', `${codec}: ${what}`, { cause });
}

function tooLong(maxBytes: number): SluiceError {
  return damaged('Snappy', `it is over ${maxBytes} bytes long decompressed`);
}
