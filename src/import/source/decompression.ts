/** gzip and zstd, as streams of bounded memory: what has been decompressed is taken before more is made. */

import * as zlib from 'node:zlib';
import { isSluiceError, SluiceError } from '../../base/errors.ts';

export const MAGIC_BYTES = 4;

const OUTPUT_BYTES = 1 << 18;
/** A frame may ask for a window of gigabytes; as the zstd command, this takes 128 MiB and no more. */
const ZSTD_WINDOW_LOG_MAX = 27;

/** What the types of Node 20 do not have; Node has it from 22.15 on. */
interface NativeZstd {
  createZstdDecompress?(options: { chunkSize: number; params: Record<number, number> }): zlib.Gunzip;
}
const native = zlib as NativeZstd;
const constants: { readonly ZSTD_d_windowLogMax?: unknown } & typeof zlib.constants = zlib.constants;

/** By the first bytes. @throws SluiceError BAD_INPUT where the name of a file says that it is compressed, and it is not */
export function compressionOf(head: Uint8Array, name: string): 'none' | 'gzip' | 'zstd' {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  // zstd may begin with frames that are skipped, pzstd's do.
  if (((head[0] as number) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18)
    return 'zstd';
  const named = /\.(gz|zst)$/i.exec(name)?.[1];
  // What a server decompressed on its way keeps its name.
  if (named === undefined || /^https?:/i.test(name)) return 'none';
  throw new SluiceError(
    'BAD_INPUT',
    `${name} does not begin as a .${named} file does; if it is not compressed, say so with compression: 'none'`,
  );
}

/** What the chunks decompress to. Several members or frames, one behind the other, are one stream. */
export async function* decompress(
  compression: 'gzip' | 'zstd',
  stored: AsyncIterable<Uint8Array>,
  name: string,
): AsyncIterable<Uint8Array> {
  const stream = compression === 'gzip' ? zlib.createGunzip({ chunkSize: OUTPUT_BYTES }) : unzstd(name);
  let taken = 0;
  let given = 0;
  const feed = async (): Promise<void> => {
    for await (const chunk of stored) {
      taken += chunk.length;
      if (stream.destroyed) return;
      // The chunk is borrowed: it is taken when the call is back.
      await new Promise<void>((resolve) => stream.write(chunk, () => resolve()));
    }
    stream.end();
  };
  feed().catch((error: unknown) => {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const chunk of stream) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('zlib hands out bytes');
      given += chunk.length;
      yield chunk;
    }
  } catch (cause) {
    throw isZlibError(cause) ? damaged(name, compression, cause, taken, given) : cause;
  } finally {
    // The feeding may be waiting for a chunk: who reads no more does not wait for it.
    stream.destroy();
  }
}

function unzstd(name: string): zlib.Gunzip {
  const window = constants.ZSTD_d_windowLogMax;
  if (native.createZstdDecompress === undefined || typeof window !== 'number') {
    throw new SluiceError(
      'UNSUPPORTED_FORMAT',
      `${name} is compressed with zstd, which Node reads from 22.15 on; here, decompress it first, or hand the output of zstd -dc to standard input`,
    );
  }
  return native.createZstdDecompress({ chunkSize: OUTPUT_BYTES, params: { [window]: ZSTD_WINDOW_LOG_MAX } });
}

function isZlibError(cause: unknown): cause is Error {
  return (
    !isSluiceError(cause) &&
    cause instanceof Error &&
    'code' in cause &&
    /^(Z|ZSTD)_/.test(String(cause.code))
  );
}

function damaged(name: string, compression: string, cause: Error, taken: number, given: number): SluiceError {
  const cut = /unexpected end/i.test(cause.message);
  const what = cut ? 'is cut short' : `is damaged (${cause.message})`;
  return new SluiceError(
    'BAD_INPUT',
    `${name} ${what}: its ${compression} stream was good for ${given} bytes, of the first ${taken} bytes stored`,
    { cause },
  );
}
