/**
 * The log: segment files of the format in `format.ts`, appended to by the commit pipeline, one write at a time.
 *
 * L9: a write that failed is cut away again, so a full disk costs nothing but the commits that met it. A failed sync
 * is never retried: the system may have dropped the pages, and a second sync would then succeed without them.
 */

import { assert } from '../../base/assert.ts';
import type { Env } from '../../base/env/env.ts';
import type { File, FileSystem } from '../../base/env/file-system.ts';
import { SluiceError } from '../../base/errors.ts';
import { encodeHeader, HEADER_BYTES, MARK_BYTES, putMark, SEAL, saltOf, segmentName } from './format.ts';
import type { LogBatch } from './log-batch.ts';
import { listSegments, recoverSegments, type SegmentInfo } from './recovery.ts';
import { SealedSegments } from './sealed-segments.ts';
import type { OnRecord } from './segment-reader.ts';

const SEGMENT_BYTES = 64 << 20;
/** A segment's length grows in such steps, sparse: so few appends change it, and recovery has few zeros to look at. */
const ALLOCATION_BYTES = 4 << 20;
/** Copying this much into the page cache is cheaper than a trip to a thread. */
const WRITE_SYNC_BYTES_MAX = 64 << 10;

export interface WalOptions {
  readonly env: Env;
  /** The directory of the segments; made if need be. */
  readonly dir: string;
  /** 32 hex digits. */
  readonly databaseId: string;
  /** 64 MiB. A batch larger than that gets a segment of its own size. */
  readonly segmentBytes?: number;
  /** New segments get no id below this. */
  readonly minSegmentId?: number;
}

interface Segment {
  readonly id: number;
  readonly file: File;
  readonly salt: number;
  /** The file's length: sparse beyond `end`. */
  allocated: number;
  /** Where the next write goes. */
  end: number;
  /** Durable up to here. */
  durable: number;
}

export class Wal {
  readonly #fs: FileSystem;
  readonly #dir: string;
  readonly #databaseId: string;
  readonly #segmentBytes: number;
  readonly #sealed: SealedSegments;
  #active: Segment | undefined;
  #nextId: number;
  #busy = false;
  #closed = false;
  #poisoned: SluiceError | undefined;

  /**
   * Recovers the log and starts a new segment; all that it replays is durable when it returns.
   * Throws CORRUPTION or UNSUPPORTED_FORMAT, see `recoverSegments`.
   */
  static open(options: WalOptions, onRecord: OnRecord): Wal {
    const { env, dir, databaseId } = options;
    if (!env.fs.existsSync(dir)) {
      env.fs.mkdirSync(dir);
      env.fs.syncDirectorySync(`${dir}/..`);
    }
    const newest = listSegments(env.fs, dir).at(-1) ?? 0;
    const segments = recoverSegments(env.fs, dir, databaseId, onRecord);
    const wal = new Wal(options, segments, Math.max(newest + 1, options.minSegmentId ?? 1));
    wal.#start();
    env.fs.syncDirectorySync(dir);
    return wal;
  }

  private constructor(options: WalOptions, segments: SegmentInfo[], nextId: number) {
    this.#fs = options.env.fs;
    this.#dir = options.dir;
    this.#databaseId = options.databaseId;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#sealed = new SealedSegments(this.#fs, this.#dir, segments);
    this.#nextId = nextId;
  }

  /** The segment that the last append went to. */
  get segmentId(): number {
    return this.#active?.id ?? this.#sealed.newestId;
  }

  /** Why nothing can be written until the database is opened again: code POISONED. */
  get poisoned(): SluiceError | undefined {
    return this.#poisoned;
  }

  get bytesOnDisk(): number {
    return this.#sealed.bytes + (this.#active?.end ?? 0);
  }

  /** Oldest first, the active one last. */
  segments(): readonly SegmentInfo[] {
    const active = this.#active;
    const sealed = this.#sealed.staying;
    return active === undefined ? sealed : [...sealed, { id: active.id, bytes: active.end }];
  }

  /**
   * Writes the batch, and with `sync` makes it durable. One at a time. Without `sync` the batch survives this process
   * but not a loss of power.
   *
   * Rejects with NO_SPACE, IO … when the write failed and left no trace; the log goes on. With OUTCOME_UNKNOWN when it
   * may have left one; from then on every append rejects with POISONED.
   */
  async append(batch: LogBatch, sync: boolean): Promise<void> {
    assert(!this.#busy, 'one append at a time');
    assert(batch.records > 0, 'an append needs records');
    this.#check();
    this.#busy = true;
    try {
      const segment = this.#hasRoom(batch.length) ?? (await this.#nextSegment());
      this.#allocate(segment, segment.end + batch.length + MARK_BYTES);
      await this.#write(segment, batch);
      if (sync) await this.#datasync(segment);
    } finally {
      this.#busy = false;
    }
  }

  /** As `append` without `sync`, and done when it returns: where a segment is full, the event loop is held. */
  appendSync(batch: LogBatch): void {
    assert(!this.#busy, 'one append at a time');
    this.#check();
    const segment = this.#hasRoom(batch.length) ?? this.#nextSegmentSync();
    this.#allocate(segment, segment.end + batch.length + MARK_BYTES);
    batch.seat(segment.salt, segment.durable);
    try {
      segment.file.writeSync(batch.bytes, 0, batch.length, segment.end);
    } catch (error) {
      throw this.#cutSync(segment) ?? error;
    }
    segment.end += batch.length;
  }

  /** Makes durable what was appended without `sync`. Throws POISONED when that fails. */
  async sync(): Promise<void> {
    this.#check();
    const segment = this.#active;
    if (segment === undefined || segment.durable === segment.end) return;
    await this.#datasync(segment).catch((error) => {
      throw this.#poisoned ?? error;
    });
  }

  syncSync(): void {
    this.#check();
    const segment = this.#active;
    if (segment !== undefined) this.#datasyncSync(segment);
  }

  /** Ends the active segment; the next append starts another. Throws NO_SPACE, IO (nothing changed) or POISONED. */
  rotate(): void {
    assert(!this.#busy, 'no rotation during an append');
    this.#check();
    const segment = this.#active;
    if (segment === undefined || segment.end === HEADER_BYTES) return;
    this.#datasyncSync(segment);
    this.#writeSeal(segment);
    this.#datasyncSync(segment);
    this.#retire(segment);
  }

  /**
   * Removes the segments up to this id, oldest first, never the active one; resolves when they are gone. The caller has made
   * durable the edit that makes them unneeded, and knows that no other process reads them (L2).
   */
  unlinkThrough(segmentId: number): Promise<void> {
    return this.#sealed.unlinkThrough(segmentId);
  }

  /** Seals the active segment, so that all of the log is known to be whole. */
  async close(): Promise<void> {
    if (this.#closed) return;
    assert(!this.#busy, 'no close during an append');
    const segment = this.#active;
    try {
      if (segment === undefined || this.#poisoned !== undefined) return;
      if (segment.end > HEADER_BYTES) this.rotate();
      else this.#remove(segment);
    } finally {
      this.#closed = true;
      this.#active?.file.closeSync();
      this.#active = undefined;
    }
  }

  #check(): void {
    if (this.#closed) throw new SluiceError('CLOSED', 'The log is closed');
    if (this.#poisoned !== undefined) throw this.#poisoned;
  }

  /** The active segment, unless the batch and a seal would make it too long; an empty one takes any batch. */
  #hasRoom(bytes: number): Segment | undefined {
    const segment = this.#active;
    if (segment === undefined || segment.end === HEADER_BYTES) return segment;
    return segment.end + bytes + MARK_BYTES <= this.#segmentBytes ? segment : undefined;
  }

  #allocate(segment: Segment, bytes: number): void {
    if (bytes <= segment.allocated) return;
    const allocated = Math.max(bytes, Math.min(segment.allocated + ALLOCATION_BYTES, this.#segmentBytes));
    segment.file.truncateSync(allocated);
    segment.allocated = allocated;
  }

  async #nextSegment(): Promise<Segment> {
    const full = this.#active;
    if (full !== undefined) {
      try {
        if (full.durable < full.end) await this.#datasync(full);
        this.#writeSeal(full);
        await this.#datasync(full);
      } catch (error) {
        throw this.#poisoned ?? error; // of this batch nothing was written: its outcome is known
      }
      this.#retire(full);
    }
    const segment = this.#start();
    try {
      await this.#fs.syncDirectory(this.#dir);
    } catch (error) {
      throw this.#refusal(error);
    }
    return segment;
  }

  #nextSegmentSync(): Segment {
    this.rotate();
    const segment = this.#start();
    try {
      this.#fs.syncDirectorySync(this.#dir);
    } catch (error) {
      throw this.#refusal(error);
    }
    return segment;
  }

  async #write(segment: Segment, batch: LogBatch): Promise<void> {
    batch.seat(segment.salt, segment.durable);
    try {
      if (batch.length > WRITE_SYNC_BYTES_MAX) {
        await segment.file.write(batch.bytes, 0, batch.length, segment.end);
      } else segment.file.writeSync(batch.bytes, 0, batch.length, segment.end);
    } catch (error) {
      await this.#cut(segment);
      throw error;
    }
    segment.end += batch.length;
  }

  /** Takes back a write that failed part way: whole records of it would be replayed though they were never acked. */
  async #cut(segment: Segment): Promise<void> {
    try {
      segment.file.truncateSync(segment.end);
      segment.file.truncateSync(segment.allocated);
      await segment.file.datasync();
    } catch (error) {
      throw this.#poison(error);
    }
  }

  async #datasync(segment: Segment): Promise<void> {
    const end = segment.end;
    try {
      await segment.file.datasync();
    } catch (error) {
      throw this.#poison(error);
    }
    if (segment.durable < end) segment.durable = end;
  }

  #datasyncSync(segment: Segment): void {
    if (segment.durable === segment.end) return;
    try {
      segment.file.datasyncSync();
    } catch (error) {
      throw this.#refusal(error);
    }
    segment.durable = segment.end;
  }

  /** Everything before the seal is durable. */
  #writeSeal(segment: Segment): void {
    const seal = new Uint8Array(MARK_BYTES);
    putMark(seal, 0, SEAL, segment.end, segment.salt);
    try {
      segment.file.writeSync(seal, 0, MARK_BYTES, segment.end);
      segment.file.truncateSync(segment.end + MARK_BYTES);
    } catch (error) {
      this.#cutSync(segment);
      throw this.#poisoned ?? error;
    }
    segment.end += MARK_BYTES;
  }

  /** As `#cut`; returns the error for whoever was writing when it fails. */
  #cutSync(segment: Segment): SluiceError | undefined {
    try {
      segment.file.truncateSync(segment.end);
      segment.file.truncateSync(segment.allocated);
      segment.file.datasyncSync();
      return undefined;
    } catch (error) {
      return this.#poison(error);
    }
  }

  #retire(segment: Segment): void {
    this.#sealed.add({ id: segment.id, bytes: segment.end });
    this.#active = undefined;
    segment.file.closeSync();
  }

  /** The caller syncs the directory. On failure there is no active segment, and the next append tries again. */
  #start(): Segment {
    const id = this.#nextId++;
    const file = this.#fs.openSync(`${this.#dir}/${segmentName(id)}`, 'create');
    const segment: Segment = {
      id,
      file,
      salt: saltOf(this.#databaseId, id),
      allocated: 0,
      end: HEADER_BYTES,
      durable: 0,
    };
    try {
      this.#allocate(segment, HEADER_BYTES);
      const header = encodeHeader(id, this.#sealed.newestId, this.#databaseId);
      file.writeSync(header, 0, HEADER_BYTES, 0);
    } catch (error) {
      this.#remove(segment);
      throw error;
    }
    this.#active = segment;
    return segment;
  }

  #remove(segment: Segment): void {
    segment.file.closeSync();
    this.#fs.unlinkSync(segment.file.path);
    if (this.#active === segment) this.#active = undefined;
  }

  /** The error where nothing was being written, so that no outcome is open. */
  #refusal(cause: unknown): unknown {
    this.#poison(cause);
    return this.#poisoned;
  }

  /** Returns the error for whoever was writing; all others get POISONED. */
  #poison(cause: unknown): SluiceError {
    const what = cause instanceof Error ? cause.message : String(cause);
    this.#poisoned ??= new SluiceError(
      'POISONED',
      `The log could not be made durable, so it takes no more writes: ${what}. Reads go on. ` +
        'Close the database, see to the disk, and open it again',
      { cause },
    );
    return new SluiceError(
      'OUTCOME_UNKNOWN',
      `The commit was being written when the log failed, so it may or may not survive: ${what}. ` +
        'Open the database again to learn which',
      { cause },
    );
  }
}
