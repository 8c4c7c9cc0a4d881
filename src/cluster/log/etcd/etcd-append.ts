/**
 * Appending to the log: one transaction of etcd for each batch.
 *
 * It writes the entry only if its id was never written, and only if nothing was trimmed since we looked. The second is
 * what makes the first hold for ever: a member of etcd that was paused may run a request of ours minutes later, when
 * the entry that its twin made has been applied by all and deleted; it would be committed twice. `trimmed` was
 * written before that deletion, so the late request fails.
 *
 * Stagings are held against `forgotten`, which is written whenever a node gives up a file: if it was not written
 * since we counted the holders, none is fewer. One comparison, however many files a batch names.
 */

import type { ICompare, IKeyValue, IRequestOp, ITxnResponse } from 'etcd3';
import { isSluiceError, SluiceError } from '../../../base/errors.ts';
import type { AppendResult, LogAppend } from '../shared-log.ts';
import { EtcdWritten } from './etcd-backlog.ts';
import { type EtcdFiles, MOD_REVISION } from './etcd-files.ts';
import type { EtcdHosts } from './etcd-hosts.ts';
import { decodeRevision, type EtcdKeys } from './etcd-keys.ts';
import { EtcdLeader } from './etcd-leader.ts';
import type { OwnEntries } from './etcd-own.ts';

/** CompareTarget.Create of etcd3, whose own constants exist only once it is loaded. */
const CREATE_REVISION = 1;

/** What `trimmed` was when we looked. */
interface Fence {
  readonly trimmed: number;
  readonly modRevision: string;
}

/** An append that has not been answered with certainty. */
interface OpenAppend {
  /** The newest revision known before it was sent first: if it was written, then after this. */
  since: number;
  sent: boolean;
}

export class EtcdAppend {
  readonly #etcd: EtcdHosts;
  readonly #keys: EtcdKeys;
  readonly #files: EtcdFiles;
  readonly #written: EtcdWritten;
  readonly #own: OwnEntries;
  readonly #leader: EtcdLeader;
  readonly #open = new Map<string, OpenAppend>();
  #fence: Fence | undefined;
  #newest = 0;

  constructor(etcd: EtcdHosts, keys: EtcdKeys, files: EtcdFiles, own: OwnEntries) {
    this.#etcd = etcd;
    this.#keys = keys;
    this.#files = files;
    this.#own = own;
    this.#leader = new EtcdLeader(etcd);
    this.#written = new EtcdWritten(etcd, keys);
  }

  async append(batch: LogAppend): Promise<AppendResult> {
    let fence = this.#fence ?? (await this.#readFence());
    const counted = await this.#written.with(batch.weight);
    const open = this.#open.get(batch.id) ?? { since: this.#newest, sent: false };
    this.#open.set(batch.id, open);
    for (;;) {
      if (open.sent && fence.trimmed > open.since) return await this.#found(batch.id, open);
      const held = await this.#files.majority(batch.stagings);
      if ('missing' in held) return await this.#found(batch.id, open, held.missing);
      const wasSent = open.sent;
      let sent = 0;
      const appending = this.#etcd.call('appending', async (client, options) => {
        open.sent = true;
        sent++;
        const transaction = this.#transaction(batch, counted.puts, fence, held.asOf);
        const told = await client.kv.txn(transaction, options);
        this.#leader.heard(told.header, client);
        return told;
      });
      const answer = await appending.catch((error: unknown) => {
        throw this.#refused(batch.id, error, wasSent || sent > 1);
      });
      this.#newest = Math.max(this.#newest, Number(answer.header.revision));
      if (answer.succeeded) this.#tellReaders(batch, answer);
      const found = answer.succeeded ? undefined : answer.responses[0]?.response_range.kvs[0];
      if (answer.succeeded || found !== undefined) {
        counted.done();
        return this.#resolved(batch.id, Number(found?.create_revision ?? answer.header.revision));
      }
      const previous = fence;
      fence = this.#fenceOf(answer);
      if (previous.modRevision === fence.modRevision) continue; // a file was forgotten: count again
      // What was answered was not written; what was not answered may have been, and be trimmed by now.
      if (wasSent || sent > 1) continue;
      open.sent = false;
      open.since = this.#newest;
    }
  }

  #transaction(
    { id, bytes }: LogAppend,
    counted: readonly IRequestOp[],
    fence: Fence,
    asOf: number | undefined,
  ) {
    const { head, trimmed, forgotten } = this.#keys;
    const entry = this.#keys.entry(id);
    const compare: ICompare[] = [
      { key: entry, target: CREATE_REVISION, create_revision: '0' },
      { key: trimmed, target: MOD_REVISION, mod_revision: fence.modRevision },
    ];
    if (asOf !== undefined)
      compare.push({ key: forgotten, target: MOD_REVISION, result: 2 /* less */, mod_revision: asOf + 1 });
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const success: IRequestOp[] = [
      { request_put: { key: head, value: Buffer.from(id, 'latin1'), prev_kv: true } },
      { request_put: { key: entry, value } },
      ...counted,
    ];
    const failure: IRequestOp[] = [
      { request_range: { key: entry, keys_only: true } },
      { request_range: { key: trimmed } },
    ];
    return { compare, success, failure };
  }

  #tellReaders({ id, bytes }: LogAppend, answer: ITxnResponse): void {
    // The head as it was: none before the first entry, whatever etcd3's type says.
    const before: IKeyValue | null | undefined = answer.responses[0]?.response_put.prev_kv;
    this.#own.written({
      entry: { revision: Number(answer.header.revision), id, bytes },
      after: Number(before?.mod_revision ?? 0),
      afterId: before?.value.toString('latin1'),
      number: Number(before?.version ?? 0) + 1,
    });
  }

  /**
   * Nothing more is to be sent, but an earlier try may have been written: where it is; else `missing`, if it certainly is nowhere.
   * A try still on its way fails with `trimmed` or `forgotten`, which were written since it was sent.
   */
  async #found(id: string, open: OpenAppend, missing?: readonly string[]): Promise<AppendResult> {
    const key = this.#keys.entry(id);
    const found = await this.#etcd.call('asking for an entry', (client, options) =>
      client.kv.range({ key, keys_only: true }, options),
    );
    const entry = found.kvs[0];
    if (entry !== undefined) return this.#resolved(id, Number(entry.create_revision));
    const mayBeTrimmed = open.sent && (await this.#readFence()).trimmed > open.since;
    this.#open.delete(id);
    if (missing !== undefined && !mayBeTrimmed) return { missing };
    throw new SluiceError(
      'OUTCOME_UNKNOWN',
      `Whether the entry ${id} was appended cannot be told any more: its answer was lost, and the log has been ` +
        'trimmed since. The state of the other nodes tells',
    );
  }

  /** What was answered with a refusal was not written; what was not answered before that may have been. */
  #refused(id: string, error: unknown, mayBeWritten: boolean): unknown {
    if (isSluiceError(error, 'UNAVAILABLE') || isSluiceError(error, 'CLOSED')) return error;
    if (!mayBeWritten) {
      this.#open.delete(id);
      return error;
    }
    const message = `Whether the entry ${id} was appended is not known: its answer was lost, and etcd refuses to be asked again`;
    return new SluiceError('OUTCOME_UNKNOWN', message, { cause: error });
  }

  #resolved(id: string, revision: number): AppendResult {
    this.#open.delete(id);
    return { revision };
  }

  async #readFence(): Promise<Fence> {
    const key = this.#keys.trimmed;
    const answer = await this.#etcd.call('asking where the log begins', (client, options) =>
      client.kv.range({ key }, options),
    );
    this.#newest = Math.max(this.#newest, Number(answer.header.revision));
    return this.#fenceFrom(answer.kvs[0]);
  }

  #fenceOf(answer: ITxnResponse): Fence {
    return this.#fenceFrom(answer.responses[1]?.response_range.kvs[0]);
  }

  #fenceFrom(row: { readonly mod_revision: string; readonly value: Buffer } | undefined): Fence {
    this.#fence =
      row === undefined
        ? { trimmed: 0, modRevision: '0' }
        : { trimmed: decodeRevision(this.#keys.trimmed, row.value), modRevision: row.mod_revision };
    return this.#fence;
  }
}
