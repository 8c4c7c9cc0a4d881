/**
 * Cycles of a dependency graph. Each strongly connected component is one knot of transactions that no serial order can
 * explain; of each, the worst kind of cycle is told, and of that kind a short one.
 */

import type { AnomalyName, CycleName } from './anomaly.ts';
import {
  type DependencyGraph,
  type Edge,
  type Kind,
  PREDICATE_RW,
  REAL_TIME,
  RW,
  WR,
  WW,
} from './dependencies.ts';

export interface Cycle {
  readonly name: AnomalyName;
  readonly edges: readonly Edge[];
}

/** Nodes from which a short cycle is looked for; a knot may have thousands, and any of its cycles proves it. */
const STARTS_MAX = 200;

const allowing = (...kinds: Kind[]): ReadonlySet<Kind> => new Set(kinds);

interface Search {
  readonly kinds: ReadonlySet<Kind>;
  /** Exactly one edge of these, besides those of `kinds`. */
  readonly once?: ReadonlySet<Kind>;
}

const READ_THEN_WRITTEN = allowing(RW, PREDICATE_RW);

/** The worst first: each admits more than the one before. */
const SEARCHES: readonly Search[] = [
  { kinds: allowing(WW) },
  { kinds: allowing(WW, WR) },
  { kinds: allowing(WW, WR), once: READ_THEN_WRITTEN },
  { kinds: allowing(WW, WR, RW) },
  { kinds: allowing(WW, WR, RW, PREDICATE_RW) },
  { kinds: allowing(WW, REAL_TIME) },
  { kinds: allowing(WW, WR, REAL_TIME) },
  { kinds: allowing(WW, WR, REAL_TIME), once: READ_THEN_WRITTEN },
  { kinds: allowing(WW, WR, RW, REAL_TIME) },
  { kinds: allowing(WW, WR, RW, PREDICATE_RW, REAL_TIME) },
];

export function findCycles(graph: DependencyGraph): Cycle[] {
  const cycles: Cycle[] = [];
  for (const knot of components(graph)) {
    const inside = new Set(knot);
    for (const search of SEARCHES) {
      const edges = shortCycle(graph, knot, inside, search);
      if (edges === undefined) continue;
      cycles.push({ name: nameOf(edges), edges });
      break;
    }
  }
  return cycles;
}

function nameOf(edges: readonly Edge[]): AnomalyName {
  const count = (kind: Kind): number => edges.filter((edge) => edge.kind === kind).length;
  const reads = count(RW) + count(PREDICATE_RW);
  let name: CycleName;
  if (reads > 1) name = count(PREDICATE_RW) > 0 ? 'G2' : 'G2-item';
  else if (reads === 1) name = isLostUpdate(edges) ? 'lost update' : 'G-single';
  else name = count(WR) > 0 ? 'G1c' : 'G0';
  return count(REAL_TIME) > 0 ? `${name}-realtime` : name;
}

/** Read, written over by another, and then written by the reader all the same. */
function isLostUpdate(edges: readonly Edge[]): boolean {
  if (edges.length !== 2) return false;
  const read = edges.find(({ kind }) => kind === RW || kind === PREDICATE_RW);
  const write = edges.find(({ kind }) => kind === WW);
  return read !== undefined && read.key === write?.key;
}

/** Tarjan's algorithm, without recursion: those of more than one node. */
function components(graph: DependencyGraph): number[][] {
  const { nodes } = graph;
  const found: number[][] = [];
  const order = new Int32Array(nodes).fill(-1);
  const low = new Int32Array(nodes);
  const onStack = new Uint8Array(nodes);
  const next = Int32Array.from({ length: nodes }, (_, node) => graph.firstEdge(node));
  const stack: number[] = [];
  const path: number[] = [];
  let count = 0;
  const enter = (node: number): void => {
    order[node] = count;
    low[node] = count++;
    onStack[node] = 1;
    stack.push(node);
    path.push(node);
  };
  const leave = (node: number): void => {
    path.pop();
    const parent = path.at(-1);
    if (parent !== undefined) low[parent] = Math.min(low[parent] ?? 0, low[node] ?? 0);
    if (low[node] !== order[node]) return;
    const members = stack.splice(stack.lastIndexOf(node));
    for (const member of members) onStack[member] = 0;
    if (members.length > 1) found.push(members);
  };
  for (let root = 0; root < nodes; root++) {
    if (order[root] === -1) enter(root);
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      const number = next[node] ?? 0;
      if (number === graph.endOfEdges(node)) {
        leave(node);
        continue;
      }
      next[node] = number + 1;
      const { to } = graph.edge(number);
      if (order[to] === -1) enter(to);
      else if (onStack[to] === 1) low[node] = Math.min(low[node] ?? 0, order[to] ?? 0);
    }
  }
  return found;
}

function shortCycle(
  graph: DependencyGraph,
  knot: readonly number[],
  inside: ReadonlySet<number>,
  { kinds, once }: Search,
): Edge[] | undefined {
  let best: Edge[] | undefined;
  for (const node of knot.filter((node) => !graph.isMoment(node)).slice(0, STARTS_MAX)) {
    for (let number = graph.firstEdge(node); number < graph.endOfEdges(node); number++) {
      const edge = graph.edge(number);
      if (!(once ?? kinds).has(edge.kind) || !inside.has(edge.to)) continue;
      const back = path(graph, edge.to, node, inside, kinds);
      if (back !== undefined && (best === undefined || back.length + 1 < best.length)) best = [edge, ...back];
    }
    if (best?.length === 2) return best;
  }
  return best;
}

/** The shortest, by breadth. */
function path(
  graph: DependencyGraph,
  from: number,
  to: number,
  inside: ReadonlySet<number>,
  kinds: ReadonlySet<Kind>,
): Edge[] | undefined {
  const cameBy = new Map<number, Edge | undefined>([[from, undefined]]);
  for (const node of cameBy.keys()) {
    if (node === to) return walkBack(cameBy, to);
    for (let number = graph.firstEdge(node); number < graph.endOfEdges(node); number++) {
      const edge = graph.edge(number);
      if (kinds.has(edge.kind) && inside.has(edge.to) && !cameBy.has(edge.to)) cameBy.set(edge.to, edge);
    }
  }
  return undefined;
}

function walkBack(cameBy: ReadonlyMap<number, Edge | undefined>, to: number): Edge[] {
  const edges: Edge[] = [];
  for (let edge = cameBy.get(to); edge !== undefined; edge = cameBy.get(edge.from)) edges.unshift(edge);
  return edges;
}
