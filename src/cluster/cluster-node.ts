/**
 * One node of a cluster while it is open: it follows the log, proposes what its callers write, tells the others how far it is, and
 * halts where it cannot go on without being wrong.
 */

import { assert } from '../base/assert.ts';
import type { Env } from '../base/env/env.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../base/errors.ts';
import { orAborted } from '../base/or-aborted.ts';
import type { SharedImportRow } from '../manifest/rows.ts';
import { type Version, versionOf } from '../mvcc/version.ts';
import type { Engine } from '../txn/engine.ts';
import { Applied } from './applied.ts';
import type { ClusterSettings } from './cluster-options.ts';
import { ClusterProposer } from './cluster-proposer.ts';
import { type ContentComparison, Contents, compared } from './contents.ts';
import type { FileExchange, FileInFlight } from './files/file-exchange.ts';
import { HeadStart } from './head-start.ts';
import type { ImportNode } from './imports/cluster-imports.ts';
import { Lag, type ReplicaLag } from './lag.ts';
import type { ClusterConfig, MemberCondition, MemberState, SharedLog } from './log/shared-log.ts';
import { LogHead } from './log-head.ts';
import { Membership } from './membership.ts';
import { beingMadeAnew, halted, unlessUnavailable } from './outcome.ts';
import type { Positions } from './position.ts';
import { Proposals } from './proposals.ts';
import { Replica } from './replica.ts';
import type { RequestIds } from './request-ids.ts';
import type { SharedFiles } from './shared-files.ts';

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

/** It applies nothing more. */
interface Halt {
  readonly error: unknown;
  /** A replica that is made anew takes its place. */
  readonly renewed: boolean;
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
  /** The log was trimmed under it: it has halted, and is made anew. */
  readonly onTrimmed: (why: SluiceError) => void;
}

export class ClusterNode implements ImportNode {
  readonly #parts: NodeParts;
  readonly #applied: Applied;
  readonly #replica: Replica;
  readonly #proposals: Proposals;
  readonly #headStart: HeadStart;
  readonly #proposer: ClusterProposer;
  readonly #contents: Contents;
  readonly #membership: Membership;
  readonly #head: LogHead;
  readonly #lag: Lag;
  readonly #running: Promise<unknown>;
  #halted: Halt | undefined;
  #closed = false;
  #waiting = false;
  #read: number;
  onImport: ((id: string) => void) | undefined;

  /** From here on the engine is the log's. */
  constructor(parts: NodeParts) {
    const { engine, config, settings, log, env, exchange, files, positions } = parts;
    this.#parts = parts;
    this.#head = new LogHead(log);
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
        mend: (record, revision) => files.mend(record, revision),
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
      caughtUp: (signal) => this.caughtUp(signal),
    });
    engine.proposer = this.#proposer;
    const replica = this.#replica;
    engine.active.horizon = () => versionOf(replica.horizon);
    this.#lag = new Lag(env.clock);
    this.#contents = new Contents({
      engine,
      signal: parts.closing.signal,
      onDone: () => this.#membership.announceNow(),
      onFailed: (error) => this.#fail(error),
    });
    this.#membership = new Membership({
      ...parts,
      applied: this.#applied,
      contents: this.#contents,
      signal: parts.closing.signal,
      condition: () => this.condition,
      onFailed: (error) => this.#fail(error),
    });
    this.#running = Promise.all([this.#follow(), this.#membership.run()]);
  }

  get condition(): MemberCondition {
    if (this.#halted !== undefined) return this.#halted.renewed ? 'starting' : 'halted';
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

  sessions(): Promise<ReadonlySet<string>> {
    return this.#membership.sessions();
  }

  get heardSessions(): ReadonlySet<string> {
    return this.#membership.heardSessions;
  }

  /** It waits for files. */
  setWaiting(waiting: boolean): void {
    this.#waiting = waiting;
  }

  /** Resolves when this replica has applied what the log had at the call. @throws SluiceError HALTED, UNAVAILABLE, CLOSED, ABORTED */
  async caughtUp(signal?: AbortSignal): Promise<void> {
    this.#checkRunning();
    const head = await orAborted(this.#head.ask(), signal);
    await orAborted(this.#applied.reach(head), signal);
  }

  /** @throws SluiceError BUSY while it lives; UNAVAILABLE, CLOSED */
  async forgetNode(node: string): Promise<void> {
    const { log } = this.#parts;
    if ((await log.members()).some((member) => member.node === node)) {
      const message = `The node ${node} lives, or did until a moment ago: stop it, and wait until the others list it no more`;
      throw new SluiceError('BUSY', message);
    }
    await log.forgetNode(node);
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
    const { log, exchange } = this.#parts;
    if (this.#closed) return;
    this.#closed = true;
    await this.#stop();
    await exchange.close();
    await log.close();
    // Its files' calls have ended with those.
    await this.#headStart.close();
  }

  /** As `close`, but the log and the exchange of files are for the node that comes after it. */
  async leave(): Promise<void> {
    await this.#stop();
    await this.#headStart.close();
  }

  async #stop(): Promise<void> {
    const { closing } = this.#parts;
    closing.abort();
    this.#membership.stop();
    const closed = new SluiceError('CLOSED', 'The database was closed');
    this.#proposals.end(closed);
    this.#applied.end(closed);
    await this.#running;
    await this.#replica.settled();
    await this.#contents.close();
  }

  /** It stays as it is. */
  notRenewed(error: unknown): void {
    this.#halted = { error, renewed: false };
    this.#parts.engine.logger?.error({ err: error }, 'this replica could not be made anew');
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
    const { closing, engine, onTrimmed } = this.#parts;
    const renewed = isSluiceError(error, 'TRIMMED') && !closing.signal.aborted;
    this.#halted = { error, renewed };
    engine.logger?.error({ err: error }, 'this replica has halted');
    const told = this.#told(this.#halted);
    engine.publication.freeze(told);
    engine.poison(told);
    this.#proposals.end(told);
    this.#applied.end(told);
    if (renewed) onTrimmed(error);
  }

  #checkRunning(): void {
    if (this.#halted !== undefined) throw this.#told(this.#halted);
  }

  #told({ error, renewed }: Halt): SluiceError {
    return renewed ? beingMadeAnew(error) : halted(error);
  }
}
