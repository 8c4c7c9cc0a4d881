/** gzip and zstd, as streams of bounded memory: what has been decompressed is taken before more is made. */

import * as zlib from 'node:zlib';
import { isSluiceError, SluiceError } from '../../base/errors.ts';

export const MAGIC_BYTES = 4;

const OUTPUT_BYTES = 1 << 18;
/** A frame may ask for a window of gigabytes; as the zstd command, this takes 128 MiB and no more. */
const ZSTD_WINDOW_LOG_MAX = 27;

const TRAILING = 'something else follows';

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
  const input = new Input(stored);
  let given = 0;
  try {
    do {
      const stream = compression === 'gzip' ? zlib.createGunzip({ chunkSize: OUTPUT_BYTES }) : unzstd(name);
      const fed = feed(input, stream);
      try {
        for await (const chunk of stream) {
          if (!(chunk instanceof Uint8Array)) throw new TypeError('zlib hands out bytes');
          given += chunk.length;
          yield chunk;
        }
        await fed;
      } finally {
        stream.destroy();
      }
      // Of gzip, Node goes through all members itself, up to a zero; of zstd it takes what follows a frame for garbage.
      if (compression === 'gzip') await skipZeros(input);
    } while (input.rest.length > 0);
  } catch (cause) {
    throw isDamage(cause) ? damaged(name, compression, cause, input.taken, given) : cause;
  } finally {
    input.close();
  }
}

/** Chunks, and what is left of one. */
class Input {
  taken = 0;
  rest: Uint8Array = new Uint8Array(0);
  readonly #chunks: AsyncIterator<Uint8Array>;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Sets `rest`, which has bytes unless there are no more. */
  async next(): Promise<void> {
    while (this.rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return;
      this.taken += value.length;
      this.rest = value;
    }
  }

  /** Not awaited: who reads no more does not wait for a chunk that is under way. */
  close(): void {
    this.#chunks.return?.().catch(() => {});
  }
}

/** What tapes are filled up with. */
async function skipZeros(input: Input): Promise<void> {
  while (input.rest.length > 0) {
    if (input.rest.some((byte) => byte !== 0)) throw new Error(TRAILING);
    input.rest = new Uint8Array(0);
    await input.next();
  }
}

/** Hands the input to a stream until the one or the other ends; what the stream did not take is the rest. */
async function feed(input: Input, stream: zlib.Gunzip): Promise<void> {
  try {
    for (;;) {
      await input.next();
      if (stream.destroyed) return;
      if (input.rest.length === 0) {
        stream.end();
        return;
      }
      const before = stream.bytesWritten;
      // The chunk is borrowed: it is taken when the call is back.
      await new Promise<void>((resolve) => stream.write(input.rest, () => resolve()));
      input.rest = input.rest.subarray(stream.bytesWritten - before);
      if (input.rest.length > 0) return;
    }
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
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

/** By zlib's codes; and what is thrown here. */
function isDamage(cause: unknown): cause is Error {
  if (isSluiceError(cause) || !(cause instanceof Error)) return false;
  return 'code' in cause ? /^(Z|ZSTD)_/.test(String(cause.code)) : cause.message === TRAILING;
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
