/** Which node holds which file: a key for each, without a lease, as what is on disk outlives its node's process. */

import type { ICompare, IRangeResponse, IRequestOp } from 'etcd3';
import { at } from '../../../base/assert.ts';
import type { EtcdHosts } from './etcd-hosts.ts';
import { decodeConfig, type EtcdKeys, lastName } from './etcd-keys.ts';
import { listKeys, OPERATIONS_MAX } from './etcd-scan.ts';

/** CompareTarget.Mod and CompareResult.Greater of etcd3, whose own constants exist only once it is loaded. */
export const MOD_REVISION = 2;
const GREATER = 1;

interface Announcing {
  readonly key: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class EtcdFiles {
  readonly #etcd: EtcdHosts;
  readonly #keys: EtcdKeys;
  #replicas: number | undefined;
  /** The revision of `forgotten` when we looked last. */
  #forgotten = '0';
  readonly #announcing: Announcing[] = [];
  #isAnnouncing = false;

  constructor(etcd: EtcdHosts, keys: EtcdKeys) {
    this.#etcd = etcd;
    this.#keys = keys;
  }

  /** Those that come while one transaction is under way go together in the next: an ingest may have thousands of files. */
  announce(digest: string, node: string): Promise<void> {
    const key = this.#keys.file(digest, node);
    return new Promise((resolve, reject) => {
      this.#announcing.push({ key, resolve, reject });
      if (this.#isAnnouncing) return;
      this.#isAnnouncing = true;
      queueMicrotask(() => void this.#announceAll());
    });
  }

  async #announceAll(): Promise<void> {
    while (this.#announcing.length > 0) {
      const some = this.#announcing.splice(0, OPERATIONS_MAX);
      try {
        await this.#announceSome([...new Map(some.map(({ key }) => [key.toString('latin1'), key])).values()]);
        for (const { resolve } of some) resolve();
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
    this.#isAnnouncing = false;
  }

  /** Only if no file was forgotten since: else a late twin of this request would bring back what was forgotten after it. */
  async #announceSome(keys: readonly Buffer[]): Promise<void> {
    const { forgotten } = this.#keys;
    const success = keys.map((key) => ({ request_put: { key, value: Buffer.alloc(0) } }));
    for (let areThere = false; !areThere; ) {
      const compare = [{ key: forgotten, target: MOD_REVISION, mod_revision: this.#forgotten }];
      const failure = [{ request_range: { key: forgotten, keys_only: true } }];
      const answer = await this.#etcd.call('announcing files', (client, options) =>
        client.kv.txn({ compare, success, failure }, options),
      );
      areThere = answer.succeeded;
      if (!areThere) this.#forgotten = answer.responses[0]?.response_range.kvs[0]?.mod_revision ?? '0';
    }
  }

  async holders(digest: string): Promise<readonly string[]> {
    const range = this.#keys.holders(digest);
    const answer = await this.#etcd.call('asking who holds a file', (client, options) =>
      client.kv.range({ ...range, keys_only: true }, options),
    );
    return namesOf(answer);
  }

  async forget(digest: string, node: string): Promise<void> {
    const key = this.#keys.file(digest, node);
    // Only if there: a second time must not write `forgotten`, or nodes that sweep would hold up appends.
    await this.#delete([key], [{ key, target: MOD_REVISION, result: GREATER, mod_revision: '0' }]);
  }

  async heldBy(node: string): Promise<readonly string[]> {
    return (await this.#keysOf(node)).map((key) => this.#keys.digestOf(key));
  }

  async #keysOf(node: string): Promise<Buffer[]> {
    const keys: Buffer[] = [];
    for await (const { key } of listKeys(this.#etcd, this.#keys.files))
      if (lastName(key) === node) keys.push(key);
    return keys;
  }

  async forgetNode(node: string): Promise<void> {
    const member = this.#keys.member(node);
    const gone = await this.#keysOf(node);
    for (let i = 0; i < gone.length; i += OPERATIONS_MAX)
      await this.#delete(gone.slice(i, i + OPERATIONS_MAX), []);
    await this.#etcd.call('forgetting a node', (client, options) =>
      client.kv.deleteRange({ key: member }, options),
    );
  }

  /**
   * The digests that fewer than a majority hold; or that all are held, as of a revision: that still holds as long as
   * `forgotten` has none above it.
   */
  async majority(
    digests: readonly string[],
  ): Promise<{ readonly missing: readonly string[] } | { readonly asOf: number | undefined }> {
    if (digests.length === 0) return { asOf: undefined };
    const needed = Math.floor((await this.#replicasOf()) / 2) + 1;
    const missing: string[] = [];
    let asOf = Number.MAX_SAFE_INTEGER;
    for (let i = 0; i < digests.length; i += OPERATIONS_MAX) {
      const some = digests.slice(i, i + OPERATIONS_MAX);
      const success: IRequestOp[] = some.map((digest) => ({
        request_range: { ...this.#keys.holders(digest), count_only: true },
      }));
      const answer = await this.#etcd.call('asking who holds files', (client, options) =>
        client.kv.txn({ success }, options),
      );
      asOf = Math.min(asOf, Number(answer.header.revision));
      some.forEach((digest, index) => {
        if (Number(answer.responses[index]?.response_range.count ?? 0) < needed) missing.push(digest);
      });
    }
    return missing.length > 0 ? { missing } : { asOf };
  }

  async #delete(keys: readonly Buffer[], compare: ICompare[]): Promise<void> {
    const success: IRequestOp[] = keys.map((key) => ({ request_delete_range: { key } }));
    success.push({ request_put: { key: this.#keys.forgotten, value: at(keys, 0) } });
    await this.#etcd.call('forgetting files', (client, options) =>
      client.kv.txn({ compare, success }, options),
    );
  }

  async #replicasOf(): Promise<number> {
    if (this.#replicas !== undefined) return this.#replicas;
    const key = this.#keys.config;
    const answer = await this.#etcd.call("asking for the cluster's settings", (client, options) =>
      client.kv.range({ key }, options),
    );
    const row = answer.kvs[0];
    if (row === undefined) return 1;
    this.#replicas = decodeConfig(key, row.value).replicas;
    return this.#replicas;
  }
}

function namesOf(answer: IRangeResponse): string[] {
  return answer.kvs.map(({ key }) => lastName(key)).sort();
}
