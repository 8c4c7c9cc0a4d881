/**
 * One node of a cluster while it is open: it follows the log, proposes what its callers write, tells the others how far it is, and
 * halts where it cannot go on without being wrong.
 */

import { assert } from '../base/assert.ts';
import type { Env } from '../base/env/env.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../base/errors.ts';
import type { SharedImportRow } from '../manifest/rows.ts';
import { type Version, versionOf } from '../mvcc/version.ts';
import type { Engine } from '../txn/engine.ts';
import { Applied } from './applied.ts';
import type { ClusterSettings } from './cluster-options.ts';
import { ClusterProposer } from './cluster-proposer.ts';
import { type ContentComparison, Contents, compared } from './contents.ts';
import { Divergence } from './divergence.ts';
import type { FileExchange, FileInFlight } from './files/file-exchange.ts';
import { HeadStart } from './head-start.ts';
import type { ImportNode } from './imports/cluster-imports.ts';
import { Lag, type ReplicaLag } from './lag.ts';
import type { ClusterConfig, MemberCondition, MemberState, SharedLog } from './log/shared-log.ts';
import { halted, unlessUnavailable } from './outcome.ts';
import type { Positions } from './position.ts';
import { Proposals } from './proposals.ts';
import { Replica } from './replica.ts';
import type { RequestIds } from './request-ids.ts';
import type { SharedFiles } from './shared-files.ts';
import { trimmableThrough } from './trimming.ts';

const TRIM_LEASE = 'trim';
const RETRY_MS = 200;
const COMPARE_POLL_MS = 50;

export interface ClusterStatus {
  readonly clusterId: string;
  readonly node: string;
  readonly condition: MemberCondition;
  /** Why it has halted. */
  readonly error: string | undefined;
  readonly appliedRevision: number;
  readonly appliedVersion: number;
  /** Of the log; undefined while it cannot be asked. */
  readonly headRevision: number | undefined;
  readonly lag: ReplicaLag;
  /** Transactions that read before this version are refused. */
  readonly horizonVersion: number;
  /** Commits of this node's callers that wait for their outcome. */
  readonly pendingCommits: number;
  readonly filesInFlight: readonly FileInFlight[];
  readonly members: readonly MemberState[];
}

export interface NodeParts {
  readonly env: Env;
  readonly engine: Engine;
  readonly settings: ClusterSettings;
  /** Of this process, as no other has it. */
  readonly session: string;
  /** Of its directory. */
  readonly directory: string;
  readonly config: ClusterConfig;
  readonly log: SharedLog;
  readonly exchange: FileExchange;
  readonly files: SharedFiles;
  /** Fires when the node ends; the files' signal. */
  readonly closing: AbortController;
  readonly positions: Positions;
  /** Of the commits there. */
  readonly requests: RequestIds;
}

export class ClusterNode implements ImportNode {
  readonly #parts: NodeParts;
  readonly #applied: Applied;
  readonly #replica: Replica;
  readonly #proposals: Proposals;
  readonly #headStart: HeadStart;
  readonly #proposer: ClusterProposer;
  readonly #divergence: Divergence;
  readonly #contents: Contents;
  readonly #contentDivergence: Divergence;
  readonly #lag: Lag;
  readonly #unwatch: () => void;
  readonly #running: Promise<unknown>;
  #halted: { readonly error: unknown } | undefined;
  #waiting = false;
  #beat = 0;
  #read: number;
  #asking: Promise<number> | undefined;
  heardSessions: ReadonlySet<string>;
  onImport: ((id: string) => void) | undefined;

  /** From here on the engine is the log's. */
  constructor(parts: NodeParts) {
    const { engine, config, settings, log, env, exchange, files, positions } = parts;
    this.#parts = parts;
    this.heardSessions = new Set([parts.session]);
    // The entry of the last commit may have more records, which were refused, or are not applied.
    this.#read = Math.max(0, (positions.last?.revision ?? 0) - 1);
    this.#applied = new Applied(this.#read);
    const { commitTimeoutMs: timeoutMs, node } = settings;
    this.#proposals = new Proposals({
      env,
      log,
      node,
      timeoutMs,
      spread: (lost, signal) => files.spread(lost, signal),
    });
    this.#replica = new Replica(
      {
        engine,
        windowVersions: config.windowVersions,
        requests: parts.requests,
        bring: (record, revision) => files.bring(record, revision),
        pathOf: files.pathOf,
        outcomesOf: (entryId) => this.#proposals.outcomesOf(entryId),
        onApplied: ({ id, revision }, digest) => {
          this.#proposals.applied(id);
          this.#applied.advance(revision, digest);
        },
        onFailed: (error) => this.#fail(error),
        onCompare: (revision) => this.#contents.begin(revision),
        onRecords: (named, revision) => files.named(named, revision),
        onImport: (id) => this.onImport?.(id),
      },
      positions,
    );
    this.#headStart = new HeadStart({ engine, exchange, files, signal: parts.closing.signal });
    this.#proposer = new ClusterProposer({
      engine,
      proposals: this.#proposals,
      files,
      exchange,
      headStart: this.#headStart,
      timeoutMs,
      checkRunning: () => this.#checkRunning(),
      caughtUp: () => this.caughtUp(),
    });
    engine.proposer = this.#proposer;
    const replica = this.#replica;
    engine.active.horizon = () => versionOf(replica.horizon);
    this.#lag = new Lag(env.clock);
    this.#divergence = new Divergence(node, majorityOf(config), this.#applied);
    this.#contents = new Contents({
      engine,
      signal: parts.closing.signal,
      onDone: () => this.#announceNow(),
      onFailed: (error) => this.#fail(error),
    });
    this.#contentDivergence = new Divergence(node, majorityOf(config), this.#contents);
    this.#unwatch = log.watchMembers((members) => this.#hear(members));
    this.#running = Promise.all([this.#follow(), this.#announceAlways()]);
  }

  get condition(): MemberCondition {
    if (this.#halted !== undefined) return 'halted';
    return this.#waiting ? 'lagging' : 'running';
  }

  get node(): string {
    return this.#parts.settings.node;
  }

  /** Where a client's request is committed, as far as this replica knows and the window reaches. */
  requestVersion(id: string): Version | undefined {
    return this.#parts.requests.versionOf(id, this.#replica.horizon);
  }

  get session(): string {
    return this.#parts.session;
  }

  share(expects: number, row: SharedImportRow): Promise<void> {
    return this.#proposer.shareImport(expects, row);
  }

  async sessions(): Promise<ReadonlySet<string>> {
    this.#hear(await this.#parts.log.members());
    return this.heardSessions;
  }

  /** It waits for files. */
  setWaiting(waiting: boolean): void {
    this.#waiting = waiting;
  }

  /** Resolves when this replica has applied what the log had at the call. @throws SluiceError HALTED, UNAVAILABLE, CLOSED */
  async caughtUp(): Promise<void> {
    this.#checkRunning();
    await this.#applied.reach(await this.#head());
  }

  /** What all live nodes hold, as of a record of its own. @throws SluiceError HALTED, UNAVAILABLE, ABORTED, CLOSED */
  async compareContents(signal: AbortSignal | undefined): Promise<ContentComparison> {
    const { closing, env, log } = this.#parts;
    throwIfAborted(signal);
    await this.#proposer.compare();
    // Ours, or one that somebody has asked for since.
    const { begun } = this.#contents;
    assert(begun !== undefined, 'a record that is applied has begun it');
    for (;;) {
      const members = await unlessUnavailable(log.members());
      const comparison = members && compared(begun, members);
      if (comparison !== undefined) return comparison;
      if (closing.signal.aborted) throw new SluiceError('CLOSED', 'The database was closed');
      await env.clock.sleep(COMPARE_POLL_MS, signal);
    }
  }

  async status(): Promise<ClusterStatus> {
    const { engine, config, settings, log, exchange } = this.#parts;
    const { revision } = this.#applied;
    const [backlog, members] = await Promise.all([
      unlessUnavailable(log.backlog(revision)),
      unlessUnavailable(log.members()),
    ]);
    const error = this.#halted?.error;
    return {
      clusterId: config.clusterId,
      node: settings.node,
      condition: this.condition,
      error: error === undefined ? undefined : error instanceof Error ? error.message : String(error),
      appliedRevision: revision,
      appliedVersion: engine.visible,
      headRevision: backlog?.head,
      lag: this.#lag.of(backlog, this.#applied.revision),
      horizonVersion: this.#replica.horizon,
      pendingCommits: this.#proposals.pending,
      filesInFlight: exchange.inFlight(),
      members: members ?? [],
    };
  }

  /** Follows no more; what callers wait for ends with CLOSED or OUTCOME_UNKNOWN. Resolves when nothing is under way. */
  async close(): Promise<void> {
    const { closing, log, exchange } = this.#parts;
    if (closing.signal.aborted) return;
    closing.abort();
    this.#unwatch();
    const closed = new SluiceError('CLOSED', 'The database was closed');
    this.#proposals.end(closed);
    this.#applied.end(closed);
    await this.#running;
    await this.#replica.settled();
    await this.#contents.close();
    await exchange.close();
    await log.close();
    // Its files' calls have ended with those.
    await this.#headStart.close();
  }

  /** A call that comes while one is under way may not take its answer, which may be from before: those that wait share the next. */
  #head(): Promise<number> {
    if (this.#asking !== undefined) return this.#asking;
    const before = this.#headNow;
    const next = before.then(
      () => this.#askHead(),
      () => this.#askHead(),
    );
    this.#asking = next;
    this.#headNow = next;
    return next;
  }

  #headNow: Promise<unknown> = Promise.resolve();

  #askHead(): Promise<number> {
    this.#asking = undefined;
    return this.#parts.log.head();
  }

  async #follow(): Promise<void> {
    const { closing, env, log } = this.#parts;
    const { signal } = closing;
    while (!signal.aborted && this.#halted === undefined) {
      try {
        for await (const entry of log.read(this.#read, signal)) {
          this.#lag.begin(entry);
          await this.#replica.apply(entry);
          this.#lag.end();
          this.#read = entry.revision;
          if (this.#halted !== undefined) return;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isSluiceError(error, 'UNAVAILABLE')) {
          this.#fail(error);
          return;
        }
        this.#parts.engine.logger?.warn({ err: error }, 'the shared log cannot be read');
        await env.clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  /** This replica applies nothing more; what it has stays readable. */
  #fail(error: unknown): void {
    if (this.#halted !== undefined) return;
    this.#halted = { error };
    const { engine } = this.#parts;
    engine.logger?.error({ err: error }, 'this replica has halted');
    engine.publication.freeze();
    const told = halted(error);
    engine.poison(told);
    this.#proposals.end(told);
    this.#applied.end(told);
  }

  #checkRunning(): void {
    if (this.#halted !== undefined) throw halted(this.#halted.error);
  }

  #hear(members: readonly MemberState[]): void {
    this.heardSessions = new Set(members.map(({ session }) => session));
    this.#compare(members);
  }

  #compare(members: readonly MemberState[]): void {
    this.#haltIf(this.#divergence.check(members), 'has not the same commits as');
    this.#haltIf(this.#contentDivergence.check(members), 'does not hold the same as');
  }

  #haltIf(differing: readonly string[] | undefined, what: string): void {
    if (differing === undefined || this.#halted !== undefined) return;
    const message =
      `This replica ${what} ${differing.join(', ')} at the same place of the log. ` +
      'Make it anew from a node that is right: sluice cluster repair';
    this.#fail(new SluiceError('DIVERGED', message));
  }

  #announceNow(): void {
    this.#announce().catch((err: unknown) => {
      if (!this.#parts.closing.signal.aborted)
        this.#parts.engine.logger?.warn({ err }, 'this node could not tell the others what it holds');
    });
  }

  async #announceAlways(): Promise<void> {
    const { env, closing, settings } = this.#parts;
    const { signal } = closing;
    while (!signal.aborted) {
      try {
        await this.#announce();
        await this.#trim();
      } catch (err) {
        if (isSluiceError(err, 'LOCKED')) {
          this.#fail(err);
          return;
        }
        if (!signal.aborted)
          this.#parts.engine.logger?.warn({ err }, 'this node could not tell the others how far it is');
      }
      await env.clock.sleep(settings.announceMs, signal).catch(() => undefined);
    }
  }

  /** What it announces as applied is durable here: the others may let the log forget it. */
  async #announce(): Promise<void> {
    const { directory, engine, exchange, log, session, settings } = this.#parts;
    const { revision: appliedRevision, digest } = this.#applied;
    const appliedVersion = engine.visible;
    if (this.#halted === undefined && !engine.settings.sync)
      await engine.wal.sync().catch((error: unknown) => this.#fail(error));
    const { condition } = this;
    await log.announce({
      node: settings.node,
      session,
      home: directory,
      beat: ++this.#beat,
      url: exchange.url,
      condition,
      appliedRevision,
      appliedVersion,
      digest,
      ...(this.#contents.digests.length > 0 && { contents: this.#contents.digests }),
    });
    this.#hear(await log.members());
  }

  async #trim(): Promise<void> {
    const { config, files, log, positions, settings } = this.#parts;
    if (this.#halted === undefined && (await log.lease(TRIM_LEASE, settings.node))) {
      const through = trimmableThrough(await log.members(), positions.all, config.windowVersions);
      if (through !== undefined && through > (await log.trimmedThrough())) await log.trim(through);
    }
    const trimmed = await log.trimmedThrough();
    await files.forgetThrough(trimmed);
    positions.forgetThrough(trimmed);
  }
}

export function majorityOf({ replicas }: ClusterConfig): number {
  return Math.floor(replicas / 2) + 1;
}
