/**
 * What a scenario file says, as data: scenes of steps, a step being one statement with what is expected of it
 * (docs/scenarios.md has the language).
 */

import type { DbOptions } from '../../db-options.ts';
import type { IngestOptions } from '../../txn/ingest-options.ts';

/** Lines and columns count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** The scenario is wrong: text that is not the language, or a name that means nothing. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
  readonly place: Place;

  constructor(place: Place, message: string) {
    super(message);
    this.place = place;
  }
}

export interface Interval {
  readonly gt?: Buffer;
  readonly gte?: Buffer;
  readonly lt?: Buffer;
  readonly lte?: Buffer;
}

/** An undefined value deletes the key. */
export interface FileEntry {
  readonly key: Buffer;
  readonly value: Buffer | undefined;
}

/** `entries` where the file is made by the statement that names it. */
export interface FileSource {
  readonly name: string;
  readonly entries: readonly FileEntry[] | undefined;
}

/** How files are ingested, in the words of the options that `ingest` has. */
export type IngestClauses = Pick<
  IngestOptions,
  | 'mode'
  | 'verify'
  | 'id'
  | 'ifExists'
  | 'replace'
  | 'behind'
  | 'requireBottom'
  | 'maxImpact'
  | 'undoable'
  | 'prefix'
>;

/** Undefined keyspaces are the default one. */
interface InKeyspace {
  readonly keyspace: string | undefined;
}

interface Reading extends InKeyspace {
  readonly snapshot: string | undefined;
  /** Of the dataset that the keyspace is. */
  readonly version: number | undefined;
}

/** What a session and the database itself do alike. */
export type DataStatement =
  | { readonly kind: 'undo'; readonly id: string }
  | { readonly kind: 'activate'; readonly version: number; readonly dataset: string }
  | ({ readonly kind: 'put'; readonly keys: readonly Buffer[]; readonly value: Buffer } & InKeyspace)
  | ({ readonly kind: 'del'; readonly keys: readonly Buffer[] } & InKeyspace)
  | ({ readonly kind: 'deleteRange'; readonly interval: Interval } & InKeyspace)
  | ({ readonly kind: 'get'; readonly keys: readonly Buffer[] } & Reading)
  | ({
      readonly kind: 'scan';
      readonly interval: Interval;
      readonly reverse: boolean;
      readonly limit: number;
    } & Reading)
  | ({
      readonly kind: 'ingest';
      readonly files: readonly FileSource[];
      readonly clauses: IngestClauses;
    } & InKeyspace);

export type SessionStatement =
  | { readonly kind: 'begin'; readonly readOnly: boolean }
  | { readonly kind: 'savepoint'; readonly name: string }
  | { readonly kind: 'rollback'; readonly name: string }
  | { readonly kind: 'commit' }
  | { readonly kind: 'abort' };

export type ScenarioOptions = DbOptions<'buffer', 'buffer'>;

export type DatabaseStatement =
  | { readonly kind: 'options'; readonly options: ScenarioOptions }
  | { readonly kind: 'file'; readonly file: FileSource }
  | {
      readonly kind: 'publish';
      readonly files: readonly FileSource[];
      readonly delta: boolean;
      readonly dataset: string;
    }
  | { readonly kind: 'versions'; readonly dataset: string }
  | { readonly kind: 'dropVersion'; readonly version: number; readonly dataset: string }
  | { readonly kind: 'retain'; readonly count: number; readonly dataset: string }
  | { readonly kind: 'revert'; readonly dataset: string }
  | { readonly kind: 'diff'; readonly before: number; readonly after: number; readonly dataset: string }
  | ({ readonly kind: 'explain'; readonly files: readonly FileSource[] } & InKeyspace)
  | { readonly kind: 'snapshot'; readonly name: string }
  | { readonly kind: 'close'; readonly name: string }
  | { readonly kind: 'create'; readonly keyspace: string }
  | { readonly kind: 'drop'; readonly keyspace: string }
  | { readonly kind: 'keyspaces' }
  | { readonly kind: 'flush' }
  | ({ readonly kind: 'compact'; readonly interval: Interval } & InKeyspace)
  | { readonly kind: 'reopen'; readonly options: ScenarioOptions }
  | ({ readonly kind: 'levels' } & InKeyspace)
  | { readonly kind: 'verify' };

/** A function of `db.transaction()`: `body` runs at every attempt, `end` tells what became of it. */
export interface TransactionBlock {
  readonly kind: 'transaction';
  readonly maxRetries: number | undefined;
  readonly body: Step[];
  end: Step | undefined;
}

export type Statement =
  | DataStatement
  | SessionStatement
  | DatabaseStatement
  | TransactionBlock
  | { readonly kind: 'end' };

export interface Expectation {
  /** `-> …` or `!! …`; empty where the line says nothing of it. */
  readonly inline: string;
  /** Lines below that begin with `|`. */
  readonly lines: string[];
}

export interface Step {
  readonly place: Place;
  /** Undefined: the database itself, each statement a transaction of its own. */
  readonly session: string | undefined;
  /** In another session's transaction block: at every attempt, not at the first one only. */
  readonly every: boolean;
  readonly statement: Statement;
  readonly expected: Expectation;
  /** Columns in the line, from 0: where the statement ends; where expectation and comment begin, -1 without. */
  readonly statementEnd: number;
  readonly expectationAt: number;
  readonly commentAt: number;
}

/** Each scene has a database of its own. */
export interface Scene {
  readonly title: string;
  readonly place: Place;
  readonly steps: Step[];
}

export interface Scenario {
  /** The text as it was, in lines. */
  readonly lines: readonly string[];
  readonly scenes: readonly Scene[];
}
