/**
 * This node among the others: it tells them again and again how far it is, hears what they have, and has the log forget what none of
 * them asks for any more.
 */

import type { Env } from '../base/env/env.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { Engine } from '../txn/engine.ts';
import type { Applied } from './applied.ts';
import type { ClusterSettings } from './cluster-options.ts';
import type { Contents } from './contents.ts';
import { Divergence } from './divergence.ts';
import type { FileExchange } from './files/file-exchange.ts';
import type { ClusterConfig, MemberCondition, MemberState, SharedLog } from './log/shared-log.ts';
import type { Positions } from './position.ts';
import type { SharedFiles } from './shared-files.ts';
import { trimmableThrough } from './trimming.ts';

const TRIM_LEASE = 'trim';

export interface MembershipParts {
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
  readonly positions: Positions;
  readonly applied: Applied;
  readonly contents: Contents;
  /** Fires when the node ends. */
  readonly signal: AbortSignal;
  readonly condition: () => MemberCondition;
  /** The node cannot go on. */
  readonly onFailed: (error: unknown) => void;
}

export class Membership {
  readonly #parts: MembershipParts;
  readonly #divergence: Divergence;
  readonly #contentDivergence: Divergence;
  #unwatch: (() => void) | undefined;
  #beat = 0;
  /** Of all live nodes, as they were heard last. */
  heardSessions: ReadonlySet<string>;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    const { applied, config, contents, session, settings } = parts;
    this.#divergence = new Divergence(settings.node, majorityOf(config), applied);
    this.#contentDivergence = new Divergence(settings.node, majorityOf(config), contents);
    this.heardSessions = new Set([session]);
  }

  /** Resolves when the node has ended, or may not have its name any more. */
  async run(): Promise<void> {
    const { env, engine, log, onFailed, settings, signal } = this.#parts;
    this.#unwatch = log.watchMembers((members) => this.#hear(members));
    while (!signal.aborted) {
      try {
        await this.#announce();
        await this.#trim();
      } catch (err) {
        if (isSluiceError(err, 'LOCKED')) {
          onFailed(err);
          return;
        }
        if (!signal.aborted)
          engine.logger?.warn({ err }, 'this node could not tell the others how far it is');
      }
      await env.clock.sleep(settings.announceMs, signal).catch(() => undefined);
    }
  }

  /** Hears of nobody any more. */
  stop(): void {
    this.#unwatch?.();
  }

  announceNow(): void {
    this.#announce().catch((err: unknown) => {
      if (!this.#parts.signal.aborted)
        this.#parts.engine.logger?.warn({ err }, 'this node could not tell the others what it holds');
    });
  }

  /** Of all live nodes, asked of the log. @throws SluiceError UNAVAILABLE, CLOSED */
  async sessions(): Promise<ReadonlySet<string>> {
    this.#hear(await this.#parts.log.members());
    return this.heardSessions;
  }

  #hear(members: readonly MemberState[]): void {
    this.heardSessions = new Set(members.map(({ session }) => session));
    this.#haltIf(this.#divergence.check(members), 'has not the same commits as');
    this.#haltIf(this.#contentDivergence.check(members), 'does not hold the same as');
  }

  #haltIf(differing: readonly string[] | undefined, what: string): void {
    if (differing === undefined || this.#isHalted) return;
    const message =
      `This replica ${what} ${differing.join(', ')} at the same place of the log. ` +
      'Make it anew from a node that is right: sluice cluster repair';
    this.#parts.onFailed(new SluiceError('DIVERGED', message));
  }

  get #isHalted(): boolean {
    return this.#parts.condition() === 'halted';
  }

  /** What it announces as applied is durable here: the others may let the log forget it. */
  async #announce(): Promise<void> {
    const { applied, condition, contents, directory, engine, exchange, log, session, settings } = this.#parts;
    const { revision: appliedRevision, digest } = applied;
    const appliedVersion = engine.visible;
    if (!this.#isHalted && !engine.settings.sync)
      await engine.wal.sync().catch((error: unknown) => this.#parts.onFailed(error));
    await log.announce({
      node: settings.node,
      session,
      home: directory,
      beat: ++this.#beat,
      url: exchange.url,
      condition: condition(),
      appliedRevision,
      appliedVersion,
      digest,
      ...(contents.digests.length > 0 && { contents: contents.digests }),
    });
    this.#hear(await log.members());
  }

  async #trim(): Promise<void> {
    const { config, files, log, positions, settings } = this.#parts;
    if (!this.#isHalted && (await log.lease(TRIM_LEASE, settings.node))) {
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
