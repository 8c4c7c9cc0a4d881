/**
 * Zstandard frames, by @bokuweb/zstd-wasm: with contexts that are kept, it is faster at block size than `node:zlib`, which
 * Node 20 has no ZSTD in and which sets up a stream for each call. It can only be started asynchronously, so
 * `ensureZstd()` must have been awaited in the thread before anything here is called: when a table that uses ZSTD is
 * opened or begun. It is loaded then and not before. Where it was not and Node has ZSTD (22.15 on), that serves, without
 * dictionaries.
 *
 * Only frames that state their content size as the block does are passed on: the library allocates what a frame claims.
 */

import * as zlib from 'node:zlib';
import { assert } from '../base/assert.ts';
import { EMPTY_BYTES } from '../base/bytes.ts';
import { fixed32 } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';

const LEVEL = 3;
const FRAME_MAGIC = 0xfd2fb528;
/** The library's memory ends at 2 GiB and holds input, output and working space; beyond that its `malloc` fails unseen. */
const DECOMPRESS_BYTES_MAX = 1.5 * 2 ** 30;
const COMPRESS_BYTES_MAX = 2 ** 29;

type Library = typeof import('@bokuweb/zstd-wasm');

/** What the types of Node 20 do not have. */
interface NativeZstd {
  zstdCompressSync?(bytes: Uint8Array): Uint8Array;
  zstdDecompressSync?(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array;
}
const native = zlib as NativeZstd;

/** The library with its two contexts: making one costs more than a block does. */
interface Loaded {
  readonly zstd: Library;
  readonly compressing: number;
  readonly decompressing: number;
}

let library: Loaded | undefined;
let loading: Promise<void> | undefined;

/** Makes ZSTD usable in this thread; cheap when it is already. */
export function ensureZstd(): Promise<void> {
  loading ??= load().catch((cause: unknown) => {
    loading = undefined;
    throw new SluiceError('IO', 'The ZSTD library @bokuweb/zstd-wasm could not be loaded; reinstall it', {
      cause,
    });
  });
  return loading;
}

async function load(): Promise<void> {
  const zstd = await import('@bokuweb/zstd-wasm');
  await zstd.init();
  library = { zstd, compressing: zstd.createCCtx(), decompressing: zstd.createDCtx() };
}

/** True once `ensureZstd()` has settled well in this thread. */
export function zstdReady(): boolean {
  return library !== undefined;
}

/** A frame that states its content size; undefined for input too large to be tried. */
export function zstdCompress(bytes: Uint8Array): Uint8Array | undefined {
  if (library === undefined && native.zstdCompressSync !== undefined) return native.zstdCompressSync(bytes);
  if (bytes.length > COMPRESS_BYTES_MAX) return undefined;
  const { zstd, compressing } = ready();
  return zstd.compressUsingDict(compressing, bytes, EMPTY_BYTES, LEVEL);
}

/** Exactly `rawLength` bytes, or CORRUPTION. */
export function zstdDecompress(frame: Uint8Array, rawLength: number, dictionary?: Uint8Array): Uint8Array {
  const claimed = contentBytes(frame);
  if (claimed !== undefined && claimed !== rawLength) {
    throw corruption(`its frame claims ${claimed} bytes, the block ${rawLength}`);
  }
  const decompress = decompressor(frame, rawLength, dictionary);
  let raw: Uint8Array;
  try {
    raw = decompress();
  } catch (cause) {
    throw corruption('it does not decompress', cause);
  }
  if (raw.length !== rawLength) throw corruption(`it holds ${raw.length} bytes, not ${rawLength}`);
  return raw;
}

/** What will do it. Chosen outside the `try` of the caller: what fails here is no fault of the block. */
function decompressor(
  frame: Uint8Array,
  rawLength: number,
  dictionary: Uint8Array | undefined,
): () => Uint8Array {
  const byNode = native.zstdDecompressSync;
  if (library === undefined && dictionary === undefined && byNode !== undefined) {
    return () => byNode(frame, { maxOutputLength: Math.max(1, rawLength) });
  }
  const { zstd, decompressing } = ready();
  const bytes = frame.length + rawLength;
  if (bytes > DECOMPRESS_BYTES_MAX) {
    throw new SluiceError(
      'UNSUPPORTED_FORMAT',
      `A ZSTD block of ${bytes} bytes, compressed and raw together, is too large to be decompressed here`,
    );
  }
  const options = { defaultHeapSize: rawLength };
  return () => zstd.decompressUsingDict(decompressing, frame, dictionary ?? EMPTY_BYTES, options);
}

function ready(): Loaded {
  assert(library !== undefined, 'ZSTD used before ensureZstd() was awaited');
  return library;
}

/**
 * The content size in a frame header, undefined where it has none:
 *
 *   magic u32 | descriptor u8 | window u8 unless single segment | dictionary id 0, 1, 2 or 4 bytes | size 0, 1, 2, 4 or 8
 */
function contentBytes(frame: Uint8Array): number | undefined {
  if (frame.length < 6 || fixed32(frame, 0) !== FRAME_MAGIC)
    throw corruption('it does not begin with a frame');
  const descriptor = frame[4] as number;
  const singleSegment = (descriptor & 32) !== 0;
  const idBytes = (descriptor & 3) === 3 ? 4 : descriptor & 3;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag;
  const at = 5 + (singleSegment ? 0 : 1) + idBytes;
  if (at + sizeBytes > frame.length) throw corruption('its frame header is cut short');
  switch (sizeBytes) {
    case 0:
      return undefined;
    case 1:
      return frame[at];
    case 2:
      return (frame[at] as number) + ((frame[at + 1] as number) << 8) + 256;
    case 4:
      return fixed32(frame, at);
    default:
      return fixed32(frame, at) + fixed32(frame, at + 4) * 4294967296;
  }
}

function corruption(what: string, cause?: unknown): SluiceError {
  return new SluiceError('CORRUPTION', `A ZSTD block is damaged: ${what}`, { cause });
}
