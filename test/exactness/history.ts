/**
 * Random small histories of concurrent transactions.
 *
 * All keys are of one short alphabet, and every range begins at one of them: so two ranges that have anything in common
 * have a key of the alphabet in common. Whatever is read or written can be told as a set of these keys, gaps and ends
 * included, and the oracle needs no arithmetic of ranges.
 */

import fc from 'fast-check';
import type { Entry } from '../base/sst-files.ts';

const LETTERS = ['a', 'b', 'c', 'd', 'e'] as const;
/** Each letter and the key right after it, where a range that leaves the letter out begins. Ascending. */
export const KEYS: readonly string[] = LETTERS.flatMap((letter) => [letter, `${letter}\0`]);
export const KEYSPACES = ['u', 'v'] as const;
/** Transactions open at a time; the slot after them is the database itself. */
export const SLOTS = 3;

export interface Range {
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly lte?: string;
}

interface InKeyspace {
  readonly keyspace: string;
}

export type WriteStep =
  | ({ readonly op: 'put'; readonly key: string; readonly value: string } & InKeyspace)
  | ({ readonly op: 'del'; readonly key: string } & InKeyspace)
  | ({ readonly op: 'deleteRange'; readonly range: Range } & InKeyspace)
  | ({
      readonly op: 'ingest';
      /** Later ones win. An entry without a value deletes its key. */
      readonly files: readonly (readonly Entry[])[];
      readonly replace: true | Range | null;
      /** 'keep' and 'fail' are not given together with `replace`. */
      readonly ifExists: 'overwrite' | 'keep' | 'fail';
    } & InKeyspace);

export type ReadStep =
  | ({
      readonly op: 'get';
      readonly keys: readonly string[];
      readonly how: 'get' | 'getSync' | 'getMany' | 'has';
    } & InKeyspace)
  | ({
      readonly op: 'scan';
      readonly range: Range;
      readonly reverse: boolean;
      /** Of the whole; -1: none. */
      readonly limit: number;
      /** Each sets the iterator anew and takes so many entries; without any, everything is taken. */
      readonly seeks: readonly { readonly key: string; readonly steps: number }[];
      /** 'iterator' where it is not said. */
      readonly by?: 'iterator' | 'cursor';
    } & InKeyspace);

export type Step =
  | WriteStep
  | ReadStep
  | { readonly op: 'savepoint' }
  | { readonly op: 'rollback'; readonly to: number }
  | { readonly op: 'commit' }
  /** Of all open transactions, none waiting for another. */
  | { readonly op: 'commitAll' }
  | { readonly op: 'flush' }
  | { readonly op: 'compact' }
  | ({ readonly op: 'drop' } & InKeyspace)
  | ({ readonly op: 'create' } & InKeyspace);

export interface Action {
  readonly slot: number;
  readonly step: Step;
}

export type History = readonly Action[];

const key = fc.constantFrom(...LETTERS, ...LETTERS, ...KEYS);
const keyspace = fc.constantFrom(...KEYSPACES, 'u');
const value = fc.constantFrom('1', '2');

/** The keys of the alphabet that are in the range, ascending. */
export function keysIn({ gt, gte, lt, lte }: Range): string[] {
  return KEYS.filter(
    (key) =>
      (gt === undefined || key > gt) &&
      (gte === undefined || key >= gte) &&
      (lt === undefined || key < lt) &&
      (lte === undefined || key <= lte),
  );
}

const lower = fc.oneof(
  fc.constant({}),
  fc.record({ gte: key }),
  // Begins at the key after the letter.
  fc.record({ gt: fc.constantFrom(...LETTERS) }),
);
const upper = fc.oneof(fc.constant({}), fc.record({ lt: key }), fc.record({ lte: key }));
/** Before the first key there is nothing to name. */
const range = fc
  .tuple(lower, upper)
  .map(([from, to]): Range => ({ ...from, ...to }))
  .filter((range) => keysIn(range).length > 0 || range.gt !== undefined || range.gte !== undefined);

const entry = fc.tuple(key, fc.option(value, { nil: undefined, freq: 3 }));
const file = fc.uniqueArray(entry, { selector: ([key]) => key, minLength: 1, maxLength: 3 });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ op: fc.constant('put' as const), keyspace, key, value }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('del' as const), keyspace, key }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('deleteRange' as const), keyspace, range }) },
  {
    weight: 3,
    arbitrary: fc
      .record({
        op: fc.constant('ingest' as const),
        keyspace,
        files: fc.array(file, { minLength: 1, maxLength: 2 }),
        replace: fc.option(fc.oneof(fc.constant(true as const), range), { nil: null, freq: 8 }),
        ifExists: fc.constantFrom(
          'overwrite' as const,
          'overwrite' as const,
          'keep' as const,
          'fail' as const,
        ),
      })
      .map((step) => (step.ifExists === 'overwrite' ? step : { ...step, replace: null })),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('get' as const),
      keyspace,
      keys: fc.array(key, { minLength: 1, maxLength: 2 }),
      how: fc.constantFrom('get' as const, 'getSync' as const, 'getMany' as const, 'has' as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('scan' as const),
      keyspace,
      range,
      reverse: fc.boolean(),
      limit: fc.integer({ min: -1, max: 3 }),
      seeks: fc.array(fc.record({ key, steps: fc.nat(2) }), { maxLength: 2 }),
      by: fc.constantFrom('iterator' as const, 'iterator' as const, 'cursor' as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ op: 'savepoint' }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('rollback' as const), to: fc.nat(1) }) },
  { weight: 5, arbitrary: fc.constant<Step>({ op: 'commit' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ op: 'commitAll' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ op: 'flush' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ op: 'compact' }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('drop' as const), keyspace }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('create' as const), keyspace }) },
);

export const history: fc.Arbitrary<History> = fc.array(fc.record({ slot: fc.nat(SLOTS), step }), {
  minLength: 4,
  maxLength: 30,
  size: 'max',
});
