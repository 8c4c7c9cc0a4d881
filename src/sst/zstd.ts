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
  assert(library !== undefined, 'ZSTD used before ensureZstd() was awaited');
  const { zstd, compressing } = library;
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

/** Frames one after another, with or without content sizes, as streams have them: at most `maxBytes`, or CORRUPTION. */
export function zstdDecompressFrames(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let left = maxBytes;
  for (let at = 0; at < bytes.length; ) {
    const { end, rawBytesMax } = frameExtent(bytes, at);
    const frame = bytes.subarray(at, end);
    at = end;
    if (rawBytesMax === 0) continue;
    const claimed = contentBytes(frame);
    if (claimed !== undefined && claimed > Math.min(left, rawBytesMax)) {
      throw corruption(`its frame claims ${claimed} bytes, of at most ${Math.min(left, rawBytesMax)}`);
    }
    const decompress = decompressor(frame, claimed ?? Math.min(left, rawBytesMax), undefined);
    let piece: Uint8Array;
    try {
      piece = decompress();
    } catch (cause) {
      throw corruption(`it does not decompress, or is over ${left} bytes long decompressed`, cause);
    }
    left -= piece.length;
    pieces.push(piece);
  }
  const [only] = pieces;
  return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces);
}

const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_RAW_BYTES_MAX = 131072;
const BLOCK_RAW = 0;
const BLOCK_RUN = 1;
const BLOCK_COMPRESSED = 2;

/**
 * Where the frame ends, and what its blocks can be at most: that is no more than 128 KiB each, whatever is claimed.
 *
 *   header | blocks: u24 of last bit 0, type bits 1 and 2, size; a run of one byte has that byte | checksum u32 where bit 2 is set
 *   or: magic 184d2a5x hex | u32 length | what is to be skipped
 */
function frameExtent(bytes: Uint8Array, start: number): { end: number; rawBytesMax: number } {
  const need = (end: number): number => {
    if (end > bytes.length) throw corruption('its last frame is cut short');
    return end;
  };
  need(start + 8);
  if ((fixed32(bytes, start) & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
    return { end: need(start + 8 + fixed32(bytes, start + 4)), rawBytesMax: 0 };
  }
  const descriptor = bytes[start + 4] as number;
  let at = start + headerBytes(bytes.subarray(start)).bytes;
  let rawBytesMax = 0;
  for (let last = false; !last; ) {
    need(at + 3);
    const head = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
    const [type, size] = [(head >>> 1) & 3, head >>> 3];
    if (type > BLOCK_COMPRESSED) throw corruption('a block of its frame has no known type');
    last = (head & 1) !== 0;
    at += 3 + (type === BLOCK_RUN ? 1 : size);
    rawBytesMax += type === BLOCK_RAW || type === BLOCK_RUN ? size : BLOCK_RAW_BYTES_MAX;
  }
  return { end: need(at + ((descriptor & 4) === 0 ? 0 : 4)), rawBytesMax };
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
  // Whoever opens a file that names ZSTD has loaded it.
  if (library === undefined) throw corruption('its file does not say that it has such');
  const { zstd, decompressing } = library;
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

/**
 * The content size in a frame header, undefined where it has none:
 *
 *   magic u32 | descriptor u8 | window u8 unless single segment | dictionary id 0, 1, 2 or 4 bytes | size 0, 1, 2, 4 or 8
 */
function contentBytes(frame: Uint8Array): number | undefined {
  const { bytes, sizeBytes } = headerBytes(frame);
  const at = bytes - sizeBytes;
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

/** How long a frame's header is, and the content size in it, which comes last. */
function headerBytes(frame: Uint8Array): { bytes: number; sizeBytes: number } {
  if (frame.length < 6 || fixed32(frame, 0) !== FRAME_MAGIC)
    throw corruption('it does not begin with a frame');
  const descriptor = frame[4] as number;
  const singleSegment = (descriptor & 32) !== 0;
  const idBytes = (descriptor & 3) === 3 ? 4 : descriptor & 3;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag;
  const bytes = 5 + (singleSegment ? 0 : 1) + idBytes + sizeBytes;
  if (bytes > frame.length) throw corruption('its frame header is cut short');
  return { bytes, sizeBytes };
}

function corruption(what: string, cause?: unknown): SluiceError {
  return new SluiceError('CORRUPTION', `A ZSTD block is damaged: ${what}`, { cause });
}
