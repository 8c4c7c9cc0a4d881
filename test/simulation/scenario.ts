/** What one seed of the simulation is made of. Plain JSON, so that a failing one can be kept in test/regressions/simulation/. */

import fc from 'fast-check';
import type { Operation } from '../base/faulty-file-system.ts';
import { datasetOp, type Op, op } from '../model/history.ts';

export interface PlannedFault {
  readonly op: Operation;
  /** How many calls of this operation pass before it. */
  readonly after: number;
  readonly errno: 'EIO' | 'ENOSPC';
  /** How many fail then. */
  readonly times: number;
  /** Of a write that fails. */
  readonly writtenBytes: number;
}

/** From one start of the process to its end. */
export interface LifePlan {
  readonly durability: 'fsync' | 'os';
  /** Statements one after the other; the lists run beside each other. A 'reopen' is a pause. */
  readonly lanes: readonly (readonly Op[])[];
  readonly faults: readonly PlannedFault[];
  /** The machine or the process stops at this call that changes the disk, or when all is done; absent: it is closed. */
  readonly crash?:
    | { readonly atCall: number; readonly fate: 'nothing' | 'anything' | 'everything' }
    | undefined;
  /** Order of what is under way, times, short reads and writes, and what a crash leaves. */
  readonly seed: number;
}

export interface Scenario {
  readonly lives: readonly LifePlan[];
}

export const fault: fc.Arbitrary<PlannedFault> = fc.record({
  op: fc.constantFrom<Operation>(
    'write',
    'datasync',
    'syncDirectory',
    'open',
    'link',
    'copy',
    'read',
    'unlink',
    'truncate',
    'freeBytes',
  ),
  after: fc.nat(60),
  errno: fc.constantFrom('EIO', 'ENOSPC'),
  times: fc.constantFrom(1, 1, 1, 3, 1000),
  writtenBytes: fc.nat(300),
});

const crash = fc.record({
  atCall: fc.nat(400),
  fate: fc.constantFrom('nothing', 'anything', 'anything', 'everything'),
});

const lane: fc.Arbitrary<readonly Op[]> = fc.array(op, { maxLength: 12, size: 'max' });
/** Versions of one dataset, as what meets what depends on there being some. */
const datasetLane: fc.Arbitrary<readonly Op[]> = fc.array(
  datasetOp.map((each) => ({ ...each, keyspace: 'default' })),
  { maxLength: 8, size: 'max' },
);

const life: fc.Arbitrary<LifePlan> = fc.record({
  durability: fc.constantFrom('fsync', 'fsync', 'os'),
  lanes: fc.array(fc.oneof({ weight: 3, arbitrary: lane }, { weight: 1, arbitrary: datasetLane }), {
    minLength: 1,
    maxLength: 3,
  }),
  faults: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 2, arbitrary: fc.array(fault, { minLength: 1, maxLength: 2 }) },
  ),
  crash: fc.option(crash, { nil: undefined, freq: 4 }),
  seed: fc.nat(),
});

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  lives: fc.array(life, { minLength: 1, maxLength: 3 }),
});

/** In JSON undefined values, which are deletes, become null. */
export function parseScenario<S = Scenario>(text: string): S {
  return JSON.parse(text, (_, value: unknown) => (value === null ? undefined : value)) as S;
}
