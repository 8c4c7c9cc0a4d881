/**
 * Trimming the log: `trimmed` first, which ends late appends (etcd-append.ts) and tells readers; then the entries; then etcd's history up
 * to there, which readers that are further on do not need. Each step may be done again, by anyone.
 */

import { SluiceError } from '../../../base/errors.ts';
import { classify } from './etcd-failure.ts';
import { MOD_REVISION } from './etcd-files.ts';
import type { EtcdHosts } from './etcd-hosts.ts';
import { decodeRevision, type EtcdKeys } from './etcd-keys.ts';
import { readState } from './etcd-reader.ts';
import { listKeys, OPERATIONS_MAX } from './etcd-scan.ts';

export async function trimLog(etcd: EtcdHosts, keys: EtcdKeys, revision: number): Promise<void> {
  const { head } = await readState(etcd, keys);
  const through = await raiseTrimmed(etcd, keys, Math.min(revision, head));
  if (through === 0) return;
  await deleteEntries(etcd, keys, through);
  await compact(etcd, through);
}

export async function trimmedThrough(etcd: EtcdHosts, keys: EtcdKeys): Promise<number> {
  return (await readState(etcd, keys)).trimmed;
}

/** Never back, whoever else trims. Returns what it is then. */
async function raiseTrimmed(etcd: EtcdHosts, keys: EtcdKeys, revision: number): Promise<number> {
  const key = keys.trimmed;
  for (;;) {
    const found = await etcd.call('asking where the log begins', (client, options) =>
      client.kv.range({ key }, options),
    );
    const row = found.kvs[0];
    const trimmed = row === undefined ? 0 : decodeRevision(key, row.value);
    if (trimmed >= revision) return trimmed;
    const compare = [{ key, target: MOD_REVISION, mod_revision: row?.mod_revision ?? '0' }];
    const success = [{ request_put: { key, value: Buffer.from(String(revision), 'latin1') } }];
    await etcd.call('trimming the log', (client, options) => client.kv.txn({ compare, success }, options));
  }
}

async function deleteEntries(etcd: EtcdHosts, keys: EtcdKeys, through: number): Promise<void> {
  let gone: Buffer[] = [];
  const flush = async (): Promise<void> => {
    const success = gone.map((key) => ({ request_delete_range: { key } }));
    gone = [];
    if (success.length > 0)
      await etcd.call('deleting trimmed entries', (client, options) => client.kv.txn({ success }, options));
  };
  for await (const { key, create_revision } of listKeys(etcd, keys.entries)) {
    if (Number(create_revision) > through) continue;
    gone.push(key);
    if (gone.length >= OPERATIONS_MAX) await flush();
  }
  await flush();
}

/** etcd's history of all keys, not only ours: it is of use to watches alone. */
async function compact(etcd: EtcdHosts, revision: number): Promise<void> {
  try {
    await etcd.call("compacting etcd's history", (client, options) =>
      client.kv.compact({ revision }, options),
    );
  } catch (error) {
    // Somebody has, further than we want.
    if (error instanceof SluiceError || classify(error) !== 'compacted') throw error;
  }
}
