/** The bytes of a source that are not handed out yet, in one piece: rows never end at the borders of chunks. */

const FIRST_BYTES = 1 << 16;

export class RowWindow {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  end = 0;
  /** In the source, of bytes[0]. */
  offset = 0;

  /** Starts over at an offset of the source. */
  reset(offset: number): void {
    this.end = 0;
    this.offset = offset;
  }

  /** Drops what lies before `from`, and adds a chunk behind the rest. */
  add(from: number, chunk: Uint8Array): void {
    if (from > 0) this.bytes.copyWithin(0, from, this.end);
    this.offset += from;
    this.end -= from;
    const needed = this.end + chunk.length;
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, this.end));
      this.bytes = larger;
    }
    this.bytes.set(chunk, this.end);
    this.end = needed;
  }
}
