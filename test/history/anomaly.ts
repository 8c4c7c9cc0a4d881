/** Names of what can be wrong with a history: Adya's, as Elle uses them, and a few of what the store itself claims. */

/** A cycle of dependencies, the worst first; with `-realtime` one that only the order of wall time closes. */
export type CycleName =
  /** Writes only. */
  | 'G0'
  /** Writes, and reads of what the other wrote. */
  | 'G1c'
  /** One read of what was then written over, which its own transaction wrote as well. */
  | 'lost update'
  /** One read of what was then written over. */
  | 'G-single'
  /** Several such reads, of keys. */
  | 'G2-item'
  /** Several, of which a scan that missed a key is one. */
  | 'G2';

export type AnomalyName =
  | CycleName
  | `${CycleName}-realtime`
  /** A read of what an aborted transaction wrote, or what a rollback to a savepoint undid. */
  | 'G1a'
  /** A read of what its transaction wrote over itself. */
  | 'G1b'
  /** A transaction's reads contradict each other, or its own writes. */
  | 'internal'
  /** A read of what nobody wrote there, within the history. */
  | 'unwritten'
  /** Two reads of a list of which neither is the beginning of the other. */
  | 'incompatible order'
  /** An element twice in a list. */
  | 'duplicate'
  /** The store's versions contradict what was read: two commits at one, or a list in another order. */
  | 'version order'
  /** L1: a read is not what the store's versions say that its snapshot holds. */
  | 'wrong snapshot';

export interface Anomaly {
  readonly name: AnomalyName;
  /** Ids; of a cycle in its order. */
  readonly transactions: readonly number[];
  /** For people; of a cycle, a line for each dependency. */
  readonly explanation: string;
}

/** Of anomalies of one name, no more than this are told. */
const TOLD_MAX = 5;

export class Anomalies {
  readonly list: Anomaly[] = [];
  readonly #counts = new Map<AnomalyName, number>();

  add(anomaly: Anomaly): void {
    const count = (this.#counts.get(anomaly.name) ?? 0) + 1;
    this.#counts.set(anomaly.name, count);
    if (count <= TOLD_MAX) this.list.push(anomaly);
  }
}
