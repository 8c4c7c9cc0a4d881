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
import { SluiceError } from '../base/errors.ts';
import { NO_VERSION, type Version, versionOf } from '../mvcc/version.ts';
import { RESERVED_KEYSPACE } from '../txn/catalog.ts';
import type { CommitResult } from '../txn/committer.ts';
import type { Engine } from '../txn/engine.ts';
import type { ImportClaim } from '../txn/proposer.ts';
import type { RunSection } from '../txn/run.ts';
import { releaseNow } from '../txn/undo.ts';
import { type CommitRecordParts, commitRecord } from './commit-record.ts';
import { applyImport, checkClaim, committedImport } from './imports/shared-imports.ts';
import type { LogEntry } from './log/shared-log.ts';
import { checkHorizon, halted, isDecided, type Outcome } from './outcome.ts';
import { FIRST_DIGEST, type Position, type Positions, rollDigest } from './position.ts';
import { gatherRun, type PutRun } from './put-run.ts';
import { putOf, transactionOf } from './reconstruct.ts';
import { decodeRecord } from './record/codec.ts';
import { EntryRecords } from './record/entry.ts';
import type { LogRecord, RecordFile } from './record/log-record.ts';
import type { RequestIds } from './request-ids.ts';

export interface ReplicaParts extends CommitRecordParts {
  readonly windowVersions: number;
  readonly requests: RequestIds;
  /** Of an entry that this node has appended: of each of its records. */
  readonly outcomesOf: (entryId: string) => readonly Outcome[] | undefined;
  /** An entry is applied whole, and visible. */
  readonly onApplied: (entry: LogEntry, digest: Uint8Array) => void;
  readonly onFailed: (error: unknown) => void;
  /** A record asks what this replica holds: all before it is visible. */
  readonly onCompare: (revision: number) => void;
  /** A record has changed, or may have changed, what all nodes know of the import. */
  readonly onImport: (id: string) => void;
  /** Records up to here are applied or refused; their files may be asked for until their versions have left the window. */
  readonly onRecords: (files: readonly RecordFile[], revision: number) => void;
}

/** The entry that is being applied, or was last. */
interface Progress {
  readonly revision: number;
  /** Of its records so far. 0: refused, or it takes none. */
  readonly versions: number[];
  isWhole: boolean;
}

/** The place of the record that is being applied. */
interface Place {
  readonly revision: number;
  readonly index: number;
  /** Of the import that it commits. */
  readonly claim?: ImportClaim | undefined;
}

export class Replica {
  readonly #parts: ReplicaParts;
  readonly #engine: Engine;
  readonly #positions: Positions;
  /** Before the entry that is being applied. */
  #digest: Uint8Array;
  #progress: Progress;
  /** Of a commit by the manifest that is under way. */
  #current: Place | undefined;
  /** The version that it has got. */
  #taken: Version = NO_VERSION;
  /** Of the last put transaction: visible, and all before it. */
  #last: Promise<unknown> = Promise.resolve();
  /** Of the last entry that was applied whole: `onApplied` was called for it. */
  #told: Promise<unknown> = Promise.resolve();
  #failed = false;

  constructor(parts: ReplicaParts, positions: Positions) {
    this.#parts = parts;
    this.#engine = parts.engine;
    this.#positions = positions;
    const { revision = 0, digest = FIRST_DIGEST } = positions.last ?? {};
    this.#digest = digest;
    this.#progress = { revision, versions: positions.versionsOf(revision), isWhole: false };
    this.#engine.publication.failStop = true;
    this.#engine.replicaEdits = (version) => {
      if (this.#current === undefined) return [];
      this.#taken = version;
      const edits = positions.addRow(this.#positionAt(version, this.#current));
      const { claim } = this.#current;
      return claim === undefined ? edits : [...edits, ...committedImport(this.#engine, claim, version)];
    };
  }

  /** Commits older than this are no more in the window: transactions that read before it are refused. */
  get horizon(): number {
    return this.#horizonAfter(0);
  }

  /** As it will be so many versions later. */
  #horizonAfter(versions: number): number {
    return Math.max(0, this.#engine.publication.last + versions - this.#parts.windowVersions);
  }

  /** Rejects with what has failed on this node; nothing more is applied then. */
  async apply(entry: LogEntry): Promise<void> {
    const { revision } = entry;
    // An entry may be read again: after the log was lost for a while, and when the replica opens.
    if (revision < this.#progress.revision) return;
    if (revision > this.#progress.revision) this.#progress = { revision, versions: [], isWhole: false };
    const progress = this.#progress;
    if (progress.isWhole) return;
    const records = new EntryRecords(entry.bytes);
    const outcomes = this.#parts.outcomesOf(entry.id);
    const { versions } = progress;
    while (versions.length < records.count) {
      const place = { revision, index: versions.length };
      if (records.isPut(place.index)) await this.#applyRun(records, place, outcomes);
      else await this.#applyRecord(records.record(place.index), place, outcomes?.[place.index]);
    }
    if (versions.length > records.count) {
      const message = `This replica has ${versions.length} records of the log's entry at ${revision}, which has ${records.count}`;
      throw new SluiceError('CORRUPTION', message);
    }
    progress.isWhole = true;
    const digest = rollDigest(this.#digest, versions, entry.bytes);
    this.#digest = digest;
    // After the entries before it: commits that become visible in one turn are told of by ways of different lengths.
    const [before, last] = [this.#told, this.#last];
    this.#told = before
      .then(() => last)
      .then(
        () => this.#failed || this.#parts.onApplied(entry, digest),
        () => undefined,
      );
  }

  /** Resolves when all that is applied is visible. */
  async settled(): Promise<void> {
    await this.#last;
  }

  /** A put transaction, and those after it that can have their versions in the same turn. */
  async #applyRun(
    records: EntryRecords,
    place: Place,
    outcomes: readonly Outcome[] | undefined,
  ): Promise<void> {
    const { catalog, committer, throttle } = this.#engine;
    const { versions } = this.#progress;
    const first = records.put(place.index, this.#isThere);
    const committed = this.#firstOf(first);
    if (committed !== undefined) {
      this.#repeat(committed, outcomes?.[place.index]);
      return;
    }
    const transaction = {
      reads: first.reads,
      snapshotVersion: versionOf(first.snapshot),
      tooOld: false,
    };
    let run: PutRun | undefined;
    try {
      if (first.lacking !== undefined) throw catalog.notFound(first.lacking);
      checkHorizon(first, this.horizon);
      await committer.whenClear(transaction, first.dataBytes, () => {
        this.#checkRunning();
        run = gatherRun(records, place.index, first, {
          window: this.#engine.window,
          isThere: this.#isThere,
          horizonAfter: (versions) => this.#horizonAfter(versions),
          isCommitted: (request, horizon) => this.#parts.requests.versionOf(request, horizon) !== undefined,
        });
        this.#takeRun(run, place, outcomes);
      });
    } catch (error) {
      if (run !== undefined || this.#failed || !isDecided(error)) throw error;
      versions.push(NO_VERSION);
      this.#refuse(outcomes?.[place.index], error);
    }
    this.#parts.onRecords([], place.revision);
    // The first has had its own.
    const more = (run?.dataBytes ?? 0) - first.dataBytes;
    if (more > 0) await throttle.room(more);
  }

  #isThere = (keyspace: string): boolean => this.#engine.catalog.newest(keyspace) !== undefined;

  #takeRun(run: PutRun, { revision, index }: Place, outcomes: readonly Outcome[] | undefined): void {
    const { pipeline, publication } = this.#engine;
    const { count } = run;
    const version = versionOf(publication.last + 1);
    const position = { version, count, revision, index, digest: this.#digest };
    const section = this.#positions.section(position);
    const published = pipeline.submitRun(run, { keyspace: RESERVED_KEYSPACE, section });
    assert(publication.last === version + count - 1, 'a version was taken beside the log');
    this.#positions.addRun(position);
    for (let n = 0; n < count; n++) this.#progress.versions.push(version + n);
    for (const [request, n] of run.requests) this.#enterRequest(request, versionOf(version + n));
    this.#last = published.then(
      () => {
        for (let n = 0; n < count; n++)
          outcomes?.[index + n]?.resolve({ version: versionOf(version + n), ingested: [] });
      },
      (error: unknown) => this.#fail(error),
    );
    // Callers wait for these; what others have proposed is written with what comes after it in this turn.
    const { settings } = this.#engine;
    if (outcomes !== undefined && !settings.sync && pipeline.writing === undefined) pipeline.writeNow();
  }

  async #applyRecord(bytes: Uint8Array, place: Place, outcome: Outcome | undefined): Promise<void> {
    const { versions } = this.#progress;
    const before = versions.length;
    const record = decodeRecord(bytes);
    try {
      const put = putOf(record);
      if (put === undefined || this.#lacksKeyspace(record)) await this.#last;
      this.#checkRunning();
      this.#makeKeyspaces(record);
      const first = this.#firstOf(record);
      if (first === undefined) checkHorizon(record, this.horizon);
      if (first !== undefined) this.#repeat(first, outcome);
      else if (put === undefined) {
        const result = await this.#applyAlone(record, place);
        outcome?.resolve(result);
      } else await this.#applyPut(record, put.sections, place, outcome);
    } catch (error) {
      if (this.#failed || !isDecided(error)) throw error;
      versions.push(NO_VERSION);
      this.#refuse(outcome, error);
    }
    assert(versions.length === before + 1, 'a record has one outcome');
    this.#parts.onRecords(record.files, place.revision);
    const imported = record.body.kind === 'import' ? record.body.row.id : record.claim?.id;
    if (imported !== undefined) this.#parts.onImport(imported);
  }

  #checkRunning(): void {
    if (this.#failed) throw halted('an earlier record could not be applied');
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

  /** Of a request that is committed: it is not again. */
  #firstOf({ request }: Pick<LogRecord, 'request'>): Version | undefined {
    return request === undefined ? undefined : this.#parts.requests.versionOf(request, this.horizon);
  }

  /** Of a request that is committed: its record takes no version. */
  #repeat(first: Version, outcome: Outcome | undefined): void {
    this.#progress.versions.push(NO_VERSION);
    this.#last.then(
      () => outcome?.resolve({ version: first, ingested: [] }),
      () => undefined,
    );
  }

  #enterRequest(request: string | undefined, version: Version): void {
    if (request !== undefined) this.#parts.requests.enter(request, version, this.horizon);
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
    all.set(RESERVED_KEYSPACE, this.#positions.section(position));
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
        this.#positions.addRun(position);
        this.#progress.versions.push(position.version);
        this.#enterRequest(record.request, position.version);
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
    this.#current = { ...place, claim: record.claim };
    this.#taken = NO_VERSION;
    try {
      let ingested: CommitResult['ingested'] = [];
      if (record.claim !== undefined) checkClaim(this.#engine, record.claim);
      if (body.kind === 'commit')
        ingested = (
          await commitRecord(this.#parts, record, body.layers, place.revision, () => this.#hasTaken)
        ).ingested;
      else if (body.kind === 'drop') await keyspaces.dropNow(body.keyspace);
      else if (body.kind === 'dropVersions') await keyspaces.dropVersionsNow(body.keyspace, body.ids);
      else if (body.kind === 'release') releaseNow(this.#engine, body.ingest);
      else if (body.kind === 'compare') this.#parts.onCompare(place.revision);
      else if (body.kind === 'import') await applyImport(this.#engine, body);
      else if (body.kind !== 'none') unreachable(body);
      this.#progress.versions.push(this.#taken);
      if (this.#hasTaken) this.#enterRequest(record.request, this.#taken);
      return { version: this.#hasTaken ? publication.visible : NO_VERSION, ingested };
    } catch (error) {
      // What has a version is no outcome any more.
      if (this.#hasTaken) throw this.#fail(error);
      throw error;
    } finally {
      this.#current = undefined;
    }
  }

  get #hasTaken(): boolean {
    return this.#taken !== NO_VERSION;
  }

  #positionAt(version: Version, { revision, index }: Place): Position {
    return { version, count: 1, revision, index, digest: this.#digest };
  }

  #fail<E>(error: E): E {
    if (!this.#failed) {
      this.#failed = true;
      this.#parts.onFailed(error);
    }
    return error;
  }
}
