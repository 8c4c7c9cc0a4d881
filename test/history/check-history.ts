/**
 * Whether a history is strictly serializable, and if not, why: an Elle-style checker. What each transaction read and
 * wrote gives the dependencies that every serial order must keep; a cycle of them is an anomaly, named by its kinds.
 *
 * Aborted transactions take part as readers: what they saw of others must be as consistent as what committed ones saw.
 */

import { Anomalies, type Anomaly } from './anomaly.ts';
import { findCycles } from './cycles.ts';
import { DependencyGraph, PREDICATE_RW, RW, WR, WW } from './dependencies.ts';
import { explain } from './explain.ts';
import type { History } from './history.ts';
import { KeyUniverse } from './key-universe.ts';
import { type ExternalRead, Replay } from './replay.ts';
import { NOBODY, VersionOrder } from './version-order.ts';

export interface Report {
  readonly transactions: number;
  readonly committed: number;
  /** Of the database; a scan counts as a read of each key that it found or missed. */
  readonly reads: number;
  readonly dependencies: number;
  readonly anomalies: readonly Anomaly[];
  /** The last value of each key and its version: the beginning of the history that follows. */
  readonly end: History['initial'];
}

export function checkHistory(history: History): Report {
  const { transactions } = history;
  const universe = new KeyUniverse(history);
  const anomalies = new Anomalies();
  const replays = transactions.map((transaction) => new Replay(transaction, universe));
  for (const [index, { contradictions }] of replays.entries()) {
    const id = transactions[index]?.id ?? NOBODY;
    for (const told of contradictions)
      anomalies.add({ name: 'internal', transactions: [id], explanation: `T${id}: ${told}` });
  }
  const order = new VersionOrder(history, replays, universe, anomalies);
  const graph = new DependencyGraph(transactions.length);
  for (const [key, { writers }] of order.orders) {
    for (let position = 1; position + 1 < writers.length; position++) {
      graph.add(writers[position] ?? NOBODY, writers[position + 1] ?? NOBODY, WW, key, position);
    }
  }
  for (const [reader, { reads }] of replays.entries()) {
    for (const read of reads) addRead(graph, order, reader, read);
  }
  // Who lags behind need not see all that had ended; but what it saw is seen by those that begin after its end.
  graph.addRealTime(
    transactions,
    ({ outcome }) => outcome !== 'unknown',
    ({ upToDate }) => upToDate,
  );
  graph.addRealTime(
    transactions,
    ({ upToDate }) => !upToDate,
    ({ upToDate }) => !upToDate,
  );
  graph.finish();
  for (const cycle of findCycles(graph)) anomalies.add(explain(cycle, graph, transactions, order));
  return {
    transactions: transactions.length,
    committed: transactions.filter(({ outcome }) => outcome === 'committed').length,
    reads: replays.reduce((sum, { reads }) => sum + reads.length, 0),
    dependencies: graph.edges.length,
    anomalies: anomalies.list,
    end: endOf(order, universe),
  };
}

function addRead(graph: DependencyGraph, order: VersionOrder, reader: number, read: ExternalRead): void {
  const standing = order.stand(reader, read);
  if (standing === undefined) return;
  if ('writer' in standing) {
    graph.add(standing.writer, reader, WR, read.key, 0);
    return;
  }
  const { position } = standing;
  const { writers } = order.orderOf(read.key);
  graph.add(writers[position] ?? NOBODY, reader, WR, read.key, position);
  const over = writers[position + 1] ?? NOBODY;
  graph.add(reader, over, read.byPredicate ? PREDICATE_RW : RW, read.key, position);
}

/** Of registers; lists are not carried over. */
function endOf(order: VersionOrder, universe: KeyUniverse): History['initial'] {
  const end = new Map<string, { value: number | undefined; version: number }>();
  for (const [key, { values, versions }] of order.orders) {
    if (universe.isList(key)) continue;
    end.set(key, { value: values.at(-1), version: versions.at(-1) ?? 0 });
  }
  return end;
}
