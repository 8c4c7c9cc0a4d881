/**
 * The shared log in etcd (3.4 or newer). Consensus, order and durability are etcd's; its keys are in `etcd-keys.ts`.
 *
 * Nothing is held in memory that etcd does not have, so any number of these may be open for a node, one after the other or at once.
 */

import type { Env } from '../../../base/env/env.ts';
import {
  type AppendResult,
  type Backlog,
  type ClusterConfig,
  checkAppend,
  type LogAppend,
  type LogEntry,
  type MemberState,
  type SharedLog,
} from '../shared-log.ts';
import { EtcdAppend } from './etcd-append.ts';
import { backlogOf } from './etcd-backlog.ts';
import { EtcdFiles } from './etcd-files.ts';
import { DEFAULT_TIMING, EtcdHosts, type EtcdTiming } from './etcd-hosts.ts';
import { decodeConfig, EtcdKeys, encodeJson } from './etcd-keys.ts';
import { EtcdMembers } from './etcd-members.ts';
import { checkEtcdOptions, closedError, type EtcdOptions } from './etcd-options.ts';
import { OwnEntries } from './etcd-own.ts';
import { EtcdReader, readState } from './etcd-reader.ts';
import { EtcdSession } from './etcd-session.ts';
import { trimLog, trimmedThrough } from './etcd-trim.ts';

const CREATE_REVISION = 1;

/** Nodes that name the same cluster, in the same etcd under the same prefix, share a log. Connects with the first call. */
export async function openEtcdLog(
  cluster: string,
  options: EtcdOptions,
  env: Env,
  timing: EtcdTiming = DEFAULT_TIMING,
): Promise<SharedLog> {
  checkEtcdOptions(options);
  const keys = new EtcdKeys(options.prefix ?? 'sluice', cluster);
  return new EtcdLog(await EtcdHosts.load(options, env, timing), keys);
}

class EtcdLog implements SharedLog {
  readonly #etcd: EtcdHosts;
  readonly #keys: EtcdKeys;
  readonly #append: EtcdAppend;
  readonly #files: EtcdFiles;
  readonly #members: EtcdMembers;
  readonly #session: EtcdSession;
  readonly #own = new OwnEntries();
  #closed: Promise<void> | undefined;

  constructor(etcd: EtcdHosts, keys: EtcdKeys) {
    this.#etcd = etcd;
    this.#keys = keys;
    this.#files = new EtcdFiles(etcd, keys);
    this.#append = new EtcdAppend(etcd, keys, this.#files, this.#own);
    this.#members = new EtcdMembers(etcd, keys);
    this.#session = new EtcdSession(etcd, keys);
  }

  async append(batch: LogAppend): Promise<AppendResult> {
    this.#checkOpen();
    checkAppend(batch);
    return await this.#append.append(batch);
  }

  read(after: number, signal: AbortSignal): AsyncIterable<LogEntry> {
    return new EtcdReader(this.#etcd, this.#keys, this.#own, after, signal).read();
  }

  async head(): Promise<number> {
    return (await readState(this.#etcd, this.#keys)).head;
  }

  async backlog(revision: number): Promise<Backlog> {
    return await backlogOf(this.#etcd, this.#keys, revision);
  }

  async trim(revision: number): Promise<void> {
    await trimLog(this.#etcd, this.#keys, revision);
  }

  async trimmedThrough(): Promise<number> {
    return await trimmedThrough(this.#etcd, this.#keys);
  }

  async announce(member: MemberState): Promise<void> {
    this.#checkOpen();
    await this.#session.announce(member);
  }

  async members(): Promise<readonly MemberState[]> {
    return await this.#members.list();
  }

  watchMembers(listener: (members: readonly MemberState[]) => void): () => void {
    return this.#members.watch(listener);
  }

  async announceFile(digest: string, node: string): Promise<void> {
    await this.#files.announce(digest, node);
  }

  async holders(digest: string): Promise<readonly string[]> {
    return await this.#files.holders(digest);
  }

  async forgetFile(digest: string, node: string): Promise<void> {
    await this.#files.forget(digest, node);
  }

  async heldBy(node: string): Promise<readonly string[]> {
    return await this.#files.heldBy(node);
  }

  async forgetNode(node: string): Promise<void> {
    await this.#files.forgetNode(node);
  }

  async config(initial: ClusterConfig): Promise<ClusterConfig> {
    const key = this.#keys.config;
    const answer = await this.#etcd.call("reading the cluster's settings", (client, options) =>
      client.kv.txn(
        {
          compare: [{ key, target: CREATE_REVISION, create_revision: '0' }],
          success: [{ request_put: { key, value: encodeJson(initial) } }],
          failure: [{ request_range: { key } }],
        },
        options,
      ),
    );
    const row = answer.responses[0]?.response_range?.kvs[0];
    return answer.succeeded || row === undefined ? initial : decodeConfig(key, row.value);
  }

  async lease(name: string, _node: string): Promise<boolean> {
    this.#checkOpen();
    return await this.#session.holds(name);
  }

  async close(): Promise<void> {
    this.#closed ??= this.#session.close().finally(() => this.#etcd.close());
    await this.#closed;
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw closedError();
  }
}
