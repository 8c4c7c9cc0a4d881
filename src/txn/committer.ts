/**
 * Committing a transaction: its conflict check and its synchronous section, with the ways to it that may take time.
 *
 * The loop: ask the window; where a block of a file is missing, fetch it and ask again; when everything is answered in
 * one turn, take the version in that same turn. After a few rounds the block is read by pread, so that a stream of
 * ingests cannot starve a commit.
 */

import { formatKey } from '../base/bytes.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { removeGarbage, type StagedFile } from '../ingest/staging.ts';
import type { FileId, IngestRow } from '../manifest/rows.ts';
import type { Version } from '../mvcc/version.ts';
import {
  type CommitIngest,
  type CommitRange,
  type CommitTable,
  type MergedLayer,
  mergeRuns,
  ownRuns,
} from './commit-layers.ts';
import { ConflictCheck } from './conflict-check.ts';
import { GenerationChange } from './dataset/generation-change.ts';
import { type CommitGeneration, linkGeneration } from './dataset/links.ts';
import type { Engine } from './engine.ts';
import type { FileAnswer } from './file-reads.ts';
import { type CommitContents, type CommittedTables, commitTables } from './manifest-commit.ts';
import type { IngestLayer } from './overlay.ts';
import type { CheckedTransaction, ReplicaCommit } from './proposer.ts';
import { keyBytes } from './read-set.ts';
import type { RunSection } from './run.ts';
import { buildRunTable } from './run-table.ts';
import type { TransactionCore } from './transaction.ts';
import type { Conflict } from './window.ts';

/**
 * A transaction with more bytes than this becomes tables, as one with an ingest does: the log need not carry them, nor
 * a memtable hold them.
 */
const RECORD_DATA_BYTES_MAX = 128 << 20;

/** Rounds that wait for the disk before it is asked by pread. */
const ASYNC_ROUNDS_MAX = 4;
/** The same where each round is one step of a long way. */
const LONG_ROUNDS_MAX = 100_000;

export interface IngestedFile {
  readonly file: string;
  readonly table: FileId;
  readonly level: number;
  readonly version: Version;
  /** Attached. Where there are none, no table has the id. */
  readonly entries: number;
  /** Left out, as their keys existed. */
  readonly skipped: number;
}

export interface CommitResult {
  /** The commit's version; of a transaction that wrote nothing, the version that it read at. */
  readonly version: Version;
  readonly ingested: readonly IngestedFile[];
}

/** Of a commit whose check has found nothing. Both are synchronous. */
interface Attempt {
  /** Whether that is still so. */
  readonly isClear: () => boolean;
  /** Its version is taken. */
  readonly begun: () => void;
}

export class Committer {
  /** Commits refused with CONFLICT or TOO_OLD. */
  conflicts = 0;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async commit(core: TransactionCore): Promise<CommitResult> {
    const layers = mergeRuns(core.overlay.layers);
    const replayed = core.replayed.flatMap(ingestedOf);
    if (layers.length === 0) return { version: core.snapshotVersion, ingested: replayed };
    this.#engine.checkWritable();
    if (core.reads !== undefined) core.reads.written = core.overlay.writtenKeyspaces();
    const { version, ingested } = await this.#commitLayers(core, layers, undefined);
    return { version, ingested: [...replayed, ...ingested] };
  }

  /** What a cluster's log has. REQUIRES: the one before has its version, and is done where one of both is no put transaction. */
  apply(replicated: ReplicaCommit): Promise<CommitResult> {
    return this.#commitLayers(replicated.transaction, replicated.layers, replicated);
  }

  /**
   * Calls `act` once nothing that the transaction has read was written since, in the turn in which that is known.
   * @throws SluiceError CONFLICT; what `act` throws
   */
  async whenClear(transaction: CheckedTransaction, dataBytes: number, act: () => void): Promise<void> {
    await this.#checked(transaction, dataBytes, undefined, async () => {
      act();
      return true;
    });
  }

  /**
   * A transaction that has read nothing. Keys and values may be the caller's: they are encoded before this returns, or else copied.
   * REQUIRES: it has a layer.
   */
  async commitBlind(layers: readonly MergedLayer[]): Promise<Version> {
    const sections = putsOf(layers);
    if (sections === undefined) {
      ownRuns(layers);
      return (await this.#commitTables(undefined, layers, undefined)).version;
    }
    const { throttle } = this.#engine;
    const room = throttle.room(dataBytes(sections));
    if (room === undefined) return this.#submit(sections);
    ownRuns(layers);
    await room;
    // Others have waited too, and may have filled what there was.
    for (let full = throttle.hardRoom(); full !== undefined; full = throttle.hardRoom()) await full;
    return this.#submit(sections);
  }

  /** REQUIRES: there is a layer. */
  async #commitLayers(
    core: CheckedTransaction | undefined,
    layers: readonly MergedLayer[],
    replicated: ReplicaCommit | undefined,
  ): Promise<CommitResult> {
    const sections = putsOf(layers);
    if (sections === undefined) return this.#commitTables(core, layers, replicated);
    return { version: await this.#commitPuts(core, sections, replicated), ingested: [] };
  }

  #commitPuts(
    core: CheckedTransaction | undefined,
    sections: ReadonlyMap<string, RunSection>,
    replicated: ReplicaCommit | undefined,
  ): Promise<Version> {
    return this.#checked(core, dataBytes(sections), replicated, ({ begun }) => {
      const submitted = this.#submit(sections);
      begun();
      return submitted;
    });
  }

  #submit(sections: ReadonlyMap<string, RunSection>): Promise<Version> {
    this.#engine.checkWritable();
    for (const keyspace of sections.keys()) this.#engine.catalog.requireNewest(keyspace);
    return this.#engine.pipeline.submit(sections);
  }

  /**
   * Runs `act` in the same turn in which the window has answered everything. An act that has to wait for a turn of its own asks
   * again when it comes, and resolves with undefined when others have come before it: then all of it begins anew.
   */
  async #checked<T>(
    core: CheckedTransaction | undefined,
    bytes: number,
    replicated: ReplicaCommit | undefined,
    act: (attempt: Attempt) => Promise<T | undefined>,
  ): Promise<T> {
    const engine = this.#engine;
    const reads = core?.reads;
    const check =
      core === undefined || reads === undefined || reads.isEmpty
        ? undefined
        : new ConflictCheck(engine.window, reads, core.snapshotVersion);
    let round = 0;
    let longRound = 0;
    const step = (): FileAnswer => {
      engine.checkWritable();
      if (check !== undefined && core?.tooOld === true) throw tooOld();
      return check?.step() ?? 'clear';
    };
    const attempt: Attempt = {
      isClear: () => {
        let outcome = step();
        for (; outcome === 'pending' && round >= ASYNC_ROUNDS_MAX; outcome = step()) check?.loadSync();
        return outcome === 'clear';
      },
      begun: () => {
        // From here on the window need not keep what only this transaction would have asked for.
        if (core !== undefined) engine.active.remove(core);
        replicated?.begun();
      },
    };
    try {
      await engine.throttle.room(bytes);
      for (;;) {
        const outcome = step();
        if (outcome === 'clear') {
          const done = await act(attempt);
          if (done !== undefined) return done;
          round++;
          continue;
        }
        if (outcome === 'slice') await engine.env.clock.turn();
        else if (outcome !== 'pending') throw conflictError(outcome);
        else if (check?.isLong ? longRound++ < LONG_ROUNDS_MAX : round++ < ASYNC_ROUNDS_MAX)
          await check?.load();
        else check?.loadSync();
        await engine.throttle.hardRoom();
      }
    } catch (error) {
      if (isSluiceError(error) && error.retryable) this.conflicts++;
      throw error;
    } finally {
      check?.close();
    }
  }

  async #commitTables(
    core: CheckedTransaction | undefined,
    layers: readonly MergedLayer[],
    replicated: ReplicaCommit | undefined,
  ): Promise<CommitResult> {
    const engine = this.#engine;
    const built: StagedFile[] = [];
    const links: string[] = [];
    try {
      const contents = await this.#contentsOf(layers, built, links);
      const committed = await this.#checked(core, 0, replicated, async (attempt) => {
        const done = await this.#commitAtTurn(contents, attempt, replicated?.timeMs);
        await done?.published;
        return done;
      });
      engine.onPublished();
      engine.onLevelsChanged();
      engine.pipeline.noteVisible();
      removeSources(
        engine,
        contents.ingests.map(({ layer }) => layer),
      );
      const files = committed.ingests.filter(({ undoes }) => undoes === undefined);
      return { version: committed.version, ingested: files.flatMap(ingestedOf) };
    } catch (error) {
      if (!isSluiceError(error, 'OUTCOME_UNKNOWN')) {
        engine.staging.discard(built);
        for (const path of links) removeGarbage(engine.env.fs, path);
      }
      throw error;
    }
  }

  /** undefined: once it was its turn the window had more to answer. */
  async #commitAtTurn(
    contents: CommitContents,
    attempt: Attempt,
    timeMs: number | undefined,
  ): Promise<CommittedTables | undefined> {
    const engine = this.#engine;
    let committed: CommittedTables | undefined;
    await engine.edits.submit(() => {
      if (!attempt.isClear()) return undefined;
      const commit = commitTables(contents, {
        manifest: engine.manifest,
        catalog: engine.catalog,
        publication: engine.publication,
        window: engine.window,
        changeOf: (generation) => new GenerationChange(generation, engine),
        nowMs: () => timeMs ?? engine.env.clock.nowMs(),
        limits: engine.settings.compaction.limits,
        pinsChanged: () => engine.compactor.pinsChanged(),
      });
      committed = commit.committed;
      attempt.begun();
      return commit.change;
    });
    return committed;
  }

  /** Builds the tables of the transaction's own puts; those of its ingests are staged already. */
  async #contentsOf(
    layers: readonly MergedLayer[],
    built: StagedFile[],
    links: string[],
  ): Promise<CommitContents> {
    const engine = this.#engine;
    const tables: CommitTable[] = [];
    const ranges: CommitRange[] = [];
    const ingests: CommitIngest[] = [];
    const generations: CommitGeneration[] = [];
    let depth = 0;
    for (const layer of layers) {
      if (layer.kind === 'ingest') {
        ingests.push({ layer, offset: depth });
        if (layer.publishes !== undefined)
          generations.push(await linkGeneration(engine, layer, depth, links));
        for (const { file, depth: above } of layer.files)
          tables.push({ file, offset: depth + above, ingestId: layer.id });
        for (const { spans, depth: above } of layer.deletedSpans())
          ranges.push({ keyspace: layer.keyspace, spans, offset: depth + above });
        depth += layer.depths;
        continue;
      }
      if (layer.kind === 'swap') {
        if (lastSwap(layers, layer.keyspace) === layer)
          generations.push(await linkGeneration(engine, layer, depth, links));
        depth++;
        continue;
      }
      if (layer.kind === 'tables') {
        for (const file of layer.files) tables.push({ file, offset: depth, ingestId: undefined });
        depth++;
        continue;
      }
      if (layer.kind === 'ranges') {
        for (const [keyspace, spans] of layer.spans) ranges.push({ keyspace, spans, offset: depth });
        depth++;
        continue;
      }
      for (const [keyspace, section] of layer.sections) {
        const id = engine.newFileId();
        const file = await buildRunTable(keyspace, section, {
          env: engine.env,
          id,
          path: engine.tablePath(id),
          builder: engine.settings.builder,
          openTable: engine.openTable,
        });
        built.push(file);
        tables.push({ file, offset: depth, ingestId: undefined });
      }
      depth++;
    }
    // L2: the names of the built tables, before the edit names them.
    if (built.length > 0 || links.length > 0) await engine.env.fs.syncDirectory(engine.settings.tablesDir);
    return { tables, ranges, ingests, generations, depth };
  }
}

/** mode 'move'. L2, L9: the commit is durable and has the bytes; a name that stays is no loss. */
export function removeSources({ env, logger }: Engine, ingests: readonly IngestLayer[]): void {
  for (const { file } of ingests.flatMap(({ sources }) => sources)) {
    if (file.mode !== 'move') continue;
    try {
      if (env.fs.existsSync(file.source)) env.fs.unlinkSync(file.source);
    } catch (err) {
      logger?.warn({ err, file: file.source }, 'an ingested file could not be removed from where it was');
    }
  }
}

function lastSwap(layers: readonly MergedLayer[], keyspace: string): MergedLayer | undefined {
  return layers.findLast((layer) => layer.kind === 'swap' && layer.keyspace === keyspace);
}

/** Of a transaction whose record the log takes. */
function putsOf(layers: readonly MergedLayer[]): ReadonlyMap<string, RunSection> | undefined {
  const only = layers[0];
  if (layers.length > 1 || only?.kind !== 'run') return undefined;
  return dataBytes(only.sections) <= RECORD_DATA_BYTES_MAX ? only.sections : undefined;
}

function dataBytes(sections: ReadonlyMap<string, RunSection>): number {
  let bytes = 0;
  for (const section of sections.values()) bytes += section.dataBytes;
  return bytes;
}

export function ingestedOf(row: IngestRow): IngestedFile[] {
  return row.files.map(({ source, table, level, version, entries, skipped }) => ({
    file: source,
    table,
    level,
    version,
    entries,
    skipped,
  }));
}

function conflictError({ keyspace, key: string, version }: Conflict): SluiceError {
  const key = string === undefined ? undefined : keyBytes(string);
  const what =
    key === undefined
      ? `the keyspace ${JSON.stringify(keyspace)} was dropped or replaced`
      : `the key ${formatKey(key)} of the keyspace ${JSON.stringify(keyspace)} was written`;
  const message = `The transaction conflicts: ${what} by the commit at version ${version}, after it was read. Run it again`;
  return new SluiceError('CONFLICT', message, { conflict: { keyspace, key, version } });
}

function tooOld(): SluiceError {
  const message =
    'The transaction was open for so long that the conflict window no longer reaches back to its snapshot. Run it again, or raise conflictWindowBytes';
  return new SluiceError('TOO_OLD', message);
}
