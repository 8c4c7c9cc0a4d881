/**
 * The order in which each key was written, and where in it each read stands.
 *
 * A register's order is that of the commit versions, a list's is what was read of it; elements that no read shows follow
 * by commit version. Position 0 of an order is what was there before the history.
 */

import type { Anomalies, AnomalyName } from './anomaly.ts';
import type { History, RecordedTransaction, Value } from './history.ts';
import { isList } from './history.ts';
import type { KeyUniverse } from './key-universe.ts';
import { type ExternalRead, type Replay, show, type WriteFate } from './replay.ts';

/** Not a transaction: what was there before, or one whose write should not have been seen. */
export const NOBODY = -1;

/** The writes of one key; three arrays of one length. */
export interface KeyOrder {
  /** Indexes of transactions. */
  readonly writers: number[];
  readonly values: (number | undefined)[];
  /** Commit versions; undefined where the outcome is unknown. */
  readonly versions: (number | undefined)[];
}

interface Written {
  readonly writer: number;
  readonly key: string;
  readonly fate: WriteFate;
}

/** Where a read stands: a position in the order of its key, or a write that has none (of unknown outcome). */
export type Standing = { readonly position: number } | { readonly writer: number } | undefined;

export class VersionOrder {
  readonly #transactions: readonly RecordedTransaction[];
  readonly #orders = new Map<string, KeyOrder>();
  readonly #written = new Map<number, Written>();
  /** Of numbers that have one. */
  readonly #positions = new Map<number, number>();
  readonly #universe: KeyUniverse;
  readonly #anomalies: Anomalies;

  constructor(history: History, replays: readonly Replay[], universe: KeyUniverse, anomalies: Anomalies) {
    this.#transactions = history.transactions;
    this.#universe = universe;
    this.#anomalies = anomalies;
    for (const [writer, replay] of replays.entries()) {
      for (const { key, number, fate } of replay.numbers()) {
        if (this.#written.has(number)) throw new Error(`the history writes ${number} twice`);
        this.#written.set(number, { writer, key, fate });
      }
    }
    for (const key of universe.keys) this.#orders.set(key, this.#beginning(key, history));
    this.#orderLists(replays);
    this.#orderByVersion(replays);
    for (const [key, { values }] of this.#orders) this.#notePositions(key, values);
  }

  get orders(): ReadonlyMap<string, KeyOrder> {
    return this.#orders;
  }

  orderOf(key: string): KeyOrder {
    const order = this.#orders.get(key);
    if (order === undefined) throw new Error(`no key ${key} in the history`);
    return order;
  }

  /** Reports what the read itself shows to be wrong. */
  stand(reader: number, read: ExternalRead): Standing {
    const { key, value } = read;
    let standing: Standing;
    if (this.#universe.isList(key)) standing = this.#standInList(reader, key, value);
    else if (typeof value === 'number') standing = this.#standAtNumber(reader, key, value);
    else standing = this.#standAtMiss(reader, key);
    if (standing !== undefined && 'position' in standing)
      this.#checkSnapshot(reader, read, standing.position);
    return standing;
  }

  /** L1: the position that the reader's snapshot has by the store's own versions; undefined where they do not tell. */
  #positionAt(key: string, snapshot: number | undefined): number | undefined {
    if (snapshot === undefined) return undefined;
    const { versions } = this.orderOf(key);
    if (this.#universe.isList(key)) {
      const at = versions.findLastIndex((version) => version !== undefined && version <= snapshot);
      return at === -1 ? undefined : at;
    }
    // Of registers all versions are known, and there are many.
    let [from, to] = [0, versions.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((versions[middle] ?? 0) <= snapshot) from = middle + 1;
      else to = middle;
    }
    return from === 0 ? undefined : from - 1;
  }

  #beginning(key: string, history: History): KeyOrder {
    const initial = history.initial.get(key);
    return { writers: [NOBODY], values: [initial?.value], versions: [initial?.version ?? 0] };
  }

  /** What the longest read of each list shows. */
  #orderLists(replays: readonly Replay[]): void {
    const longest = new Map<string, readonly number[]>();
    for (const { reads } of replays) {
      for (const { key, value } of reads) {
        if (isList(value) && value.length > (longest.get(key)?.length ?? 0)) longest.set(key, value);
      }
    }
    for (const [key, elements] of longest) {
      const order = this.orderOf(key);
      for (const element of elements) {
        const writer = this.#written.get(element)?.writer ?? NOBODY;
        const { outcome, version } = this.#transactions[writer] ?? { outcome: 'aborted', version: undefined };
        order.writers.push(outcome === 'aborted' ? NOBODY : writer);
        order.values.push(element);
        order.versions.push(version);
      }
    }
  }

  #orderByVersion(replays: readonly Replay[]): void {
    const commits = [...this.#transactions.entries()].filter(
      ([index, { outcome, version }]) =>
        outcome === 'committed' && version !== undefined && replays[index]?.wroteNothing === false,
    );
    commits.sort(([, a], [, b]) => (a.version ?? 0) - (b.version ?? 0));
    const shown = new Map<string, ReadonlySet<number | undefined>>();
    let before: RecordedTransaction | undefined;
    for (const [writer, transaction] of commits) {
      if (before !== undefined && before.version === transaction.version) {
        this.#tell('version order', [before.id, transaction.id], `both committed at ${transaction.version}`);
      }
      before = transaction;
      const { registers, appended } = replays[writer] as Replay;
      for (const [key, value] of registers) this.#push(key, writer, value);
      for (const [key, elements] of appended) {
        if (!shown.has(key)) shown.set(key, new Set(this.orderOf(key).values));
        for (const element of elements) {
          if (!shown.get(key)?.has(element)) this.#appendUnread(key, writer, element);
        }
      }
    }
    for (const [key, order] of this.#orders) this.#checkAscending(key, order);
  }

  #push(key: string, writer: number, value: number | undefined): void {
    const order = this.orderOf(key);
    order.writers.push(writer);
    order.values.push(value);
    order.versions.push(this.#transactions[writer]?.version);
  }

  #appendUnread(key: string, writer: number, element: number): void {
    const { versions, values } = this.orderOf(key);
    const last = versions.at(-1);
    const { id, version = 0 } = this.#transaction(writer);
    if (last !== undefined && version < last) {
      const message = `T${id} appended ${element} to ${key} at version ${version}, and it is not in ${show(values.slice(1) as number[])}, read there later`;
      this.#tell('lost update', [id], message);
      return;
    }
    this.#push(key, writer, element);
  }

  #checkAscending(key: string, { writers, versions }: KeyOrder): void {
    let last = -1;
    for (const [position, version] of versions.entries()) {
      if (version === undefined) continue;
      if (version < last) {
        const { id } = this.#transaction(writers[position] ?? NOBODY);
        this.#tell(
          'version order',
          [id],
          `T${id} committed at ${version}, and its write at ${key} follows one at ${last}`,
        );
      }
      last = version;
    }
  }

  #notePositions(key: string, values: readonly (number | undefined)[]): void {
    for (const [position, value] of values.entries()) {
      if (value === undefined) continue;
      if (this.#positions.has(value) && this.#universe.isList(key)) {
        this.#tell('duplicate', [], `${value} is in ${key} twice: ${show(values.slice(1) as number[])}`);
      }
      this.#positions.set(value, position);
    }
  }

  #standInList(reader: number, key: string, value: Value): Standing {
    const list = isList(value) ? value : [];
    const { values } = this.orderOf(key);
    for (const element of list) if (!this.#isCommitted(reader, key, element)) return undefined;
    const differing = list.findIndex((element, i) => values[i + 1] !== element);
    if (differing !== -1) {
      const { id } = this.#transaction(reader);
      const message = `T${id} read ${show(list)} at ${key}, and the longest read there is ${show(values.slice(1) as number[])}`;
      this.#tell('incompatible order', [id], message);
      return undefined;
    }
    const last = list.at(-1);
    if (last !== undefined && !this.#isFinal(reader, key, last)) return undefined;
    return { position: list.length };
  }

  #standAtNumber(reader: number, key: string, value: number): Standing {
    if (this.orderOf(key).values[0] === value) return { position: 0 };
    if (!this.#isCommitted(reader, key, value) || !this.#isFinal(reader, key, value)) return undefined;
    const position = this.#positions.get(value);
    if (position !== undefined) return { position };
    return { writer: this.#written.get(value)?.writer ?? NOBODY };
  }

  /**
   * Which of several deletions (or nothing yet) a miss saw, it does not show. By its snapshot: the newest in it, or if
   * that is no miss the one nearest to it. Without a snapshot only where there is no choice.
   */
  #standAtMiss(reader: number, key: string): Standing {
    const { values } = this.orderOf(key);
    const { id, snapshot } = this.#transaction(reader);
    const at = this.#positionAt(key, snapshot);
    if (at !== undefined && values[at] === undefined) return { position: at };
    const misses = [...values.keys()].filter((position) => values[position] === undefined);
    if (misses.length === 0) {
      const message = `T${id} read nothing at ${key}, which always held something`;
      this.#tell('unwritten', [id], message);
      return undefined;
    }
    if (at === undefined) return misses.length === 1 ? { position: misses[0] ?? 0 } : undefined;
    return { position: misses.filter((position) => position <= at).at(-1) ?? misses[0] ?? 0 };
  }

  /** G1a and worse. */
  #isCommitted(reader: number, key: string, number: number): boolean {
    const { id } = this.#transaction(reader);
    const written = this.#written.get(number);
    if (written === undefined || written.key !== key) {
      this.#tell(
        'unwritten',
        [id],
        `T${id} read ${number} at ${key}, which nobody wrote there in this history`,
      );
      return false;
    }
    const writer = this.#transaction(written.writer);
    if (writer.outcome !== 'aborted' && written.fate !== 'undone') return true;
    const how =
      written.fate === 'undone' ? `T${writer.id} had rolled back` : `the aborted T${writer.id} wrote`;
    this.#tell('G1a', [writer.id, id], `T${id} read ${number} at ${key}, which ${how}`);
    return false;
  }

  #isFinal(reader: number, key: string, number: number): boolean {
    const written = this.#written.get(number);
    if (written?.fate !== 'intermediate') return true;
    const { id } = this.#transaction(reader);
    const writer = this.#transaction(written.writer);
    const message = `T${id} read ${number} at ${key}, over which T${writer.id} wrote itself before it committed`;
    this.#tell('G1b', [writer.id, id], message);
    return false;
  }

  #checkSnapshot(reader: number, { key, value }: ExternalRead, position: number): void {
    const { id, snapshot } = this.#transaction(reader);
    const at = this.#positionAt(key, snapshot);
    const { values, versions } = this.orderOf(key);
    if (at === undefined || at === position || versions[position] === undefined) return;
    const message = `T${id} read ${show(value)} at ${key} with a snapshot at ${snapshot}, which holds ${show(values[at])} of version ${versions[at]}`;
    this.#tell('wrong snapshot', [id], message);
  }

  #transaction(index: number): RecordedTransaction {
    const transaction = this.#transactions[index];
    if (transaction === undefined) throw new Error(`no transaction ${index}`);
    return transaction;
  }

  #tell(name: AnomalyName, transactions: readonly number[], explanation: string): void {
    this.#anomalies.add({ name, transactions, explanation });
  }
}
