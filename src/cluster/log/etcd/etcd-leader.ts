/**
 * Appends go to etcd's leader where it is one of our hosts: any other member hands them on to it, and learns of their commit from it. Who it
 * is is asked when an answer comes from another, or from another term, and not all the time where it is not to be found.
 */

import type { Etcd3, IResponseHeader } from 'etcd3';
import type { EtcdHosts } from './etcd-hosts.ts';

interface Leader {
  readonly client: Etcd3;
  readonly term: string;
}

export class EtcdLeader {
  readonly #etcd: EtcdHosts;
  /** In use. */
  #leader: Leader | undefined;
  #asking = false;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(etcd: EtcdHosts) {
    this.#etcd = etcd;
  }

  /** Of an answer to an append. */
  heard({ raft_term: term }: IResponseHeader, from: Etcd3): void {
    const { clients, env, timing } = this.#etcd;
    if (this.#asking || clients.length === 1 || !Number.isFinite(timing.leaderMs)) return;
    if (this.#leader?.client === from && this.#leader.term === term) return;
    const nowMs = env.clock.monotonicMs();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + timing.leaderMs;
    this.#asking = true;
    void this.#find();
  }

  async #find(): Promise<void> {
    const found = await Promise.all(this.#etcd.clients.map((client) => this.#ifLeader(client)));
    // One that was paused may not know yet that it is the leader no more.
    const newest = found.reduce((best, one) => (termOf(one) > termOf(best) ? one : best), undefined);
    this.#asking = false;
    if (newest === undefined) return;
    this.#leader = newest;
    this.#etcd.prefer(newest.client);
  }

  async #ifLeader(client: Etcd3): Promise<Leader | undefined> {
    const { env, timing } = this.#etcd;
    try {
      const deadline = env.clock.nowMs() + timing.attemptMs;
      const { header, leader, raftTerm: term } = await client.maintenance.status({ deadline });
      return header.member_id === leader ? { client, term } : undefined;
    } catch {
      // Who does not answer is not the one to ask.
      return undefined;
    }
  }
}

function termOf(leader: Leader | undefined): number {
  return leader === undefined ? -1 : Number(leader.term);
}
