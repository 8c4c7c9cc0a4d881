/**
 * Copies ranges of large arrays to Buffers. A `set` of a `subarray` costs as much as copying 250 bytes by words of a
 * DataView; so a copier keeps one for the array that it copies from again and again. It lives as long as its reader, and
 * not in the module, so as not to keep a closed database's memory.
 */

const BY_WORDS_BYTES_MAX = 256;

/** Of Node's pool, which is small. */
let pool: DataView = new DataView(new ArrayBuffer(0));

export class BufferCopier {
  #words: DataView = new DataView(new ArrayBuffer(0));
  #lastBuffer: ArrayBufferLike | undefined;

  copy(bytes: Uint8Array, start: number, length: number): Buffer {
    // Small ones come from Node's pool: a third of the cost of an ArrayBuffer each.
    const copy = Buffer.allocUnsafe(length);
    if (length > BY_WORDS_BYTES_MAX || (this.#words.buffer !== bytes.buffer && !this.#turnTo(bytes.buffer))) {
      copy.set(length === bytes.length ? bytes : bytes.subarray(start, start + length));
      return copy;
    }
    if (pool.buffer !== copy.buffer) pool = new DataView(copy.buffer);
    const from = this.#words;
    const to = pool;
    let source = bytes.byteOffset + start;
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
  #turnTo(buffer: ArrayBufferLike): boolean {
    if (buffer instanceof SharedArrayBuffer) return false;
    const again = this.#lastBuffer === buffer;
    this.#lastBuffer = again ? undefined : buffer;
    if (again) this.#words = new DataView(buffer);
    return again;
  }
}
