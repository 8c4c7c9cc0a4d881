/**
 * What this node has in etcd for as long as it lives: its announcement and the cluster's leases that it holds, all under one lease of etcd,
 * which is renewed until `close`. If it was lost (a pause longer than it lasts), a new one is taken and we are announced again.
 */

import type { IRequestOp } from 'etcd3';
import { mayTake, nameTaken } from '../../node-name.ts';
import type { MemberState } from '../shared-log.ts';
import { classify } from './etcd-failure.ts';
import { MOD_REVISION } from './etcd-files.ts';
import type { EtcdHosts } from './etcd-hosts.ts';
import { decodeMember, type EtcdKeys, encodeJson } from './etcd-keys.ts';

/** How long a node that is gone is still seen. */
const LEASE_SECONDS = 10;
const RENEW_MS = 3_000;
const ANSWER_MS = 3_000;
const REVOKE_MS = 1_000;
const CREATE_REVISION = 1;

export class EtcdSession {
  readonly #etcd: EtcdHosts;
  readonly #keys: EtcdKeys;
  /** Tells our leases from those of a process of the same node before us. */
  readonly #token: string;
  #lease: Promise<string> | undefined;
  #announced: MemberState | undefined;
  /** Of our announcement, as we know it; '0': it has run out. */
  #revision: string | undefined;
  #named = false;
  #stopRenewing: (() => void) | undefined;

  constructor(etcd: EtcdHosts, keys: EtcdKeys) {
    this.#etcd = etcd;
    this.#keys = keys;
    this.#token = etcd.env.random.hex(16);
  }

  async announce(member: MemberState): Promise<void> {
    this.#announced = member;
    const key = this.#keys.member(member.node);
    const value = encodeJson(member);
    await this.#underLease(async (lease) => {
      for (;;) {
        const compare = [{ key, target: MOD_REVISION, mod_revision: this.#revision ?? '0' }];
        const success = [{ request_put: { key, value, lease } }];
        const answer = await this.#etcd.call('announcing this node', (client, options) =>
          client.kv.txn({ compare, success, failure: [{ request_range: { key } }] }, options),
        );
        if (answer.succeeded) {
          this.#revision = answer.header.revision;
          this.#named = true;
          return;
        }
        const row = answer.responses[0]?.response_range.kvs[0];
        const holder = row === undefined ? undefined : decodeMember(key, row.value);
        if (holder !== undefined && !mayTake(member, holder, this.#named)) throw nameTaken(member, holder);
        // It has run out; or it is ours, of a call without an answer; or of the process before us.
        this.#revision = row?.mod_revision ?? '0';
      }
    });
  }

  async holds(name: string): Promise<boolean> {
    const key = this.#keys.lease(name);
    const compare = [{ key, target: CREATE_REVISION, create_revision: '0' }];
    const failure = [{ request_range: { key } }];
    return await this.#underLease(async (lease) => {
      const success: IRequestOp[] = [
        { request_put: { key, value: Buffer.from(this.#token, 'latin1'), lease } },
      ];
      const answer = await this.#etcd.call('taking a lease', (client, options) =>
        client.kv.txn({ compare, success, failure }, options),
      );
      if (answer.succeeded) return true;
      return answer.responses[0]?.response_range.kvs[0]?.value.toString('latin1') === this.#token;
    });
  }

  /** Ends at once what would end by itself; as far as etcd answers soon. */
  async close(): Promise<void> {
    this.#stopRenewing?.();
    const lease = this.#lease;
    if (lease === undefined) return;
    const { env } = this.#etcd;
    const enough = new AbortController();
    try {
      await Promise.race([this.#revoke(lease), env.clock.sleep(REVOKE_MS, enough.signal)]);
    } catch {
      // It ends by itself in LEASE_SECONDS.
    } finally {
      enough.abort();
    }
  }

  async #revoke(lease: Promise<string>): Promise<void> {
    const ID = await lease;
    const { client, env } = this.#etcd;
    await client.leaseClient.leaseRevoke({ ID }, { deadline: env.clock.nowMs() + REVOKE_MS });
  }

  async #underLease<T>(run: (lease: string) => Promise<T>): Promise<T> {
    for (;;) {
      this.#lease ??= this.#grant();
      const lease = this.#lease;
      try {
        return await run(await lease);
      } catch (error) {
        if (this.#lease === lease && (isLost(error) || !(await isGranted(lease)))) this.#lease = undefined;
        if (!isLost(error)) throw error;
      }
    }
  }

  async #grant(): Promise<string> {
    const { ID } = await this.#etcd.call('taking a lease of etcd', (client, options) =>
      client.leaseClient.leaseGrant({ TTL: LEASE_SECONDS }, options),
    );
    this.#renewLater();
    return ID;
  }

  #renewLater(): void {
    this.#stopRenewing?.();
    this.#stopRenewing = this.#etcd.env.clock.after(RENEW_MS, () => {
      // Failures are told by the next announcement, which every node makes again and again.
      this.#renew().catch(() => undefined);
    });
  }

  async #renew(): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined || this.#etcd.closing.aborted) return;
    this.#renewLater();
    const ID = await lease;
    const isAlive = await this.#etcd.call('renewing the lease', (client) => this.#keepAlive(client, ID));
    if (isAlive || this.#lease !== lease) return;
    this.#lease = undefined;
    if (this.#announced !== undefined) await this.announce(this.#announced);
  }

  /** One message on a stream of its own, as etcd has no plain call for it. */
  async #keepAlive(client: EtcdHosts['client'], ID: string): Promise<boolean> {
    const stream = await client.leaseClient.leaseKeepAlive();
    let stop: () => void = () => undefined;
    try {
      return await new Promise<boolean>((resolve, reject) => {
        stop = this.#etcd.env.clock.after(ANSWER_MS, () =>
          reject(new Error('4 DEADLINE_EXCEEDED: no answer')),
        );
        stream.on('data', ({ TTL }) => resolve(Number(TTL) > 0));
        stream.on('error', reject);
        stream.on('end', () => reject(new Error('14 UNAVAILABLE: the stream ended')));
        stream.write({ ID });
      });
    } finally {
      stop();
      stream.cancel();
    }
  }
}

function isLost(error: unknown): boolean {
  return classify(error) === 'lease-lost';
}

async function isGranted(lease: Promise<string>): Promise<boolean> {
  try {
    await lease;
    return true;
  } catch {
    return false;
  }
}
