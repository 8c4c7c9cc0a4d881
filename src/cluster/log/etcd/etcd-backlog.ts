/**
 * How much a reader has before it: each node counts what it appends, in a key of its own that is written with the entry, so the sums of
 * two revisions differ by what was appended between them. etcd still knows the older of them unless its history was compacted there.
 */

import type { IKeyValue, IRequestOp } from 'etcd3';
import { SluiceError } from '../../../base/errors.ts';
import type { Backlog, LogAppend, LogWeight } from '../shared-log.ts';
import { classify } from './etcd-failure.ts';
import type { EtcdHosts } from './etcd-hosts.ts';
import { decodeWeight, type EtcdKeys, encodeWeight } from './etcd-keys.ts';

export async function backlogOf(etcd: EtcdHosts, keys: EtcdKeys, revision: number): Promise<Backlog> {
  const now: IRequestOp[] = [
    { request_range: { key: keys.head, keys_only: true } },
    { request_range: keys.allWritten },
  ];
  const then: IRequestOp[] = revision === 0 ? [] : [{ request_range: { ...keys.allWritten, revision } }];
  const ask = (success: IRequestOp[]) =>
    etcd.call('asking how far the log is', (client, options) => client.kv.txn({ success }, options));
  let isKnown = true;
  const answer = await ask([...now, ...then]).catch((error: unknown) => {
    if (error instanceof SluiceError || classify(error) !== 'compacted') throw error;
    isKnown = false;
    return ask(now);
  });
  const [head, total, before] = answer.responses.map(({ response_range }) => response_range.kvs);
  const newest = Number(head?.[0]?.mod_revision ?? 0);
  if (newest <= revision) return { head: newest, records: 0, bytes: 0 };
  if (!isKnown) return { head: newest };
  const [sum, base] = [sumOf(total ?? []), sumOf(before ?? [])];
  // A node that ended while it appended may have counted that twice, or not at all.
  return {
    head: newest,
    records: Math.max(0, sum.records - base.records),
    bytes: Math.max(0, sum.bytes - base.bytes),
  };
}

function sumOf(rows: readonly IKeyValue[]): LogWeight {
  let [records, bytes] = [0, 0];
  for (const { key, value } of rows) {
    const written = decodeWeight(key, value);
    records += written.records;
    bytes += written.bytes;
  }
  return { records, bytes };
}

/** What a node has appended: goes on where the process before it stood. */
export class EtcdWritten {
  readonly #etcd: EtcdHosts;
  readonly #keys: EtcdKeys;
  #total: LogWeight | undefined;

  constructor(etcd: EtcdHosts, keys: EtcdKeys) {
    this.#etcd = etcd;
    this.#keys = keys;
  }

  /** What an append writes beside its entry; `done` once it is there. The same append again writes the same. */
  async with(
    weight: LogAppend['weight'],
  ): Promise<{ readonly puts: readonly IRequestOp[]; readonly done: () => void }> {
    if (weight === undefined) return { puts: [], done: () => undefined };
    const key = this.#keys.written(weight.node);
    const before = this.#total ?? (await this.#read(key));
    const total = { records: before.records + weight.records, bytes: before.bytes + weight.bytes };
    // Until it is known to be there, it has to be asked for.
    this.#total = undefined;
    const done = (): void => {
      this.#total = total;
    };
    return { puts: [{ request_put: { key, value: encodeWeight(total) } }], done };
  }

  async #read(key: Buffer): Promise<LogWeight> {
    const answer = await this.#etcd.call('asking what this node has appended', (client, options) =>
      client.kv.range({ key }, options),
    );
    const row = answer.kvs[0];
    return row === undefined ? { records: 0, bytes: 0 } : decodeWeight(key, row.value);
  }
}
