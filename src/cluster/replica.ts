/**
 * Applies the shared log, record after record, in its order. DESIGN's law of a cluster: the outcome of a record is a function of
 * the log alone, so all replicas have the same commits at the same versions.
 *
 * What a record's outcome rests on is equal everywhere: the record, the conflict window back to the horizon, pointers of keyspaces,
 * rows of datasets and ingests. The horizon is a number of versions. Levels, caches and time are not asked.
 *
 * Put transactions follow each other as soon as the one before has its version; anything else waits for what came before it to be
 * visible, and is waited for: a crash leaves a prefix of the log, never a commit without the one before it. A failure of this
 * node (its disk, a damaged file) halts it with that prefix, whatever it was about; it never becomes an outcome.
 */

import { assert, unreachable } from '../base/assert.ts';
import type { SluiceError } from '../base/errors.ts';
import { NO_VERSION, type Version, versionOf } from '../mvcc/version.ts';
import { RESERVED_KEYSPACE } from '../txn/catalog.ts';
import type { CommitResult } from '../txn/committer.ts';
import type { Engine } from '../txn/engine.ts';
import { ReadSet } from '../txn/read-set.ts';
import type { RunSection } from '../txn/run.ts';
import { releaseNow } from '../txn/undo.ts';
import type { LogEntry } from './log/shared-log.ts';
import { halted, isDecided, tooOld } from './outcome.ts';
import { FIRST_DIGEST, type Position, positionEdits, positionSection, rollDigest } from './position.ts';
import { type PathOf, putOf, reconstruct } from './reconstruct.ts';
import { decodeRecord, recordsOf } from './record/codec.ts';
import type { LogRecord, RecordLayer } from './record/log-record.ts';

/** Whoever waits for a record's outcome. */
export interface Outcome {
  resolve(result: CommitResult): void;
  reject(error: unknown): void;
}

export interface ReplicaParts {
  readonly engine: Engine;
  readonly windowVersions: number;
  /** Resolves once the files are here: pulls those that are not. */
  readonly bring: (record: LogRecord) => Promise<void>;
  readonly pathOf: PathOf;
  /** Of a record that this node has proposed. */
  readonly outcomeOf: (entryId: string, index: number) => Outcome | undefined;
  /** An entry is applied whole, and visible. */
  readonly onApplied: (revision: number, digest: Uint8Array) => void;
  readonly onFailed: (error: unknown) => void;
  /** The record is applied or refused; its files may be asked for until its version has left the window. */
  readonly onRecord: (record: LogRecord, revision: number) => void;
}

/** The place of the record that is being applied. */
interface Place {
  readonly bytes: Uint8Array;
  readonly revision: number;
  readonly index: number;
}

export class Replica {
  readonly #parts: ReplicaParts;
  readonly #engine: Engine;
  #digest: Uint8Array;
  /** Records up to this are applied or refused: by recovery, then by us. An entry may be read again. */
  #through: Pick<Position, 'revision' | 'index'> | undefined;
  /** Of a commit by the manifest that is under way. */
  #current: Place | undefined;
  /** Of the last put transaction: visible, and all before it. */
  #last: Promise<unknown> = Promise.resolve();
  #failed = false;
  #commits: Position[];

  /** `positions`: as recovery has found them, oldest first. */
  constructor(parts: ReplicaParts, positions: readonly Position[]) {
    this.#parts = parts;
    this.#engine = parts.engine;
    this.#commits = [...positions];
    this.#through = positions.at(-1);
    this.#digest = positions.at(-1)?.digest ?? FIRST_DIGEST;
    this.#engine.publication.failStop = true;
    this.#engine.replicaEdits = (version) => {
      if (this.#current === undefined) return [];
      const position = this.#positionAt(version, this.#current);
      this.#commit(position);
      return positionEdits(this.#engine, position, parts.windowVersions);
    };
  }

  /** Commits older than this are no more in the window: transactions that read before it are refused. */
  get horizon(): number {
    return Math.max(0, this.#engine.publication.last - this.#parts.windowVersions);
  }

  /** Oldest first, none left out between them. */
  get commits(): readonly Position[] {
    return this.#commits;
  }

  /** The log has no entries up to this any more. One of the commits there stays, to tell that the next is the next. */
  forgetThrough(revision: number): void {
    const kept = this.#commits.findIndex((commit) => commit.revision > revision);
    if (kept > 1) this.#commits.splice(0, kept - 1);
  }

  /** Rejects with what has failed on this node; nothing more is applied then. */
  async apply(entry: LogEntry): Promise<void> {
    const { revision } = entry;
    for (const [index, bytes] of recordsOf(entry.bytes).entries()) {
      if (this.#isApplied(revision, index)) continue;
      await this.#applyRecord({ bytes, revision, index }, this.#parts.outcomeOf(entry.id, index));
      this.#through = { revision, index };
    }
    const digest = this.#digest;
    this.#last.then(
      () => this.#failed || this.#parts.onApplied(revision, digest),
      () => undefined,
    );
  }

  /** Resolves when all that is applied is visible. */
  async settled(): Promise<void> {
    await this.#last;
  }

  #isApplied(revision: number, index: number): boolean {
    const at = this.#through;
    return at !== undefined && (revision < at.revision || (revision === at.revision && index <= at.index));
  }

  async #applyRecord(place: Place, outcome: Outcome | undefined): Promise<void> {
    const record = decodeRecord(place.bytes);
    try {
      const put = putOf(record);
      if (put === undefined || this.#lacksKeyspace(record)) await this.#last;
      if (this.#failed) throw halted('an earlier record could not be applied');
      this.#makeKeyspaces(record);
      this.#checkHorizon(record);
      if (put === undefined) {
        const result = await this.#applyAlone(record, place);
        outcome?.resolve(result);
      } else await this.#applyPut(record, put.sections, place, outcome);
    } catch (error) {
      if (this.#failed || !isDecided(error)) throw error;
      this.#digest = rollDigest(this.#digest, place.bytes, 0);
      this.#refuse(outcome, error);
    }
    this.#parts.onRecord(record, place.revision);
  }

  /** What it read, at the earliest, is visible here: the answer may be that of the commit that it conflicts with. */
  #refuse(outcome: Outcome | undefined, error: SluiceError): void {
    this.#last.then(
      () => outcome?.reject(error),
      () => undefined,
    );
  }

  #lacksKeyspace({ ensures }: LogRecord): boolean {
    const { catalog } = this.#engine;
    return ensures.some(({ keyspace }) => catalog.newest(keyspace) === undefined);
  }

  /** Each a commit of its own, that stays whatever the record comes to. Applied again after a crash, it is there. */
  #makeKeyspaces({ ensures }: LogRecord): void {
    for (const { keyspace, keepsTombstones } of ensures)
      this.#engine.keyspaces.make(keyspace, keepsTombstones);
  }

  /** L5: the window reaches back to the horizon on every replica, and it may reach further on some. */
  #checkHorizon({ reads, snapshot }: LogRecord): void {
    if (reads !== undefined && snapshot < this.horizon) throw tooOld(snapshot, this.horizon);
  }

  async #applyPut(
    record: LogRecord,
    sections: ReadonlyMap<string, RunSection>,
    place: Place,
    outcome: Outcome | undefined,
  ): Promise<void> {
    const { publication, committer } = this.#engine;
    // Versions come from here alone, one record at a time, so this will be its.
    const position = this.#positionAt(versionOf(publication.last + 1), place);
    const all = new Map(sections);
    all.set(RESERVED_KEYSPACE, positionSection(position, this.#parts.windowVersions));
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let hasVersion = false;
    const done = committer.apply({
      transaction: transactionOf(record),
      layers: [{ kind: 'run', sections: all }],
      timeMs: record.timeMs,
      begun: () => {
        assert(publication.last === position.version, 'a version was taken beside the log');
        hasVersion = true;
        this.#commit(position);
        begin();
      },
    });
    await Promise.race([begun, done]);
    if (!hasVersion) return;
    this.#last = done.then(
      (result) => outcome?.resolve(result),
      (error: unknown) => this.#fail(error),
    );
  }

  /** Anything but a put transaction. */
  async #applyAlone(record: LogRecord, place: Place): Promise<CommitResult> {
    const { body } = record;
    const { keyspaces, publication } = this.#engine;
    const digest = this.#digest;
    this.#current = place;
    try {
      let ingested: CommitResult['ingested'] = [];
      if (body.kind === 'commit') ingested = (await this.#commitAlone(record, body.layers)).ingested;
      else if (body.kind === 'drop') await keyspaces.dropNow(body.keyspace);
      else if (body.kind === 'dropVersions') await keyspaces.dropVersionsNow(body.keyspace, body.ids);
      else if (body.kind === 'release') releaseNow(this.#engine, body.ingest);
      else if (body.kind !== 'none') unreachable(body);
      if (this.#digest !== digest) return { version: publication.visible, ingested };
      this.#digest = rollDigest(digest, place.bytes, 0);
      return { version: NO_VERSION, ingested };
    } catch (error) {
      // What has a version is no outcome any more.
      if (this.#digest !== digest) throw this.#fail(error);
      throw error;
    } finally {
      this.#current = undefined;
    }
  }

  async #commitAlone(record: LogRecord, layers: readonly RecordLayer[]): Promise<CommitResult> {
    const { bring, pathOf } = this.#parts;
    await bring(record);
    const {
      transaction,
      layers: merged,
      discard,
      close,
    } = await reconstruct(this.#engine, record, layers, pathOf);
    try {
      return await this.#engine.committer.apply({
        transaction,
        layers: merged,
        timeMs: record.timeMs,
        begun: () => undefined,
      });
    } catch (error) {
      if (isDecided(error)) discard();
      throw error;
    } finally {
      close();
    }
  }

  #positionAt(version: Version, { bytes, revision, index }: Place): Position {
    return { version, revision, index, digest: rollDigest(this.#digest, bytes, version) };
  }

  /** In the turn in which the version is taken. */
  #commit(position: Position): void {
    this.#digest = position.digest;
    this.#commits.push(position);
  }

  #fail<E>(error: E): E {
    if (!this.#failed) {
      this.#failed = true;
      this.#parts.onFailed(error);
    }
    return error;
  }
}

function transactionOf({ reads, snapshot }: LogRecord): {
  reads: ReadSet | undefined;
  snapshotVersion: Version;
  tooOld: boolean;
} {
  let set: ReadSet | undefined;
  if (reads !== undefined) {
    set = new ReadSet();
    for (const [keyspace, keys] of reads.points) set.points.set(keyspace, new Set(keys));
    for (const [keyspace, list] of reads.ranges) {
      set.ranges.set(
        keyspace,
        list.map((range) => ({ ...range })),
      );
    }
    set.written = new Set(reads.written);
  }
  return { reads: set, snapshotVersion: versionOf(snapshot), tooOld: false };
}
