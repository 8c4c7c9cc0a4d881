/** What a random history is made of. Plain JSON, so that a failing one can be kept in test/regressions/. */

import fc from 'fast-check';
import type { Entry } from '../base/sst-files.ts';

export const KEYSPACES = ['default', 'a', 'b'] as const;
/** The one that files may be ingested behind. */
export const BEHIND = 'b';

/** Keys are few, so that statements meet; some are neighbours, some long enough for blocks of their own. */
export const KEYS: readonly string[] = [
  'a',
  'a\0',
  'aa',
  'ab',
  'b',
  'ba',
  'bb',
  'c',
  'ca',
  'cb\0',
  'd',
  'd'.repeat(90),
  `${'d'.repeat(90)}e`,
  'é',
  '\u{10ffff}',
];

export interface Range {
  readonly keyspace: string;
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly lte?: string;
  readonly reverse: boolean;
  readonly limit: number;
  /** Keys to seek to, each followed by so many steps. */
  readonly seeks: readonly { readonly key: string; readonly steps: number }[];
}

export type Span = Pick<Range, 'keyspace' | 'gt' | 'gte' | 'lt' | 'lte'>;

export interface KeyedEntry {
  readonly keyspace: string;
  readonly key: string;
  /** undefined: a delete. */
  readonly value: string | undefined;
}

export interface IngestStatement {
  readonly op: 'ingest';
  readonly keyspace: string;
  readonly files: readonly (readonly Entry[])[];
  readonly mode: 'copy' | 'link' | 'move';
  readonly replace?: true | Omit<Span, 'keyspace'>;
  readonly ifExists?: 'keep' | 'fail';
  readonly behind?: true;
  readonly undoable?: true;
  /** Of the files, whose entries are told as they are read: their keys begin with `to`, in the file with `from`. */
  readonly prefix?: { readonly from: string; readonly to: string };
}

export type Statement =
  | { readonly op: 'write'; readonly entry: KeyedEntry }
  | IngestStatement
  | { readonly op: 'deleteRange'; readonly span: Span }
  | { readonly op: 'get'; readonly keyspace: string; readonly key: string }
  | { readonly op: 'scan'; readonly range: Range };

export type Step =
  | Statement
  | { readonly op: 'savepoint' }
  | { readonly op: 'rollback'; readonly to: number };

/** Versions are meant by their place in the list of those that are kept. */
export interface Activation {
  readonly keyspace: string;
  readonly of: number;
}

export type DatasetOp =
  | {
      readonly op: 'publish';
      readonly keyspace: string;
      readonly kind: 'base' | 'delta';
      readonly hidden: boolean;
      readonly files: readonly (readonly Entry[])[];
    }
  | ({ readonly op: 'activate' | 'dropVersion' } & Activation)
  | { readonly op: 'goBack'; readonly keyspace: string }
  | { readonly op: 'retain'; readonly keyspace: string; readonly count: number };

export type Op =
  | Statement
  | DatasetOp
  | { readonly op: 'batch'; readonly entries: readonly KeyedEntry[] }
  | {
      readonly op: 'transaction';
      /** Before its steps. */
      readonly activations?: readonly Activation[];
      readonly steps: readonly Step[];
      readonly end: 'commit' | 'abort' | 'throw';
    }
  /** `back`: so many operations ago; undefined: now. */
  | { readonly op: 'snapshot'; readonly back?: number }
  | { readonly op: 'closeSnapshot'; readonly slot: number }
  | { readonly op: 'snapshotGet'; readonly slot: number; readonly keyspace: string; readonly key: string }
  | { readonly op: 'snapshotScan'; readonly slot: number; readonly range: Range }
  /** Of the ingests outside of transactions that said undoable. */
  | { readonly op: 'undo'; readonly ingest: number }
  | { readonly op: 'release'; readonly ingest: number }
  | { readonly op: 'flush' }
  | { readonly op: 'compact'; readonly keyspace?: string; readonly gte?: string; readonly lt?: string }
  | { readonly op: 'reopen' }
  | { readonly op: 'dropKeyspace'; readonly keyspace: string };

export type History = readonly Op[];

const keyspace = fc.oneof(
  { weight: 3, arbitrary: fc.constant('default') },
  { weight: 1, arbitrary: fc.constantFrom(...KEYSPACES) },
);
const key = fc.constantFrom(...KEYS);
const text = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 999 }).map(String) },
  { weight: 1, arbitrary: fc.constant('') },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 9 }).map((n) => String(n).repeat(700)) },
);
const value = fc.option(text, { nil: undefined, freq: 4 });
const entry: fc.Arbitrary<KeyedEntry> = fc.record({ keyspace, key, value });

const span: fc.Arbitrary<Span> = fc
  .record({
    keyspace,
    lower: fc.option(fc.tuple(fc.constantFrom('gt', 'gte'), key), { nil: undefined, freq: 2 }),
    upper: fc.option(fc.tuple(fc.constantFrom('lt', 'lte'), key), { nil: undefined, freq: 2 }),
  })
  .map(({ keyspace: of, lower, upper }) => ({
    keyspace: of,
    ...(lower === undefined ? {} : { [lower[0]]: lower[1] }),
    ...(upper === undefined ? {} : { [upper[0]]: upper[1] }),
  }));

const range: fc.Arbitrary<Range> = fc
  .record({
    within: span,
    reverse: fc.boolean(),
    limit: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 6 })),
    seeks: fc.array(fc.record({ key, steps: fc.integer({ min: 1, max: 3 }) }), { maxLength: 2 }),
  })
  .map(({ within, ...rest }) => ({ ...within, ...rest }));

const fileEntries: fc.Arbitrary<readonly Entry[]> = fc.array(fc.tuple(key, value), {
  minLength: 1,
  maxLength: 8,
});

const write: fc.Arbitrary<Statement> = fc.record({ op: fc.constant('write'), entry });
const replace = fc.oneof(
  fc.constant<true>(true),
  span.map(({ keyspace: _, ...bounds }) => bounds),
);
const plainIngest: fc.Arbitrary<IngestStatement> = fc.record({
  op: fc.constant('ingest'),
  keyspace,
  files: fc.array(fileEntries, { minLength: 1, maxLength: 3 }),
  mode: fc.constantFrom('copy', 'link', 'move'),
});
/** Entries that a file has by other keys. No key may be empty there. */
const prefixed: fc.Arbitrary<Pick<IngestStatement, 'files' | 'prefix'>> = fc
  .tuple(
    fc.constantFrom('', 'a', 'b', 'c', 'd', 'd'.repeat(80)),
    fc.constantFrom('', 'x', 'a', 'long/'.repeat(9)),
  )
  .chain(([to, from]) => {
    const keys = KEYS.filter((one) => one.startsWith(to) && from.length + one.length > to.length);
    const entries = fc.array(fc.tuple(fc.constantFrom(...keys), value), { minLength: 1, maxLength: 8 });
    return fc.record({
      prefix: fc.constant({ from, to }),
      files: fc.array(entries, { minLength: 1, maxLength: 3 }),
    });
  });
const onceIngest: fc.Arbitrary<IngestStatement> = fc.oneof(
  { weight: 4, arbitrary: plainIngest },
  {
    weight: 2,
    arbitrary: fc
      .tuple(plainIngest, fc.constantFrom('keep', 'keep', 'fail'))
      .map(([plain, ifExists]) => ({ ...plain, ifExists })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(plainIngest, fc.constantFrom('default', BEHIND, BEHIND, BEHIND))
      .map(([plain, into]) => ({ ...plain, keyspace: into, behind: true as const })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(plainIngest, replace).map(([plain, what]) => ({ ...plain, replace: what })),
  },
);
const ingest: fc.Arbitrary<Statement> = fc
  .tuple(onceIngest, fc.nat(3), fc.option(prefixed, { nil: undefined, freq: 2 }))
  .map(([once, draw, files]) => ({
    ...once,
    ...files,
    ...(draw === 0 && { undoable: true as const }),
  }));
const deleteRange: fc.Arbitrary<Statement> = fc.record({ op: fc.constant('deleteRange'), span });
const get: fc.Arbitrary<Statement> = fc.record({ op: fc.constant('get'), keyspace, key });
const scan: fc.Arbitrary<Statement> = fc.record({ op: fc.constant('scan'), range });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: write },
  { weight: 2, arbitrary: ingest },
  { weight: 1, arbitrary: deleteRange },
  { weight: 2, arbitrary: get },
  { weight: 2, arbitrary: scan },
  { weight: 1, arbitrary: fc.constant<Step>({ op: 'savepoint' }) },
  { weight: 1, arbitrary: fc.nat(3).map((to): Step => ({ op: 'rollback', to })) },
);

const activation: fc.Arbitrary<Activation> = fc.record({ keyspace, of: fc.nat(5) });
export const datasetOp: fc.Arbitrary<DatasetOp> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('publish' as const),
      keyspace,
      kind: fc.constantFrom('base', 'delta', 'delta'),
      hidden: fc.constantFrom(false, false, true),
      files: fc.array(fileEntries, { minLength: 1, maxLength: 2 }),
    }),
  },
  { weight: 2, arbitrary: activation.map((which) => ({ op: 'activate' as const, ...which })) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('goBack' as const), keyspace }) },
  { weight: 1, arbitrary: activation.map((which) => ({ op: 'dropVersion' as const, ...which })) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('retain' as const),
      keyspace,
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
);
const activations = fc.oneof(
  { weight: 4, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.array(activation, { minLength: 1, maxLength: 2 }) },
);

const compact: fc.Arbitrary<Op> = fc.oneof(
  fc.constant<Op>({ op: 'compact' }),
  fc.record({ op: fc.constant('compact' as const), keyspace, gte: key }),
  fc.record({ op: fc.constant('compact' as const), lt: key }),
);

const slot = fc.nat(2);

export const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 8, arbitrary: write },
  { weight: 3, arbitrary: ingest },
  { weight: 2, arbitrary: deleteRange },
  { weight: 1, arbitrary: get },
  { weight: 2, arbitrary: scan },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('batch' as const),
      entries: fc.array(entry, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('transaction' as const),
      activations,
      steps: fc.array(step, { minLength: 1, maxLength: 10 }),
      end: fc.constantFrom('commit', 'commit', 'commit', 'abort', 'throw'),
    }),
  },
  { weight: 6, arbitrary: datasetOp },
  { weight: 2, arbitrary: fc.constant<Op>({ op: 'snapshot' }) },
  { weight: 1, arbitrary: fc.nat(6).map((back): Op => ({ op: 'snapshot', back })) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('closeSnapshot' as const), slot }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('snapshotGet' as const), slot, keyspace, key }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('snapshotScan' as const), slot, range }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('undo' as const), ingest: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('release' as const), ingest: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.constant<Op>({ op: 'flush' }) },
  { weight: 2, arbitrary: compact },
  { weight: 1, arbitrary: fc.constant<Op>({ op: 'reopen' }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('dropKeyspace' as const), keyspace: fc.constantFrom('a', 'b') }),
  },
);

export const history: fc.Arbitrary<History> = fc.array(op, { minLength: 1, maxLength: 20, size: 'max' });
