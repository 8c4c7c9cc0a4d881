/** A cycle in words: a line for each dependency, with the operations that make it. */

import type { Anomaly } from './anomaly.ts';
import type { Cycle } from './cycles.ts';
import { type DependencyGraph, type Edge, PREDICATE_RW, REAL_TIME, RW, WR, WW } from './dependencies.ts';
import type { RecordedTransaction } from './history.ts';
import { show } from './replay.ts';
import type { VersionOrder } from './version-order.ts';

export function explain(
  { name, edges }: Cycle,
  graph: DependencyGraph,
  transactions: readonly RecordedTransaction[],
  order: VersionOrder,
): Anomaly {
  const steps = withoutMoments(edges, graph);
  const label = (node: number): string => `T${transactions[node]?.id}`;
  const lines = steps.map(({ from, to, edge }) => {
    const [a, b] = [label(from), label(to)];
    if (edge.kind === REAL_TIME)
      return `${a} must come before ${b}: it had ended when ${b} began (real time)`;
    return `${a} must come before ${b}: ${reason(a, b, edge, order)}`;
  });
  const members = steps.map(({ from }) => transactions[from]).filter((member) => member !== undefined);
  const about = members.map(
    ({ id, process, snapshot, version }) =>
      `T${id}: in ${process}, read at ${snapshot ?? '-'}, committed at ${version ?? '-'}`,
  );
  const ids = members.map(({ id }) => id);
  const head = `${name}: ${[...ids, ids[0]].map((id) => `T${id}`).join(' → ')}`;
  return { name, transactions: ids, explanation: [head, ...lines, ...about].join('\n  ') };
}

function reason(a: string, b: string, { kind, key, position }: Edge, order: VersionOrder): string {
  const { values } = order.orderOf(key);
  const [earlier, later] = [show(values[position]), show(values[position + 1])];
  switch (kind) {
    case WW:
      return `at ${key} ${a} wrote ${earlier}, over which ${b} wrote ${later} (ww)`;
    case WR:
      // Position 0: a write of unknown outcome, which has no place in the order.
      return `at ${key} ${a} wrote ${position === 0 ? 'the value' : earlier} that ${b} read (wr)`;
    case RW:
      return `at ${key} ${a} read ${earlier}, over which ${b} wrote ${later} (rw)`;
    case PREDICATE_RW:
      return `a scan of ${a} found nothing at ${key}, where ${b} then wrote ${later} (predicate rw)`;
    case REAL_TIME:
      return `${a} had ended when ${b} began`;
  }
}

interface Step {
  readonly from: number;
  readonly to: number;
  readonly edge: Edge;
}

/** The way over moments of real time is one step. Cycles begin at a transaction. */
function withoutMoments(edges: readonly Edge[], graph: DependencyGraph): Step[] {
  const steps: Step[] = [];
  let from: number | undefined;
  for (const edge of edges) {
    from ??= edge.from;
    if (graph.isMoment(edge.to)) continue;
    steps.push({ from, to: edge.to, edge });
    from = undefined;
  }
  return steps;
}
