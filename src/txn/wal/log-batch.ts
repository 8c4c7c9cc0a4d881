/** Records being gathered for one write. The pipeline keeps two or more and reuses them. */

import { assert } from '../../base/assert.ts';
import { fixed32, putFixed32 } from '../../base/codec.ts';
import { crc32 } from './crc32.ts';
import { FRAME_BYTES, GROUP, MARK_BYTES, putMark, RECORD_BYTES_MAX } from './format.ts';

const INITIAL_BYTES = 64 << 10;
/** A larger buffer is given back by `clear`. */
const KEPT_BYTES = 4 << 20;

export class LogBatch {
  /** Room for the group frame, then records. Replaced when it grows: ask for it again after `begin`. */
  bytes = new Uint8Array(INITIAL_BYTES);
  /** What the write will be, the group frame included. */
  length = MARK_BYTES;
  records = 0;
  /** What the CRCs are salted with now: a batch that failed in one segment may be written to the next. */
  #salt = 0;

  /**
   * Makes room for one record and returns where its payload starts. A `begin` without an `end` leaves no trace.
   * @param payloadBytesMax at most RECORD_BYTES_MAX
   */
  begin(payloadBytesMax: number): number {
    assert(payloadBytesMax <= RECORD_BYTES_MAX, `a log record of ${payloadBytesMax} bytes`);
    const needed = this.length + FRAME_BYTES + payloadBytesMax;
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, Math.min(2 * this.bytes.length, RECORD_BYTES_MAX)));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    return this.length + FRAME_BYTES;
  }

  /** Frames the record whose payload was written from what `begin` returned up to `payloadEnd`. */
  end(payloadEnd: number): void {
    const start = this.length + FRAME_BYTES;
    assert(payloadEnd > start && payloadEnd <= this.bytes.length, 'a log record must fit the room asked for');
    putFixed32(this.bytes, this.length, payloadEnd - start);
    putFixed32(this.bytes, this.length + 4, crc32(this.bytes, start, payloadEnd) ^ this.#salt);
    this.length = payloadEnd;
    this.records++;
  }

  clear(): void {
    this.length = MARK_BYTES;
    this.records = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = new Uint8Array(INITIAL_BYTES);
  }

  /** Readies the batch for the segment of this salt. Only the log calls it. */
  seat(salt: number, durableBytes: number): void {
    putMark(this.bytes, 0, GROUP, durableBytes, salt);
    const change = salt ^ this.#salt;
    this.#salt = salt;
    if (change === 0) return;
    for (let at = MARK_BYTES; at < this.length; ) {
      const payloadBytes = fixed32(this.bytes, at);
      putFixed32(this.bytes, at + 4, fixed32(this.bytes, at + 4) ^ change);
      at += FRAME_BYTES + payloadBytes;
    }
  }
}
