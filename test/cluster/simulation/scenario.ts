/** What one seed of the cluster's simulation is made of. Plain JSON, so that a failing one can be kept in test/regressions/cluster-simulation/. */

import fc from 'fast-check';
import { datasetOp, type Op, op } from '../../model/history.ts';
import { fault, type LifePlan } from '../../simulation/scenario.ts';

export const NODES = ['a', 'b', 'c'] as const;

/** From one start of a node to its end. */
export interface NodeLife extends Pick<LifePlan, 'faults' | 'crash'> {
  /** From its end to the next start. */
  readonly downMs: number;
}

export type TroubleKind =
  /** From the log. */
  | 'cut'
  /** From the other nodes. */
  | 'alone'
  /** Entries come late. */
  | 'lag'
  /** Of its next appends: nothing comes of them; their answers are lost; they come later than that. */
  | 'refused'
  | 'lost'
  | 'late'
  /** What it sends to the others is damaged now and then. */
  | 'damage'
  /** Closed, and opened again after the time. */
  | 'stop'
  /** It loses all that it has, as 'stop'. Of the last node only. */
  | 'wipe';

export interface Trouble {
  readonly kind: TroubleKind;
  /** Its place in `NODES`. */
  readonly node: number;
  readonly atMs: number;
  readonly lastsMs: number;
}

export interface Lane {
  readonly node: number;
  readonly ops: readonly Op[];
}

export interface ClusterScenario {
  readonly seed: number;
  readonly windowVersions: number;
  /** Nothing is collected: replicas must have the same entries, and not only read the same. */
  readonly keepsAll: boolean;
  /** All nodes are closed and opened once more before the last look. */
  readonly endsWithRestart: boolean;
  /** Statements one after the other; the lists run beside each other. */
  readonly lanes: readonly Lane[];
  /** Of each node, one after the other; what comes after them nothing disturbs. */
  readonly lives: readonly (readonly NodeLife[])[];
  readonly troubles: readonly Trouble[];
}

const MS_MAX = 1500;

const lane: fc.Arbitrary<Lane> = fc.record({
  node: fc.nat(NODES.length - 1),
  ops: fc.oneof(
    { weight: 3, arbitrary: fc.array(op, { maxLength: 20, size: 'max' }) },
    {
      weight: 1,
      arbitrary: fc.array(
        datasetOp.map((each): Op => ({ ...each, keyspace: 'default' })),
        { maxLength: 8, size: 'max' },
      ),
    },
  ),
});

const life: fc.Arbitrary<NodeLife> = fc.record({
  faults: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(fault, { minLength: 1, maxLength: 2 }) },
  ),
  crash: fc.option(
    fc.record({
      atCall: fc.nat(500),
      fate: fc.constantFrom('nothing', 'anything', 'anything', 'everything'),
    }),
    { nil: undefined, freq: 4 },
  ),
  downMs: fc.nat(MS_MAX),
});
const lives = fc.oneof(
  { weight: 1, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: fc.array(life, { maxLength: 2, size: 'max' }) },
);

const trouble: fc.Arbitrary<Trouble> = fc
  .record({
    kind: fc.constantFrom<TroubleKind>(
      'cut',
      'cut',
      'alone',
      'lag',
      'refused',
      'lost',
      'lost',
      'late',
      'damage',
      'stop',
      'wipe',
    ),
    node: fc.nat(NODES.length - 1),
    atMs: fc.nat(MS_MAX),
    lastsMs: fc.nat(MS_MAX),
  })
  // Files are on two nodes of three: who loses all may not be one of any two.
  .map((each) => (each.kind === 'wipe' ? { ...each, node: NODES.length - 1 } : each));

export const clusterScenario: fc.Arbitrary<ClusterScenario> = fc.record({
  seed: fc.nat(),
  windowVersions: fc.constantFrom(16, 16, 40, 1000),
  keepsAll: fc.boolean(),
  endsWithRestart: fc.boolean(),
  lanes: fc.array(lane, { minLength: 1, maxLength: 5, size: 'max' }),
  lives: fc.tuple(lives, lives, lives),
  troubles: fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(trouble, { maxLength: 5, size: 'max' }) },
  ),
});
