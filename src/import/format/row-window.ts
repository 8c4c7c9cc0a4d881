/** The bytes of a source that are not handed out yet, in one piece: rows never end at the borders of chunks. */

const FIRST_BYTES = 1 << 16;
/** What is told of a bad row. */
const REPORTED_BYTES = 1 << 16;
const ROW_BYTES_MAX = 64 << 20;

/** The option `rowBytesMax`, or what it is by default. @throws TypeError */
export function checkedRowBytes(given: unknown): number {
  if (given === undefined) return ROW_BYTES_MAX;
  // A window is one array, and grows to twice its rows.
  if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 1 && given <= 2 ** 30)
    return given;
  throw new TypeError(`options.rowBytesMax must be a whole number from 1 to 1 GiB; got ${String(given)}`);
}

export function tooLong(bytes: number, most: number): string {
  return `it has ${bytes} bytes, more than rowBytesMax, which is ${most}`;
}

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

  /** A copy of the first bytes of a range, for a report. */
  reported(from: number, to: number): Uint8Array {
    return Uint8Array.prototype.slice.call(this.bytes, from, Math.min(to, from + REPORTED_BYTES));
  }
}
