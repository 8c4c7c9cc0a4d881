/** The live members: what is announced under leases of etcd. */

import type { IKeyValue } from 'etcd3';
import type { MemberState } from '../shared-log.ts';
import type { EtcdHosts } from './etcd-hosts.ts';
import { decodeMember, type EtcdKeys, lastName } from './etcd-keys.ts';
import { EtcdWatch } from './etcd-watch.ts';

/** After so long without a change, they are listed anew: the watch may be one of a member of etcd that is cut off. */
const SILENCE_MS = 5_000;

interface Listing {
  readonly revision: number;
  readonly members: Map<string, MemberState>;
}

export class EtcdMembers {
  readonly #etcd: EtcdHosts;
  readonly #keys: EtcdKeys;

  constructor(etcd: EtcdHosts, keys: EtcdKeys) {
    this.#etcd = etcd;
    this.#keys = keys;
  }

  async list(): Promise<readonly MemberState[]> {
    return sorted((await this.#list()).members);
  }

  watch(listener: (members: readonly MemberState[]) => void): () => void {
    const stopped = new AbortController();
    const signal = AbortSignal.any([stopped.signal, this.#etcd.closing]);
    void this.#follow(listener, signal);
    return () => stopped.abort();
  }

  async #follow(listener: (members: readonly MemberState[]) => void, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      const { client } = this.#etcd;
      try {
        const listing = await this.#list();
        if (signal.aborted) return;
        listener(sorted(listing.members));
        failures = 0;
        await this.#watch(client, listing, listener, signal);
      } catch {
        // Whatever it was, they are listed again; that etcd does not answer is told by every other call.
        this.#etcd.giveUp(client);
        await this.#etcd.pause(++failures).catch(() => undefined);
      }
    }
  }

  /** Ends after a silence. */
  async #watch(
    client: EtcdHosts['client'],
    { revision, members }: Listing,
    listener: (members: readonly MemberState[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const watch = await EtcdWatch.open(client, { ...this.#keys.members, start_revision: revision + 1 });
    try {
      while (!signal.aborted) {
        const answer = await watch.next(this.#etcd.env.clock, SILENCE_MS, signal);
        if (answer === undefined || signal.aborted) return;
        if (answer.canceled) throw new Error(`The watch of members ended: ${answer.cancel_reason}`);
        for (const { type, kv } of answer.events) {
          if (type === 'Delete') members.delete(lastName(kv.key));
          else this.#add(members, kv);
        }
        if (answer.events.length > 0) listener(sorted(members));
      }
    } finally {
      watch.cancel();
    }
  }

  async #list(): Promise<Listing> {
    const range = this.#keys.members;
    const answer = await this.#etcd.call('asking for the members', (client, options) =>
      client.kv.range(range, options),
    );
    const members = new Map<string, MemberState>();
    for (const kv of answer.kvs) this.#add(members, kv);
    return { revision: Number(answer.header.revision), members };
  }

  #add(members: Map<string, MemberState>, { key, value }: IKeyValue): void {
    members.set(lastName(key), decodeMember(key, value));
  }
}

function sorted(members: ReadonlyMap<string, MemberState>): readonly MemberState[] {
  return [...members.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}
