/** Streams of each compression that tables may have, made apart from the writer in src/: nothing keeps them from being bombs. */

import { deflateRawSync } from 'node:zlib';
import { compressUsingDict, createCCtx } from '@bokuweb/zstd-wasm';
import { lz4Compress } from '../../src/sst/kernels/js-lz4.ts';
import { snappyCompress } from '../../src/sst/kernels/js-snappy.ts';
import { ensureZstd } from '../../src/sst/zstd.ts';

await ensureZstd();

const zstd = createCCtx();

/** By name: the type byte, and the stream without the raw length that stands before it. */
export const STREAMS = {
  snappy: {
    type: 1,
    compress(raw: Uint8Array) {
      const stream = packed(snappyCompress, raw);
      return stream.subarray(stream.findIndex((byte) => byte < 128) + 1);
    },
  },
  zlib: { type: 2, compress: (raw: Uint8Array): Uint8Array => deflateRawSync(raw) },
  lz4: { type: 4, compress: (raw: Uint8Array) => packed(lz4Compress, raw) },
  zstd: { type: 7, compress: (raw: Uint8Array) => compressUsingDict(zstd, raw, new Uint8Array(0), 3) },
} as const;

function packed(compress: typeof lz4Compress, raw: Uint8Array): Uint8Array {
  const room = raw.length + (raw.length >>> 7) + 64;
  const bytes = new Uint8Array(raw.length + room);
  bytes.set(raw);
  return bytes.slice(raw.length, raw.length + compress(bytes, 0, raw.length, raw.length, room));
}
