/**
 * Reading the log: a watch of its keys from a revision on, which brings history and news alike.
 *
 * Nothing may be missing, and nothing may stay away for long. Each entry comes with the head's etcd version, which counts entries: a
 * number left out is a gap, and the watch is made again. A watch that is silent while the log, asked linearizably, has
 * more, is one of a member that is paused, cut off or behind: made again at the next member. Where etcd's history was
 * compacted under the reader (others may use the same etcd), entries that are kept are read as keys. An entry of this process
 * that follows what is read comes with the answer to its append, and is left out when the watch brings it.
 *
 * An etcd that was restored from a backup has other entries where it had ours, and its revisions come to be those that we have read once
 * more. So it is asked for the entry that was read last, by its name, whenever the log's state is.
 */

import type { IKeyValue, IWatchResponse } from 'etcd3';
import { SluiceError } from '../../../base/errors.ts';
import { type LogEntry, logLacks } from '../shared-log.ts';
import { classify } from './etcd-failure.ts';
import type { EtcdHosts } from './etcd-hosts.ts';
import { decodeRevision, type EtcdKeys } from './etcd-keys.ts';
import type { OwnEntries } from './etcd-own.ts';
import { listKeys } from './etcd-scan.ts';
import { EtcdWatch } from './etcd-watch.ts';

/** Of up to 1 MiB each. */
const ENTRIES_A_CALL = 8;

/** What a reader has been told of the log, linearizably. */
interface LogState {
  readonly head: number;
  /** How many entries were ever written. */
  readonly count: number;
  readonly trimmed: number;
  /** etcd's own newest revision. */
  readonly revision: number;
  /** Where the entry is that was asked for; 0: nowhere. */
  readonly entry: number;
}

/** The watch brings no more, and the reason does not matter: it is made again. */
class WatchLost extends Error {}

export class EtcdReader {
  readonly #etcd: EtcdHosts;
  readonly #keys: EtcdKeys;
  readonly #own: OwnEntries;
  readonly #signal: AbortSignal;
  #at: number;
  /** The number of the entry at `#at`, once known. */
  #number: number | undefined;
  /** Its id, once it was read. */
  #id: string | undefined;
  #failures = 0;

  constructor(etcd: EtcdHosts, keys: EtcdKeys, own: OwnEntries, after: number, signal: AbortSignal) {
    this.#etcd = etcd;
    this.#keys = keys;
    this.#own = own;
    this.#at = after;
    this.#signal = AbortSignal.any([signal, etcd.closing]);
  }

  async *read(): AsyncGenerator<LogEntry> {
    while (!this.#signal.aborted) {
      try {
        await this.#checkKept();
        if (yield* this.#watch()) yield* this.#readKeys();
      } catch (error) {
        if (this.#signal.aborted) return;
        const isOurs = error instanceof SluiceError;
        if (isOurs && error.code !== 'UNAVAILABLE') throw error;
        if (!isOurs && !(error instanceof WatchLost)) {
          const failure = classify(error);
          if (failure === 'refused' || failure === 'wrong') throw this.#etcd.error(error, 'reading the log');
        }
        await this.#pause();
      }
    }
  }

  /** Yields what the watch brings; ends with true if the history after `#at` is compacted. */
  async *#watch(): AsyncGenerator<LogEntry, boolean> {
    const { client, env, timing } = this.#etcd;
    const watch = await EtcdWatch.open(client, {
      ...this.#keys.log,
      start_revision: this.#at + 1,
      filters: [1 /* no deletions: FilterType.Nodelete of etcd3 */],
      fragment: true,
    });
    // Only of what is next: an append that follows what the watch has yet to bring does not put off that it is asked for.
    const stopListening = this.#own.listen((after) => {
      if (after === this.#at) watch.wake();
    });
    let isMissing = false;
    let headSeen: IKeyValue | undefined;
    try {
      while (!this.#signal.aborted) {
        const answer = watch.take();
        if (answer !== undefined) {
          if (isCompacted(answer)) return true;
          if (answer.canceled) throw new WatchLost(answer.cancel_reason);
          for (const { kv } of answer.events) {
            isMissing = false;
            if (kv.key.equals(this.#keys.head)) headSeen = kv;
            else if (Number(kv.mod_revision) > this.#at) yield this.#entry(kv, headSeen);
          }
          if (answer.events.length > 0) this.#failures = 0;
          continue;
        }
        const own = this.#own.next(this.#at, this.#id);
        if (own !== undefined) {
          isMissing = false;
          yield this.#next(own.entry, own.number);
        } else if (!(await watch.news(env.clock, timing.silenceMs, this.#signal))) {
          if (isMissing) throw new WatchLost('silent, and the log has more');
          isMissing = (await this.#checkKept()).head > this.#at;
        }
      }
      return false;
    } catch (error) {
      this.#etcd.giveUp(client);
      throw error;
    } finally {
      stopListening();
      watch.cancel();
    }
  }

  #entry(kv: IKeyValue, head: IKeyValue | undefined): LogEntry {
    const revision = Number(kv.mod_revision);
    // The head is written before the entry in the same transaction, and so comes before it.
    if (head?.mod_revision !== kv.mod_revision) throw new WatchLost(`no head with the entry at ${revision}`);
    return this.#next(this.#entryOf(kv, revision), Number(head.version));
  }

  #next(entry: LogEntry, number: number): LogEntry {
    if (this.#number !== undefined && number !== this.#number + 1)
      throw new WatchLost(`entry ${number} after entry ${this.#number}`);
    this.#number = number;
    return this.#read(entry);
  }

  #entryOf({ key, value }: IKeyValue, revision: number): LogEntry {
    return { revision, id: this.#keys.idOf(key), bytes: value };
  }

  #read(entry: LogEntry): LogEntry {
    this.#at = entry.revision;
    this.#id = entry.id;
    return entry;
  }

  /** All entries after `#at` and up to now, in order, by their keys. */
  async *#readKeys(): AsyncGenerator<LogEntry> {
    const { head, count } = await this.#checkKept();
    const rows = await this.#listKeys(head);
    await this.#checkKept(); // nothing was trimmed while we listed, so the list is whole
    if (this.#number !== undefined && rows.length !== count - this.#number) {
      throw new SluiceError(
        'CORRUPTION',
        `The log has ${rows.length} entries after revision ${this.#at} where ${count - this.#number} were written: ` +
          'has another program deleted keys in etcd?',
      );
    }
    for (let i = 0; i < rows.length; i += ENTRIES_A_CALL) {
      const success = rows.slice(i, i + ENTRIES_A_CALL).map(({ key }) => ({ request_range: { key } }));
      const answer = await this.#etcd.call('reading the log', (client, options) =>
        client.kv.txn({ success }, options),
      );
      for (const { response_range } of answer.responses) {
        const kv = response_range.kvs[0];
        if (kv === undefined) throw new WatchLost('trimmed while it was read'); // TRIMMED at the next round
        if (this.#number !== undefined) this.#number++;
        yield this.#read(this.#entryOf(kv, Number(kv.create_revision)));
        if (this.#signal.aborted) return;
      }
    }
    if (head > this.#at) [this.#at, this.#id] = [head, undefined];
    this.#number = count;
  }

  async #listKeys(head: number): Promise<{ readonly key: Buffer; readonly revision: number }[]> {
    const rows: { readonly key: Buffer; readonly revision: number }[] = [];
    for await (const { key, create_revision } of listKeys(this.#etcd, this.#keys.entries)) {
      const revision = Number(create_revision);
      if (revision > this.#at && revision <= head) rows.push({ key, revision });
    }
    return rows.sort((a, b) => a.revision - b.revision);
  }

  /** @throws SluiceError TRIMMED, DIVERGED */
  async #checkKept(): Promise<LogState> {
    const state = await readState(this.#etcd, this.#keys, this.#id);
    if (this.#at < state.trimmed) {
      throw new SluiceError(
        'TRIMMED',
        `The log is kept from revision ${state.trimmed} on, not from ${this.#at}: start from another node's checkpoint`,
      );
    }
    const { revision, count, entry, trimmed } = state;
    const isEntryGone = this.#id !== undefined && this.#at > trimmed && entry !== this.#at;
    if (revision < this.#at || count < (this.#number ?? 0) || isEntryGone) throw logLacks(this.#at);
    return state;
  }

  async #pause(): Promise<void> {
    try {
      await this.#etcd.pause(this.#failures++);
    } catch {
      // Closed: the loop sees it.
    }
  }
}

/** @param id of an entry, to learn where it is */
export async function readState(etcd: EtcdHosts, keys: EtcdKeys, id?: string): Promise<LogState> {
  const success = [
    { request_range: { key: keys.head, keys_only: true } },
    { request_range: { key: keys.trimmed } },
    ...(id === undefined ? [] : [{ request_range: { key: keys.entry(id), keys_only: true } }]),
  ];
  const answer = await etcd.call('asking for the newest entry', (client, options) =>
    client.kv.txn({ success }, options),
  );
  const head = answer.responses[0]?.response_range.kvs[0];
  const trimmed = answer.responses[1]?.response_range.kvs[0];
  return {
    head: Number(head?.mod_revision ?? 0),
    count: Number(head?.version ?? 0),
    trimmed: trimmed === undefined ? 0 : decodeRevision(keys.trimmed, trimmed.value),
    revision: Number(answer.header.revision),
    entry: Number(answer.responses[2]?.response_range.kvs[0]?.create_revision ?? 0),
  };
}

function isCompacted(answer: IWatchResponse): boolean {
  return (
    Number(answer.compact_revision) > 0 || /required revision has been compacted/.test(answer.cancel_reason)
  );
}
