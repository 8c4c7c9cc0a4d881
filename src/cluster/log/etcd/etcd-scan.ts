/** Ranges of keys that may be long: in pages, without values. */

import type { IKeyValue } from 'etcd3';
import type { EtcdHosts } from './etcd-hosts.ts';
import type { KeyRange } from './etcd-keys.ts';

/** etcd takes this many operations in a transaction unless told otherwise (--max-txn-ops is 128). */
export const OPERATIONS_MAX = 100;
const PAGE_KEYS = 2_000;

/** Each page is as of its own moment. */
export async function* listKeys(etcd: EtcdHosts, { key, range_end }: KeyRange): AsyncGenerator<IKeyValue> {
  let from = key;
  for (let more = true; more; ) {
    const range = { key: from, range_end, limit: PAGE_KEYS, keys_only: true };
    const page = await etcd.call('listing keys', (client, options) => client.kv.range(range, options));
    yield* page.kvs;
    const last = page.kvs.at(-1);
    if (last !== undefined) from = Buffer.concat([last.key, Buffer.alloc(1)]);
    more = page.more && last !== undefined;
  }
}
