/**
 * The shared log of one process: a hub that nodes in it share, for tests and for trying things out. Nothing is durable.
 *
 * The hub has switches for what goes wrong with a real one: a node cut off, a delay, an append that is refused, one
 * that is written and whose answer is lost.
 */

import type { Env } from '../../base/env/env.ts';
import { SluiceError } from '../../base/errors.ts';
import { mayTake, nameTaken } from '../node-name.ts';
import {
  type AppendResult,
  type Backlog,
  type ClusterConfig,
  checkAppend,
  type LogAppend,
  type LogEntry,
  type LogWeight,
  type MemberState,
  type SharedLog,
} from './shared-log.ts';

/** What may happen to one append of a node. */
export type AppendFault = 'refuse' | 'lose-answer';

type Listener = (members: readonly MemberState[]) => void;

export class MemoryLogHub {
  readonly env: Env;
  readonly entries: LogEntry[] = [];
  readonly members = new Map<string, MemberState>();
  readonly files = new Map<string, Set<string>>();
  readonly leases = new Map<string, MemoryLog>();
  readonly cutOff = new Set<string>();
  readonly #revisions = new Map<string, number>();
  readonly #weights = new Map<number, LogWeight>();
  readonly #listeners = new Set<Listener>();
  readonly #waiting = new Set<() => void>();
  #head = 0;
  trimmed = 0;
  config: ClusterConfig | undefined;
  /** Asked at each append, after whether it is one that was made before. */
  fault: (node: string, batch: LogAppend) => AppendFault | undefined = () => undefined;
  delayMs = 0;

  constructor(env: Env) {
    this.env = env;
  }

  get head(): number {
    return this.#head;
  }

  cut(node: string): void {
    this.cutOff.add(node);
    this.members.delete(node);
    this.changed();
  }

  reconnect(node: string): void {
    this.cutOff.delete(node);
    this.wake();
  }

  write({ id, bytes, stagings, weight }: LogAppend): AppendResult {
    const known = this.#revisions.get(id);
    if (known !== undefined) return { revision: known };
    const majority = Math.floor((this.config?.replicas ?? 1) / 2) + 1;
    const missing = stagings.filter((digest) => (this.files.get(digest)?.size ?? 0) < majority);
    if (missing.length > 0) return { missing };
    const revision = ++this.#head;
    this.entries.push({ revision, id, bytes: Uint8Array.from(bytes) });
    this.#revisions.set(id, revision);
    if (weight !== undefined) this.#weights.set(revision, weight);
    this.wake();
    return { revision };
  }

  backlog(revision: number): Backlog {
    if (revision < this.trimmed) return { head: this.#head };
    let [records, bytes] = [0, 0];
    for (const [at, weight] of this.#weights) {
      if (at <= revision) continue;
      records += weight.records;
      bytes += weight.bytes;
    }
    return { head: this.#head, records, bytes };
  }

  trim(revision: number): void {
    this.trimmed = Math.max(this.trimmed, Math.min(revision, this.#head));
    const first = this.entries.findIndex((entry) => entry.revision > this.trimmed);
    this.entries.splice(0, first < 0 ? this.entries.length : first);
  }

  /** The first entry after `revision`. */
  entryAfter(revision: number): LogEntry | undefined {
    const first = this.entries[0];
    return first === undefined ? undefined : this.entries[Math.max(0, revision + 1 - first.revision)];
  }

  /** Resolves at the next entry, or change of who is cut off. */
  news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    for (const listener of [...this.#listeners]) listener(this.sortedMembers());
  }

  sortedMembers(): readonly MemberState[] {
    return [...this.members.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
  }
}

export class MemoryLog implements SharedLog {
  readonly #hub: MemoryLogHub;
  readonly #node: string;
  readonly #closing = new AbortController();
  /** Announced. */
  #session: string | undefined;

  constructor(hub: MemoryLogHub, node: string) {
    this.#hub = hub;
    this.#node = node;
  }

  async append(batch: LogAppend): Promise<AppendResult> {
    checkAppend(batch);
    await this.#reach();
    const fault = this.#hub.fault(this.#node, batch);
    if (fault === 'refuse') throw unavailable('refused the append');
    const result = this.#hub.write(batch);
    if (fault === 'lose-answer') throw unavailable('lost its answer');
    return result;
  }

  async *read(after: number, signal: AbortSignal): AsyncGenerator<LogEntry> {
    const hub = this.#hub;
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    for (let at = after; !ended.aborted; ) {
      const isCut = hub.cutOff.has(this.#node);
      if (!isCut && at < hub.trimmed) {
        throw new SluiceError('TRIMMED', `The log is kept from revision ${hub.trimmed} on, not from ${at}`);
      }
      const entry = isCut ? undefined : hub.entryAfter(at);
      if (entry === undefined) {
        await hub.news(ended);
        continue;
      }
      yield entry;
      at = entry.revision;
    }
  }

  async head(): Promise<number> {
    await this.#reach();
    return this.#hub.head;
  }

  async backlog(revision: number): Promise<Backlog> {
    await this.#reach();
    return this.#hub.backlog(revision);
  }

  async trim(revision: number): Promise<void> {
    await this.#reach();
    this.#hub.trim(revision);
  }

  async trimmedThrough(): Promise<number> {
    await this.#reach();
    return this.#hub.trimmed;
  }

  async announce(member: MemberState): Promise<void> {
    await this.#reach();
    const holder = this.#hub.members.get(member.node);
    if (holder !== undefined && !mayTake(member, holder, this.#session !== undefined))
      throw nameTaken(member, holder);
    this.#session = member.session;
    this.#hub.members.set(member.node, member);
    this.#hub.changed();
  }

  async members(): Promise<readonly MemberState[]> {
    await this.#reach();
    return this.#hub.sortedMembers();
  }

  watchMembers(listener: Listener): () => void {
    const heard: Listener = (members) => {
      if (!this.#hub.cutOff.has(this.#node)) listener(members);
    };
    heard(this.#hub.sortedMembers());
    return this.#hub.listen(heard);
  }

  async announceFile(digest: string, node: string): Promise<void> {
    await this.#reach();
    const holders = this.#hub.files.get(digest);
    if (holders === undefined) this.#hub.files.set(digest, new Set([node]));
    else holders.add(node);
  }

  async holders(digest: string): Promise<readonly string[]> {
    await this.#reach();
    return [...(this.#hub.files.get(digest) ?? [])].sort();
  }

  async forgetFile(digest: string, node: string): Promise<void> {
    await this.#reach();
    this.#hub.files.get(digest)?.delete(node);
  }

  async heldBy(node: string): Promise<readonly string[]> {
    await this.#reach();
    return [...this.#hub.files].flatMap(([digest, holders]) => (holders.has(node) ? [digest] : []));
  }

  async forgetNode(node: string): Promise<void> {
    await this.#reach();
    for (const holders of this.#hub.files.values()) holders.delete(node);
    if (this.#hub.members.delete(node)) this.#hub.changed();
  }

  async config(initial: ClusterConfig): Promise<ClusterConfig> {
    await this.#reach();
    this.#hub.config ??= initial;
    return this.#hub.config;
  }

  async lease(name: string, _node: string): Promise<boolean> {
    await this.#reach();
    const holder = this.#hub.leases.get(name);
    if (holder === undefined) this.#hub.leases.set(name, this);
    return holder === undefined || holder === this;
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    for (const [name, holder] of this.#hub.leases) if (holder === this) this.#hub.leases.delete(name);
    const isOurs = this.#hub.members.get(this.#node)?.session === this.#session;
    if (isOurs && this.#hub.members.delete(this.#node)) this.#hub.changed();
  }

  async #reach(): Promise<void> {
    this.#checkReachable();
    if (this.#hub.delayMs > 0) await this.#hub.env.clock.sleep(this.#hub.delayMs);
    else await this.#hub.env.clock.turn();
    this.#checkReachable();
  }

  #checkReachable(): void {
    if (this.#closing.signal.aborted) throw new SluiceError('CLOSED', 'The connection to the log is closed');
    if (this.#hub.cutOff.has(this.#node)) throw unavailable('cannot be reached');
  }
}

function unavailable(what: string): SluiceError {
  return new SluiceError('UNAVAILABLE', `The shared log ${what}; try again`);
}
