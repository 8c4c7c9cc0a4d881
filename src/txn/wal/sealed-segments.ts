/** The segments of a log that are not written to any more, and their removal once their records are in tables. */

import type { FileSystem } from '../../base/env/file-system.ts';
import { isSluiceError } from '../../base/errors.ts';
import { segmentName } from './format.ts';
import type { SegmentInfo } from './recovery.ts';

export class SealedSegments {
  readonly #fs: FileSystem;
  readonly #dir: string;
  /** Oldest first. */
  readonly #segments: SegmentInfo[];
  /** Up to this one they are being removed: nobody needs them, and their names may go at any moment. */
  #leavingThrough = 0;
  /** The removal asked for last. */
  #removed: Promise<void> = Promise.resolve();

  constructor(fs: FileSystem, dir: string, segments: SegmentInfo[]) {
    this.#fs = fs;
    this.#dir = dir;
    this.#segments = segments;
  }

  /** 0: there is none. */
  get newestId(): number {
    return this.#segments.at(-1)?.id ?? 0;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** Those that nobody removes. */
  get staying(): readonly SegmentInfo[] {
    return this.#segments.filter(({ id }) => id > this.#leavingThrough);
  }

  add(segment: SegmentInfo): void {
    this.#segments.push(segment);
  }

  /** Resolves when they are gone, oldest first. */
  async unlinkThrough(segmentId: number): Promise<void> {
    // All of them from now on: a checkpoint that begins while the first is removed must not count on the second.
    this.#leavingThrough = Math.max(this.#leavingThrough, segmentId);
    const removed = this.#removed.then(() => this.#removeThrough(segmentId));
    const ended = removed.catch(() => undefined);
    this.#removed = ended;
    try {
      await removed;
    } finally {
      if (this.#removed === ended) this.#leavingThrough = 0;
    }
  }

  /** One after the other: were a newer one gone and an older one back after a crash, recovery would see a loss. */
  async #removeThrough(segmentId: number): Promise<void> {
    let oldest = this.#segments[0];
    while (oldest !== undefined && oldest.id <= segmentId) {
      await this.#unlink(`${this.#dir}/${segmentName(oldest.id)}`);
      await this.#fs.syncDirectory(this.#dir);
      this.#segments.shift();
      oldest = this.#segments[0];
    }
  }

  async #unlink(path: string): Promise<void> {
    try {
      await this.#fs.unlink(path);
    } catch (error) {
      if (!isSluiceError(error, 'FILE_NOT_FOUND')) throw error;
    }
  }
}
