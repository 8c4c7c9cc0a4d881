/**
 * The commit pipeline for put transactions (docs/ARCHITECTURE.md "Writing"): one synchronous section takes the version,
 * encodes the record and enters the conflict window; then the group of waiting records is written with one write and
 * one fdatasync; then, in version order, it is applied to the memtables, published and acknowledged.
 *
 * Two batches take turns: while one is being written the other gathers. An ingest commit that takes a version closes
 * the open group, since the versions of a group are consecutive.
 */

import { assert } from '../base/assert.ts';
import type { Env } from '../base/env/env.ts';
import type { Version } from '../mvcc/version.ts';
import type { Publication, Slot } from './publication.ts';
import { CommitEncoder, type RecordVisitor, readRecord, writeVisibleMark } from './record.ts';
import type { RunSection } from './run.ts';
import { LogBatch } from './wal/log-batch.ts';
import type { Wal } from './wal/wal.ts';
import type { ConflictWindow } from './window.ts';
import type { PendingRun } from './written-runs.ts';

/** How long the log may stay behind the visible version while nothing is written, for processes that only read. */
const MARK_DELAY_MS = 5;

interface Waiter {
  resolve(version: Version): void;
  reject(error: unknown): void;
  readonly version: Version;
}

/** Consecutive put transactions that share a place in the order of publication. */
class Group implements Slot, PendingRun {
  readonly first: Version;
  last: Version;
  ready = false;
  error: unknown;
  readonly payloads: number[] = [];
  readonly waiters: Waiter[] = [];
  segmentId = 0;
  readonly #batch: LogBatch;
  readonly #pipeline: Pipeline;

  constructor(first: Version, batch: LogBatch, pipeline: Pipeline) {
    this.first = first;
    this.last = first;
    this.#batch = batch;
    this.#pipeline = pipeline;
  }

  get bytes(): Uint8Array {
    return this.#batch.bytes;
  }

  settle(): void {
    this.#pipeline.settleGroup(this);
  }

  abandoned(error: unknown): void {
    this.error ??= error;
    for (const { reject } of this.waiters.splice(0)) reject(this.error);
  }

  published(): void {
    for (const waiter of this.waiters) {
      if (this.error === undefined) waiter.resolve(waiter.version);
      else waiter.reject(this.error);
    }
    this.#pipeline.groupPublished(this);
  }
}

/** Put transactions one after the other: (start, end) of the sections of each, as records have them. */
export interface SectionRun {
  readonly bytes: Uint8Array;
  readonly spans: readonly number[];
}

export interface SectionOf {
  readonly keyspace: string;
  readonly section: RunSection;
}

export interface PipelineOptions {
  readonly env: Env;
  readonly wal: Wal;
  readonly publication: Publication;
  readonly window: ConflictWindow;
  /** Puts records into the memtables, told first which segment they are in. */
  readonly applier: RecordVisitor & { segment(id: number): void };
  readonly sync: boolean;
  /** The lowest snapshot that an active transaction may still commit against, or the visible version. */
  oldestNeeded(): Version;
  /** Called after a group has been published. */
  onPublished(): void;
  /** Called when the log can take no more. */
  onPoisoned(error: unknown): void;
}

interface Batch {
  readonly log: LogBatch;
  readonly groups: Group[];
  /** Groups of it not published yet; it is reusable at 0. */
  unpublished: number;
}

export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #encoder = new CommitEncoder();
  #open: Batch;
  readonly #spare: Batch[] = [];
  readonly #owner = new Map<Group, Batch>();
  #writing: Promise<void> | undefined;
  #scheduled = false;
  #recordedVisible: Version;
  #cancelMark: (() => void) | undefined;
  /** Of a replica: the failure after which it writes nothing more. */
  #stopped: unknown;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#open = newBatch();
    this.#recordedVisible = options.publication.visible;
  }

  /** A transaction of one put or, with `value` undefined, one delete. REQUIRES: checked, and there is room. */
  submitOne(keyspace: string, key: Uint8Array, value: Uint8Array | undefined): Promise<Version> {
    const dataBytes = key.length + (value?.length ?? 0);
    const encoder = this.#begin(CommitEncoder.bytesMax(1, dataBytes, [keyspace]));
    encoder.section(keyspace, 1, dataBytes);
    encoder.op(key, value);
    return this.#end();
  }

  /** REQUIRES: checked against the window in this same turn, at least one operation, and there is room. */
  submit(sections: ReadonlyMap<string, RunSection>): Promise<Version> {
    let operations = 0;
    let dataBytes = 0;
    for (const section of sections.values()) {
      operations += section.size;
      dataBytes += section.dataBytes;
    }
    const encoder = this.#begin(CommitEncoder.bytesMax(operations, dataBytes, [...sections.keys()]));
    for (const [keyspace, section] of sections) {
      encoder.section(keyspace, section.size, section.dataBytes);
      for (const entry of section.sorted()) encoder.op(entry.key, entry.value);
    }
    return this.#end();
  }

  /**
   * Several put transactions as records have them, each with a version of its own; the first writes `besides` too. Resolves when all are
   * published. REQUIRES: as of `submit`; their sections have been checked.
   */
  submitRun({ bytes, spans }: SectionRun, besides: SectionOf | undefined): Promise<Version> {
    for (let i = 0; i < spans.length; i += 2) {
      const [start, end] = [spans[i] as number, spans[i + 1] as number];
      const extra = i === 0 ? besides : undefined;
      const names = extra === undefined ? [] : [extra.keyspace];
      const size = extra?.section.size ?? 0;
      const dataBytes = extra?.section.dataBytes ?? 0;
      const encoder = this.#begin(CommitEncoder.bytesMax(size, dataBytes, names) + end - start);
      encoder.sections(bytes, start, end);
      if (extra !== undefined) {
        encoder.section(extra.keyspace, size, dataBytes);
        for (const entry of extra.section.sorted()) encoder.op(entry.key, entry.value);
      }
      this.#endRecord();
    }
    return this.#whenPublished();
  }

  /** Resolves when everything submitted before has been published or has failed. */
  async idle(): Promise<void> {
    const { publication } = this.#options;
    while (
      !publication.frozen &&
      (!publication.idle || this.#writing !== undefined || this.#open.log.records > 0)
    ) {
      if (this.#writing !== undefined) await this.#writing;
      else await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves when what is being written is; undefined: nothing is. */
  get writing(): Promise<void> | undefined {
    return this.#writing;
  }

  /**
   * Brings all that was submitted to the log, now and not at the end of the turn. It is not durable by that.
   * REQUIRES: nothing is being written; not `sync`, with which nobody learns of a commit before it is durable.
   */
  writeNow(): void {
    assert(this.#writing === undefined && !this.#options.sync, 'the log is written by another');
    if (this.#open.log.records === 0) return;
    const batch = this.#take();
    const { wal, publication } = this.#options;
    const visible = publication.visible;
    try {
      if (this.#stopped !== undefined) throw this.#stopped;
      wal.appendSync(batch.log);
      this.#appended(batch, visible);
    } catch (error) {
      this.#failed(batch, error);
    }
    this.#written(batch);
  }

  /** Stops the mark timer. REQUIRES: idle. */
  close(): void {
    this.#cancelMark?.();
  }

  #begin(bytesMax: number): CommitEncoder {
    const { publication, window } = this.#options;
    const batch = this.#open;
    // The record is encoded with the version that `take` will return: nothing can run in between.
    const version = (publication.last + 1) as Version;
    this.#encoder.begin(batch.log, version, bytesMax);
    let group = batch.groups.at(-1);
    if (group === undefined || !publication.isNewest(group)) {
      group = new Group(version, batch.log, this);
      batch.groups.push(group);
      batch.unpublished++;
      this.#owner.set(group, batch);
      window.enterPuts(group);
    }
    publication.take(group, 1);
    return this.#encoder;
  }

  #end(): Promise<Version> {
    this.#endRecord();
    return this.#whenPublished();
  }

  #endRecord(): void {
    const group = this.#open.groups.at(-1) as Group;
    const start = this.#encoder.payloadStart;
    group.payloads.push(start, this.#encoder.end());
  }

  /** Of what was submitted last. */
  #whenPublished(): Promise<Version> {
    const group = this.#open.groups.at(-1) as Group;
    if (!this.#scheduled && this.#writing === undefined) this.#schedule();
    return new Promise<Version>((resolve, reject) => {
      if (this.#options.publication.frozen) reject(group.error);
      else group.waiters.push({ resolve, reject, version: group.last });
    });
  }

  /**
   * Not now but at the end of the turn: the committers that the last group has just woken submit again in it. Without
   * an fdatasync to wait for, nextTick would follow nextTick and starve the event loop, so it is setImmediate there.
   */
  #schedule(): void {
    this.#scheduled = true;
    const start = (): void => {
      this.#scheduled = false;
      this.#writing = this.#write();
    };
    if (this.#options.sync) process.nextTick(start);
    else setImmediate(start);
  }

  async #write(): Promise<void> {
    const { wal, publication, sync } = this.#options;
    const visible = publication.visible;
    const batch = this.#take();
    try {
      if (this.#stopped !== undefined) throw this.#stopped;
      await wal.append(batch.log, sync && batch.groups.length > 0);
      this.#appended(batch, visible);
    } catch (error) {
      this.#failed(batch, error);
    }
    this.#writing = undefined;
    this.#written(batch);
    if (this.#open.log.records > 0) this.#schedule();
  }

  /** What has gathered, to be written. */
  #take(): Batch {
    const batch = this.#open;
    this.#open = this.#spare.pop() ?? newBatch();
    this.#cancelMark?.();
    this.#cancelMark = undefined;
    writeVisibleMark(batch.log, this.#options.publication.visible);
    return batch;
  }

  #appended(batch: Batch, visible: Version): void {
    this.#recordedVisible = visible;
    for (const group of batch.groups) group.segmentId = this.#options.wal.segmentId;
  }

  #failed(batch: Batch, error: unknown): void {
    // L9: a write cut back is a clean failure; one that may have reached the disk says OUTCOME_UNKNOWN itself.
    for (const group of batch.groups) {
      group.error = error;
      this.#options.window.removePuts(group);
    }
    if (this.#options.wal.poisoned !== undefined) this.#options.onPoisoned(error);
    if (this.#options.publication.failStop) this.#stop(error);
  }

  #written(batch: Batch): void {
    for (const group of batch.groups) group.ready = true;
    if (batch.groups.length === 0) this.#reuse(batch);
    this.#options.publication.drain();
  }

  /** What comes after a commit that is missing must not be there either. */
  #stop(error: unknown): void {
    this.#stopped ??= error;
    this.#options.publication.freeze(error);
  }

  /** For Group. At its turn: into the memtables. */
  settleGroup(group: Group): void {
    if (group.error !== undefined) return;
    const { applier } = this.#options;
    applier.segment(group.segmentId);
    for (let i = 0; i < group.payloads.length; i += 2) {
      readRecord(group.bytes, group.payloads[i] as number, group.payloads[i + 1] as number, applier);
    }
  }

  /** For Group. */
  groupPublished(group: Group): void {
    const batch = this.#owner.get(group);
    assert(batch !== undefined, 'a group is published once');
    this.#owner.delete(group);
    this.#options.window.absorb(group, this.#options.oldestNeeded());
    if (--batch.unpublished === 0) this.#reuse(batch);
    this.#options.onPublished();
    this.noteVisible();
  }

  #reuse(batch: Batch): void {
    batch.log.clear();
    batch.groups.length = 0;
    batch.unpublished = 0;
    if (this.#spare.length < 2) this.#spare.push(batch);
  }

  /** docs/ARCHITECTURE.md "Recovery": a reader shows the newest version that log or manifest say is visible. */
  noteVisible(): void {
    if (this.#cancelMark !== undefined) return;
    this.#cancelMark = this.#options.env.clock.after(MARK_DELAY_MS, () => {
      this.#cancelMark = undefined;
      const behind = this.#recordedVisible < this.#options.publication.visible;
      if (behind && this.#writing === undefined && !this.#scheduled) this.#schedule();
    });
  }
}

function newBatch(): Batch {
  return { log: new LogBatch(), groups: [], unpublished: 0 };
}
