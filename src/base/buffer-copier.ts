/**
 * Copies ranges of large arrays to Buffers. A `set` of a `subarray` costs as much as copying 250 bytes by words of a
 * DataView; so a copier keeps one for the array that it copies from again and again. It lives as long as its reader, and
 * not in the module, so as not to keep a closed database's memory.
 */

/** Fewer are copied byte by byte, more by `set`. */
const BY_WORDS_BYTES_MIN = 24;
const BY_WORDS_BYTES_MAX = 256;

/** `Buffer` itself is an accessor of the global object: a call for each use. */
const { allocUnsafe } = Buffer;

/** Node's pool for small Buffers, as the last copy had it. Asking a Buffer for its ArrayBuffer is a call: once a copy. */
let poolBuffer: ArrayBufferLike = new ArrayBuffer(0);
let pool = new DataView(poolBuffer);

export class BufferCopier {
  #bytes: Uint8Array | undefined;
  #words = pool;
  #lastBytes: Uint8Array | undefined;

  copy(bytes: Uint8Array, start: number, length: number): Buffer {
    // Small ones come from Node's pool: a third of the cost of an ArrayBuffer each.
    const copy = allocUnsafe(length);
    if (length < BY_WORDS_BYTES_MIN) {
      for (let i = 0; i < length; i++) copy[i] = bytes[start + i] as number;
      return copy;
    }
    if (length > BY_WORDS_BYTES_MAX || (bytes !== this.#bytes && !this.#turnTo(bytes))) {
      copy.set(length === bytes.length ? bytes : bytes.subarray(start, start + length));
      return copy;
    }
    const buffer = copy.buffer;
    if (buffer !== poolBuffer) {
      poolBuffer = buffer;
      pool = new DataView(buffer);
    }
    const from = this.#words;
    const to = pool;
    let source = start;
    let target = copy.byteOffset;
    const end = target + length;
    for (; target + 4 <= end; target += 4, source += 4)
      to.setInt32(target, from.getInt32(source, true), true);
    for (; target < end; target++, source++) to.setUint8(target, from.getUint8(source));
    return copy;
  }

  /**
   * A scan over several sources goes back and forth between arrays: only one that comes twice is worth a view. Memtables
   * (shared memory) come and go, and must not be kept.
   */
  #turnTo(bytes: Uint8Array): boolean {
    if (bytes.buffer instanceof SharedArrayBuffer) return false;
    const again = this.#lastBytes === bytes;
    this.#lastBytes = again ? undefined : bytes;
    if (!again) return false;
    this.#bytes = bytes;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return true;
  }
}
