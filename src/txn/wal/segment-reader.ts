/** Reads the frames of one segment, in order, through a window over the file. */

import { fixed32 } from '../../base/codec.ts';
import type { File } from '../../base/env/file-system.ts';
import { crc32 } from './crc32.ts';
import { FRAME_BYTES, GROUP, HEADER_BYTES, MARK_BYTES, markAt, RECORD_BYTES_MAX, SEAL } from './format.ts';

const WINDOW_BYTES = 1 << 20;

/** `bytes` is only good during the call. */
export type OnRecord = (
  bytes: Uint8Array,
  payloadStart: number,
  payloadEnd: number,
  segmentId: number,
) => void;

export interface WalkEnd {
  /** Where the last whole frame ends; of a sealed segment, where the seal starts. */
  readonly position: number;
  readonly sealed: boolean;
  /** Bytes that the newest group calls durable. */
  readonly durableBytes: number;
  readonly records: number;
}

class Window {
  readonly #file: File;
  bytes = new Uint8Array(WINDOW_BYTES);
  #position = 0;
  #length = 0;

  constructor(file: File) {
    this.#file = file;
  }

  /** Where in `bytes` the `length` bytes at `position` are; -1 when the file ends before. */
  at(position: number, length: number): number {
    const offset = position - this.#position;
    if (offset >= 0 && offset + length <= this.#length) return offset;
    if (length > this.bytes.length) this.bytes = new Uint8Array(length + WINDOW_BYTES);
    this.#position = position;
    this.#length = this.#file.readSync(this.bytes, 0, this.bytes.length, position);
    return length <= this.#length ? 0 : -1;
  }
}

/**
 * Calls onRecord for each record from `from` on, up to the seal or the first frame that is not whole; or to the first
 * that ends at `until` or beyond.
 */
export function walkSegment(
  file: File,
  segmentId: number,
  salt: number,
  onRecord: OnRecord,
  from = HEADER_BYTES,
  until = Number.POSITIVE_INFINITY,
): WalkEnd {
  const size = file.sizeSync();
  const window = new Window(file);
  let position = from;
  let durableBytes = 0;
  let records = 0;
  let sealed = false;
  while (!sealed && position < until) {
    const at = window.at(position, FRAME_BYTES);
    if (at < 0) break;
    const length = fixed32(window.bytes, at);
    if (length === GROUP || length === SEAL) {
      const mark = window.at(position, MARK_BYTES);
      const value = mark < 0 ? -1 : markAt(window.bytes, mark, position, salt);
      if (value < 0) break;
      if (length === SEAL) sealed = true;
      else {
        durableBytes = Math.max(durableBytes, value);
        position += MARK_BYTES;
      }
      continue;
    }
    const frameBytes = FRAME_BYTES + length;
    if (length === 0 || length > RECORD_BYTES_MAX || position + frameBytes > size) break;
    const start = window.at(position, frameBytes);
    if (start < 0) break;
    const payload = start + FRAME_BYTES;
    const end = start + frameBytes;
    if ((crc32(window.bytes, payload, end) ^ salt) >>> 0 !== fixed32(window.bytes, start + 4)) break;
    onRecord(window.bytes, payload, end, segmentId);
    records++;
    position += frameBytes;
  }
  return { position, sealed, durableBytes, records };
}

/**
 * Whether a group or seal after `position` proves that the bytes at `position` were durable once, so that a frame
 * which is not whole there is damage and no torn write.
 */
export function wasDurable(file: File, salt: number, position: number): boolean {
  const chunk = Buffer.alloc(WINDOW_BYTES);
  const pattern = Buffer.from([0xff, 0xff, 0xff]); // the upper bytes of both kinds of mark
  for (let start = position; ; start += chunk.length - MARK_BYTES) {
    const length = file.readSync(chunk, 0, chunk.length, start);
    const readable = chunk.subarray(0, length);
    for (let hit = readable.indexOf(pattern); hit >= 0; hit = readable.indexOf(pattern, hit + 1)) {
      const at = hit - 1;
      if (at < 0 || at + MARK_BYTES > length || fixed32(chunk, at) < GROUP) continue;
      const value = markAt(chunk, at, start + at, salt);
      if (value > position) return true;
    }
    if (length < chunk.length) return false;
  }
}
