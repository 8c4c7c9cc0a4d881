/** A short life of a database in which everything happens that writes to a disk, one step after the other. */

import type { Snapshot } from '../../src/index.ts';
import type { TestOptions, TextDb } from '../base/database.ts';
import { type Entry, numbered } from '../base/sst-files.ts';
import type { Machine } from './machine.ts';

/** What the steps act on. */
export interface Life {
  readonly db: TextDb;
  readonly machine: Machine;
  /** Open over some steps. */
  snapshot: Snapshot | undefined;
}

export interface Step {
  readonly name: string;
  readonly act: (life: Life) => unknown;
  /** All of it, or nothing, after a crash during the step. */
  readonly writes?: readonly (readonly [keyspace: string, entries: readonly Entry[]])[];
  /** Before it writes. */
  readonly drops?: readonly string[];
  /** Of a step of several commits: what each of them does, one after the other. */
  readonly commits?: readonly Change[];
  /** Files that only this step, committed, may take. */
  readonly moves?: readonly string[];
  /** What the next life does after a crash during the step; then all of it is there. */
  readonly resume?: (db: TextDb, machine: Machine) => unknown;
}

export type Change = Pick<Step, 'writes' | 'drops'>;

export const OPTIONS: TestOptions = {
  memtableBytes: 4096,
  walSegmentBytes: 2048,
  blockBytes: 64,
  blockCacheBytes: 1 << 20,
  level0Trigger: 2,
  levelBaseBytes: 1 << 10,
  levelMultiplier: 2,
  targetFileBytes: 1 << 10,
  maxSubcompactions: 2,
};

export const INPUTS: Readonly<Record<string, readonly Entry[]>> = {
  'link.sst': numbered(0, 3, 'link'),
  'move.sst': numbered(0, 3, 'move'),
  'copy.sst': [...numbered(0, 3, 'copy'), ['a', undefined]],
  'mixed.sst': numbered(0, 3, 'mixed'),
  'upper.sst': numbered(0, 40, 'k', 'upper'),
  'lower.sst': numbered(10, 20, 'k', 'lower'),
  'swap.sst': [
    ['both', '3'],
    ['swap', '1'],
  ],
  'keep.sst': [
    ['kept', '2'],
    ['swap', '2'],
  ],
  'base.sst': numbered(0, 4, 'f'),
  'delta.sst': [
    ['f000001', undefined],
    ['f000004', 'delta'],
  ],
  'second.sst': [['f000000', 'second']],
  'hidden.sst': [['f000009', 'hidden']],
  'release.sst': [['released', '1']],
  'nightly/base.sst': numbered(0, 4, 'n'),
  'nightly/d2.sst': [
    ['n000001', undefined],
    ['n000004', '2'],
  ],
  'nightly/d3.sst': [['n000004', '3']],
};

/** Files of a watched directory that are no tables. */
export const DROPPED: Readonly<Record<string, string>> = {
  'nightly/METADATA.json': JSON.stringify({
    version: 3,
    base: ['base.sst'],
    deltas: [2, 3].map((version) => ({ version, files: [`d${version}.sst`] })),
  }),
};

const NIGHTLY: readonly (readonly Entry[])[] = [
  numbered(0, 4, 'n'),
  [...numbered(0, 1, 'n'), ...numbered(2, 4, 'n'), ['n000004', '2']],
  [...numbered(0, 1, 'n'), ...numbered(2, 4, 'n'), ['n000004', '3']],
];

async function watchOnce(db: TextDb, machine: Machine): Promise<void> {
  await using watch = db.watchDatasets(machine.input(''), { keepVersions: 2 });
  await watch.check();
}

const WITH_DELTA: readonly Entry[] = [
  ['f000000', 'v0'],
  ['f000002', 'v2'],
  ['f000003', 'v3'],
  ['f000004', 'delta'],
];

const big = numbered(0, 30, 'big', 'x'.repeat(60));

function ingest(...names: string[]): NonNullable<Step['writes']> {
  return names.map((name) => ['default', INPUTS[name] ?? []] as const);
}

export const STEPS: readonly Step[] = [
  { name: 'put', act: ({ db }) => db.put('a', '1'), writes: [['default', [['a', '1']]]] },
  {
    name: 'ingest by link',
    act: ({ db, machine }) => db.ingest(machine.input('link.sst'), { mode: 'link' }),
    writes: ingest('link.sst'),
  },
  {
    name: 'ingest by move',
    act: ({ db, machine }) => db.ingest(machine.input('move.sst'), { mode: 'move' }),
    writes: ingest('move.sst'),
    moves: ['move.sst'],
  },
  {
    name: 'ingest by copy',
    act: ({ db, machine }) => db.ingest(machine.input('copy.sst'), { mode: 'copy', id: 'once' }),
    writes: ingest('copy.sst'),
  },
  {
    name: 'batch that spans log segments',
    act: ({ db }) => db.batch(big.map(([key, value]) => ({ type: 'put', key, value: value ?? '' }))),
    writes: [['default', big]],
  },
  { name: 'flush', act: ({ db }) => db.flush() },
  {
    name: 'range deletion',
    act: ({ db }) => db.deleteRange({ gte: 'big000003', lt: 'big000027' }),
    writes: [['default', big.slice(3, 27).map(([key]) => [key, undefined])]],
  },
  {
    name: 'transaction of reads, puts, a range deletion and a moved file',
    act: ({ db, machine }) =>
      db.transaction(async (txn) => {
        txn.put('before', (await txn.get('link000001')) ?? 'none');
        await txn.ingest(machine.input('mixed.sst'), { mode: 'move' });
        txn.deleteRange({ gte: 'mixed000002' });
        txn.put('mixed000001', 'after');
      }),
    writes: [
      [
        'default',
        [
          ['before', 'v1'],
          ['mixed000000', 'v0'],
          ['mixed000001', 'after'],
        ],
      ],
      ['default', numbered(0, 3, 'move').map(([key]) => [key, undefined])],
    ],
    moves: ['mixed.sst'],
  },
  {
    name: 'ingest of overlapping files by move',
    act: ({ db, machine }) =>
      db.ingest([machine.input('upper.sst'), machine.input('lower.sst')], { mode: 'move' }),
    writes: ingest('upper.sst', 'lower.sst'),
    moves: ['upper.sst', 'lower.sst'],
  },
  { name: 'compaction', act: ({ db }) => db.compactRange() },
  { name: 'checkpoint', act: ({ db, machine }) => db.checkpoint(machine.checkpoint) },
  { name: 'keyspace', act: ({ db }) => db.keyspace('other') },
  {
    name: 'batch over two keyspaces',
    act: ({ db }) =>
      db.batch([
        { type: 'put', key: 'both', value: '1' },
        { type: 'put', key: 'both', value: '2', keyspace: 'other' },
      ]),
    writes: [
      ['default', [['both', '1']]],
      ['other', [['both', '2']]],
    ],
  },
  { name: 'flush of two keyspaces', act: ({ db }) => db.flush() },
  {
    name: 'snapshot',
    act: (life) => {
      life.snapshot = life.db.snapshot();
    },
  },
  {
    name: 'drop of a keyspace that a snapshot sees',
    act: ({ db }) => db.dropKeyspace('other'),
    drops: ['other'],
  },
  { name: 'another generation of it', act: ({ db }) => db.keyspace('other') },
  {
    name: 'put into the new generation',
    act: ({ db }) => db.keyspace('other').put('new', '1'),
    writes: [['other', [['new', '1']]]],
  },
  {
    name: 'ingest that replaces the keyspace, and may be undone',
    act: ({ db, machine }) =>
      db.ingest(machine.input('swap.sst'), {
        into: 'other',
        mode: 'move',
        replace: true,
        undoable: true,
        id: 'swap',
      }),
    writes: [
      [
        'other',
        [
          ['new', undefined],
          ['both', '3'],
          ['swap', '1'],
        ],
      ],
    ],
    moves: ['swap.sst'],
  },
  {
    name: 'ingest of the keys that are absent',
    act: ({ db, machine }) =>
      db.ingest(machine.input('keep.sst'), { into: 'other', mode: 'move', ifExists: 'keep' }),
    writes: [['other', [['kept', '2']]]],
    moves: ['keep.sst'],
  },
  {
    name: 'undoing of an ingest',
    act: ({ db }) => db.undoIngest('swap'),
    writes: [
      [
        'other',
        [
          ['new', '1'],
          ['both', undefined],
          ['swap', undefined],
        ],
      ],
    ],
  },
  {
    name: 'publication of a base',
    act: ({ db, machine }) => db.dataset('feats').publish(machine.input('base.sst'), { mode: 'move' }),
    writes: [
      ['feats', INPUTS['base.sst'] ?? []],
      ['feats@1', INPUTS['base.sst'] ?? []],
    ],
    moves: ['base.sst'],
  },
  {
    name: 'put over a version',
    act: ({ db }) => db.keyspace('feats').put('f000002', 'own'),
    writes: [['feats', [['f000002', 'own']]]],
  },
  {
    name: 'publication of a delta',
    act: ({ db, machine }) =>
      db.dataset('feats').publish(machine.input('delta.sst'), { kind: 'delta', mode: 'move' }),
    writes: [
      ['feats', INPUTS['delta.sst'] ?? []],
      ['feats@2', WITH_DELTA],
    ],
    moves: ['delta.sst'],
  },
  {
    name: 'publication of another base, for which a version is dropped',
    act: ({ db, machine }) =>
      db.dataset('feats', { keepVersions: 2 }).publish(machine.input('second.sst'), { mode: 'link' }),
    drops: ['feats', 'feats@1'],
    writes: [
      ['feats', INPUTS['second.sst'] ?? []],
      ['feats@3', INPUTS['second.sst'] ?? []],
    ],
  },
  {
    name: 'rollback to a version with a delta, and a put, in one transaction',
    act: ({ db }) =>
      db.transaction((txn) => {
        txn.put('rolled', 'back');
        txn.dataset('feats').rollback();
        txn.keyspace('feats').put('over', '1');
      }),
    drops: ['feats'],
    writes: [
      ['default', [['rolled', 'back']]],
      ['feats', [...WITH_DELTA, ['over', '1']]],
    ],
  },
  {
    name: 'publication of a version that is not live',
    act: ({ db, machine }) =>
      db.dataset('feats').publish(machine.input('hidden.sst'), {
        kind: 'delta',
        on: 2,
        activate: false,
        mode: 'move',
      }),
    writes: [['feats@4', [...WITH_DELTA, ['f000009', 'hidden']]]],
    moves: ['hidden.sst'],
  },
  {
    name: 'drop of a version',
    act: ({ db }) => db.dataset('feats').drop(3),
    drops: ['feats@3'],
  },
  {
    name: 'activation of a version',
    act: ({ db }) => db.dataset('feats').activate(4),
    drops: ['feats'],
    writes: [['feats', [...WITH_DELTA, ['f000009', 'hidden']]]],
  },
  {
    name: 'retaining of one version',
    act: ({ db }) => db.dataset('feats').retain(1),
    drops: ['feats@2'],
  },
  {
    name: 'ingest that may be undone',
    act: ({ db, machine }) =>
      db.ingest(machine.input('release.sst'), { into: 'other', mode: 'move', undoable: true, id: 'held' }),
    writes: [['other', [['released', '1']]]],
    moves: ['release.sst'],
  },
  { name: 'release of an ingest', act: ({ db }) => db.releaseIngest('held') },
  {
    name: 'look at a watched directory',
    act: ({ db, machine }) => watchOnce(db, machine),
    commits: [
      { writes: [['nightly@1', NIGHTLY[0] ?? []]] },
      { writes: [['nightly@2', NIGHTLY[1] ?? []]] },
      { writes: [['nightly@3', NIGHTLY[2] ?? []]] },
      { writes: [['nightly', NIGHTLY[2] ?? []]] },
      { drops: ['nightly@1'] },
    ],
    resume: watchOnce,
  },
  { name: 'the snapshot is closed', act: ({ snapshot }) => snapshot?.close() },
  { name: 'del', act: ({ db }) => db.del('before'), writes: [['default', [['before', undefined]]]] },
  { name: 'last flush', act: ({ db }) => db.flush() },
  { name: 'last compaction', act: ({ db }) => db.compactRange() },
  {
    name: 'put that stays in the log',
    act: ({ db }) => db.put('last', '1'),
    writes: [['default', [['last', '1']]]],
  },
];
