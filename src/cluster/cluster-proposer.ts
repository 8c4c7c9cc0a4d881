/** Writes of this node's callers as records of the log. What can be refused before that, without asking anybody, is refused here. */

import { isSluiceError } from '../base/errors.ts';
import { orAborted } from '../base/or-aborted.ts';
import type { SharedImportRow } from '../manifest/rows.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';
import type { Table } from '../sst/table.ts';
import type { MergedLayer } from '../txn/commit-layers.ts';
import { mergeRuns, ownRuns } from '../txn/commit-layers.ts';
import { type CommitResult, ingestedOf, removeSources } from '../txn/committer.ts';
import type { Engine } from '../txn/engine.ts';
import { checkAdmissions } from '../txn/manifest-commit.ts';
import type { Proposer } from '../txn/proposer.ts';
import type { ReadSet } from '../txn/read-set.ts';
import { RunSection } from '../txn/run.ts';
import type { TransactionCore } from '../txn/transaction.ts';
import type { FileExchange } from './files/file-exchange.ts';
import type { HeadStart } from './head-start.ts';
import type { Proposals } from './proposals.ts';
import { withTimeout } from './proposals.ts';
import { encodeRecord } from './record/codec.ts';
import type { LogRecord, RecordBody, RecordFile } from './record/log-record.ts';
import { encodeCheckedPuts, encodePut, encodePuts } from './record/put-record.ts';
import { recordedReads } from './record/recorded-reads.ts';
import { isTooLarge, RECORD_DATA_BYTES_MAX, RecordBuilder } from './record-builder.ts';
import type { SharedFiles } from './shared-files.ts';

export interface ClusterProposerParts {
  readonly engine: Engine;
  readonly proposals: Proposals;
  readonly files: SharedFiles;
  readonly exchange: FileExchange;
  readonly headStart: HeadStart;
  readonly timeoutMs: number;
  /** @throws SluiceError HALTED */
  readonly checkRunning: () => void;
  readonly caughtUp: (signal: AbortSignal | undefined) => Promise<void>;
}

export class ClusterProposer implements Proposer {
  readonly #parts: ClusterProposerParts;
  readonly #engine: Engine;
  /** Keyspaces that this node was asked for, and that no record has made yet; with `allowIngestBehind`. */
  readonly #awaited = new Map<string, boolean>();

  constructor(parts: ClusterProposerParts) {
    this.#parts = parts;
    this.#engine = parts.engine;
  }

  put(keyspace: string, key: Uint8Array, value: Uint8Array | undefined): Promise<Version> {
    const isSmall = key.length + (value?.length ?? 0) <= RECORD_DATA_BYTES_MAX;
    if (!isSmall || this.#makesOneOf([keyspace])) {
      const section = new RunSection();
      section.set({ key, value, statement: 1 });
      return this.commitBlind([{ kind: 'run', sections: new Map([[keyspace, section]]) }]);
    }
    try {
      this.#parts.checkRunning();
      this.#requireKeyspace(keyspace);
      // Bytes are copied into the record before anything waits.
      return this.#parts.proposals.submitPuts(encodePut(keyspace, key, value));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Commits that wait for their outcome. */
  get pending(): number {
    return this.#parts.proposals.pending;
  }

  async commit(core: TransactionCore): Promise<CommitResult> {
    const engine = this.#engine;
    const layers = mergeRuns(core.overlay.layers);
    const replayed = core.replayed.flatMap(ingestedOf);
    if (layers.length === 0) return { version: core.snapshotVersion, ingested: replayed };
    engine.checkWritable();
    this.#parts.checkRunning();
    const written = core.overlay.writtenKeyspaces();
    if (core.reads !== undefined) core.reads.written = written;
    checkAdmissions(engine, layers);
    let named: CommitResult;
    try {
      named = await this.#commit(layers, written, core);
    } catch (error) {
      // The exchange has what the log may name; what was staged for this transaction is nobody's.
      if (isSluiceError(error, 'OUTCOME_UNKNOWN')) core.discard(core.overlay.layers);
      throw error;
    }
    const { version, ingested } = named;
    const ingests = layers.flatMap((layer) => (layer.kind === 'ingest' ? [layer] : []));
    removeSources(engine, ingests);
    core.discard(core.overlay.layers);
    return { version, ingested: [...replayed, ...ingested] };
  }

  async commitBlind(layers: readonly MergedLayer[]): Promise<Version> {
    this.#parts.checkRunning();
    // What only puts is encoded before anything waits.
    if (this.#putsOf(layers) === undefined) ownRuns(layers);
    const written = new Set<string>();
    for (const layer of layers) {
      if (layer.kind === 'run') for (const keyspace of layer.sections.keys()) written.add(keyspace);
      if (layer.kind === 'ranges') for (const keyspace of layer.spans.keys()) written.add(keyspace);
    }
    return (await this.#commit(layers, written, undefined)).version;
  }

  ensure(keyspace: string, allowIngestBehind: boolean): void {
    const { catalog, keyspaces } = this.#engine;
    const newest = catalog.newest(keyspace);
    if (newest !== undefined) {
      if (allowIngestBehind) keyspaces.requireTombstones(newest);
      return;
    }
    if (this.#awaited.has(keyspace)) return;
    this.#parts.checkRunning();
    this.#awaited.set(keyspace, allowIngestBehind);
    const made = this.#propose({ kind: 'none' }, [keyspace]);
    // Where it could not be made yet, what is written to the keyspace makes it. Made, it may be dropped, and no write brings it back.
    this.#unwatched(
      made.then(() => this.#awaited.delete(keyspace)),
      'a keyspace could not be made yet',
    );
  }

  async drop(keyspace: string): Promise<void> {
    this.#parts.checkRunning();
    this.#requireKeyspace(keyspace);
    await this.#propose({ kind: 'drop', keyspace }, [keyspace]);
  }

  async dropVersions(keyspace: string, ids: readonly number[]): Promise<Version | undefined> {
    this.#parts.checkRunning();
    if (ids.length === 0) return undefined;
    const { version } = await this.#propose({ kind: 'dropVersions', keyspace, ids }, []);
    return version === NO_VERSION ? undefined : version;
  }

  /** @throws SluiceError CONFLICT when the import is not as it was expected */
  async shareImport(expects: number, row: SharedImportRow): Promise<void> {
    this.#parts.checkRunning();
    await this.#propose({ kind: 'import', expects, row }, []);
  }

  release(ingest: string): void {
    this.#parts.checkRunning();
    this.#unwatched(this.#propose({ kind: 'release', ingest }, []), 'an ingest could not be released');
  }

  staged(table: Table): void {
    this.#parts.headStart.begin(table);
  }

  /** Resolves when all up to it is applied here. */
  async compare(): Promise<void> {
    this.#parts.checkRunning();
    await this.#propose({ kind: 'compare' }, []);
  }

  caughtUp(signal: AbortSignal | undefined): Promise<void> {
    return this.#parts.caughtUp(signal);
  }

  #unwatched(proposed: Promise<unknown>, what: string): void {
    proposed.catch((err: unknown) => this.#engine.logger?.warn({ err }, what));
  }

  async #commit(
    layers: readonly MergedLayer[],
    written: ReadonlySet<string>,
    core: TransactionCore | undefined,
  ): Promise<CommitResult> {
    const { reads, snapshotVersion: snapshot, claim, request, signal } = core ?? NOBODYS;
    for (const keyspace of written) if (!isPublished(layers, keyspace)) this.#requireKeyspace(keyspace);
    const puts = this.#putsOf(layers);
    if (puts !== undefined && claim === undefined && (reads === undefined || reads.files.length === 0))
      return this.#parts.proposals.submit(encodedPuts(puts, reads, snapshot, request), [], signal);
    const builder = new RecordBuilder(this.#parts);
    try {
      const made = await builder.layers(layers);
      const read =
        reads === undefined || reads.isEmpty ? undefined : await builder.reads(reads, layers, made);
      const body: RecordBody = { kind: 'commit', layers: made };
      const unspread = await builder.unspread();
      if (unspread.length > 0) await this.#spread(unspread, signal);
      const of = { files: builder.files, reads: read, snapshot, claim, request, signal };
      return await this.#propose(body, written, of);
    } finally {
      builder.release();
    }
  }

  /** Nothing is in the log yet where it is given up. */
  async #spread(files: readonly RecordFile[], signal: AbortSignal | undefined): Promise<void> {
    const { engine, files: shared, timeoutMs } = this.#parts;
    const spreading = withTimeout(engine.env, timeoutMs, (timeout) => shared.spread(files, timeout));
    await orAborted(spreading, signal);
  }

  #propose(
    body: RecordBody,
    keyspaces: Iterable<string>,
    of: Partial<Pick<LogRecord, 'files' | 'reads' | 'claim' | 'request'>> & {
      readonly snapshot?: Version;
      readonly signal?: AbortSignal | undefined;
    } = {},
  ): Promise<CommitResult> {
    const { files = [], reads, snapshot = NO_VERSION, claim, request, signal } = of;
    const record: LogRecord = {
      timeMs: this.#engine.env.clock.nowMs(),
      snapshot: reads === undefined && request === undefined ? NO_VERSION : snapshot,
      reads,
      ensures: this.#ensures(keyspaces),
      files,
      body,
      claim,
      request,
    };
    return this.#parts.proposals.submit(encodeRecord(record), files, signal);
  }

  /** Of a transaction that only puts, not too much for the log, to keyspaces that are there already. */
  #putsOf(layers: readonly MergedLayer[]): ReadonlyMap<string, RunSection> | undefined {
    const only = layers[0];
    if (layers.length !== 1 || only?.kind !== 'run' || isTooLarge(layers)) return undefined;
    return this.#makesOneOf(only.sections.keys()) ? undefined : only.sections;
  }

  #makesOneOf(keyspaces: Iterable<string>): boolean {
    return this.#awaited.size > 0 && this.#ensures(keyspaces).length > 0;
  }

  #ensures(keyspaces: Iterable<string>): LogRecord['ensures'] {
    if (this.#awaited.size === 0) return [];
    const ensures = [];
    for (const keyspace of keyspaces) {
      const keepsTombstones = this.#awaited.get(keyspace);
      if (keepsTombstones === undefined) continue;
      if (this.#engine.catalog.newest(keyspace) !== undefined) this.#awaited.delete(keyspace);
      else ensures.push({ keyspace, keepsTombstones });
    }
    return ensures;
  }

  #requireKeyspace(keyspace: string): void {
    const { catalog } = this.#engine;
    if (catalog.newest(keyspace) === undefined && !this.#awaited.has(keyspace))
      throw catalog.notFound(keyspace);
  }
}

function encodedPuts(
  puts: ReadonlyMap<string, RunSection>,
  reads: ReadSet | undefined,
  snapshot: Version,
  request: string | undefined,
): Uint8Array {
  const hasRead = reads !== undefined && !reads.isEmpty;
  if (!hasRead && request === undefined) return encodePuts(puts);
  return encodeCheckedPuts(puts, {
    reads: hasRead ? recordedReads(reads, []) : undefined,
    snapshot,
    request,
  });
}

/** Of what is no transaction. */
const NOBODYS = {
  reads: undefined,
  snapshotVersion: NO_VERSION,
  claim: undefined,
  request: undefined,
  signal: undefined,
};

/** A base makes its keyspace. */
function isPublished(layers: readonly MergedLayer[], keyspace: string): boolean {
  return layers.some(
    (layer) => layer.kind === 'ingest' && layer.keyspace === keyspace && layer.publishes !== undefined,
  );
}
