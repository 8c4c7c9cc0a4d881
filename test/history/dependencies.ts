/**
 * The dependency graph of a history. Nodes are transactions, then moments of real time; edges say that the one must
 * come before the other in every serial order that explains what was read.
 */

import type { RecordedTransaction } from './history.ts';

export const WW = 0;
export const WR = 1;
/** Read, then written over. */
export const RW = 2;
/** The same where a scan found nothing. */
export const PREDICATE_RW = 3;
export const REAL_TIME = 4;
export type Kind = typeof WW | typeof WR | typeof RW | typeof PREDICATE_RW | typeof REAL_TIME;

export interface Edge {
  readonly from: number;
  readonly to: number;
  readonly kind: Kind;
  /** The key, and the position in its order of the earlier of the two versions; not of real time. */
  readonly key: string;
  readonly position: number;
}

export class DependencyGraph {
  readonly transactions: number;
  #nodes: number;
  readonly #edges: Edge[] = [];
  /** Edges of node n: those of #bySource from #starts[n] up to #starts[n + 1]. */
  #starts = new Int32Array(0);
  #bySource = new Int32Array(0);

  constructor(transactions: number) {
    this.transactions = transactions;
    this.#nodes = transactions;
  }

  get nodes(): number {
    return this.#nodes;
  }

  get edges(): readonly Edge[] {
    return this.#edges;
  }

  isMoment(node: number): boolean {
    return node >= this.transactions;
  }

  /** An edge from a transaction to itself says nothing. */
  add(from: number, to: number, kind: Kind, key = '', position = 0): void {
    if (from !== to && from >= 0 && to >= 0) this.#edges.push({ from, to, kind, key, position });
  }

  /**
   * A node for each moment at which a transaction ended, in a chain: so real time costs as many edges as there are
   * transactions, not their square.
   */
  addRealTime(
    transactions: readonly RecordedTransaction[],
    ends: (transaction: RecordedTransaction) => boolean,
    begins: (transaction: RecordedTransaction) => boolean,
  ): void {
    const byEnd = indexes(transactions, ends).sort((a, b) => endOf(transactions, a) - endOf(transactions, b));
    const byBegin = indexes(transactions, begins).sort(
      (a, b) => beginOf(transactions, a) - beginOf(transactions, b),
    );
    let ended = 0;
    let moment = -1;
    for (const beginner of byBegin) {
      for (
        ;
        ended < byEnd.length && endOf(transactions, byEnd[ended] ?? 0) < beginOf(transactions, beginner);
        ended++
      ) {
        const next = this.#nodes++;
        this.add(moment, next, REAL_TIME);
        this.add(byEnd[ended] ?? 0, next, REAL_TIME);
        moment = next;
      }
      this.add(moment, beginner, REAL_TIME);
    }
  }

  /** REQUIRES: no edge is added afterwards. */
  finish(): void {
    this.#starts = new Int32Array(this.#nodes + 1);
    for (const { from } of this.#edges) this.#starts[from + 1] = (this.#starts[from + 1] ?? 0) + 1;
    for (let node = 0; node < this.#nodes; node++) {
      this.#starts[node + 1] = (this.#starts[node + 1] ?? 0) + (this.#starts[node] ?? 0);
    }
    const next = this.#starts.slice();
    this.#bySource = new Int32Array(this.#edges.length);
    for (const [i, { from }] of this.#edges.entries()) {
      const at = next[from] ?? 0;
      this.#bySource[at] = i;
      next[from] = at + 1;
    }
  }

  firstEdge(node: number): number {
    return this.#starts[node] ?? 0;
  }

  endOfEdges(node: number): number {
    return this.#starts[node + 1] ?? 0;
  }

  /** By the numbers from `firstEdge` up to `endOfEdges`. */
  edge(number: number): Edge {
    const edge = this.#edges[this.#bySource[number] ?? 0];
    if (edge === undefined) throw new Error(`no edge ${number}`);
    return edge;
  }
}

function indexes(
  transactions: readonly RecordedTransaction[],
  which: (transaction: RecordedTransaction) => boolean,
): number[] {
  return [...transactions.keys()].filter((index) => {
    const transaction = transactions[index];
    return transaction !== undefined && which(transaction);
  });
}

function endOf(transactions: readonly RecordedTransaction[], index: number): number {
  return transactions[index]?.endedAt ?? Number.POSITIVE_INFINITY;
}

function beginOf(transactions: readonly RecordedTransaction[], index: number): number {
  return transactions[index]?.beganAt ?? 0;
}
