/**
 * What the shared log has of a transaction, or of another change that takes a place in the order of commits: all that a replica
 * needs to decide about it and to apply it, and nothing that differs between replicas (docs/ARCHITECTURE.md "Cluster").
 */

import type { SharedImportRow } from '../../manifest/rows.ts';
import type { PrefixRewrite } from '../../mvcc/prefix-rewrite.ts';
import type { KeySpan } from '../../mvcc/range-tombstones.ts';
import type { ImportClaim } from '../../txn/proposer.ts';
import type { ReadRange } from '../../txn/read-set.ts';
import type { RunSection } from '../../txn/run.ts';

/** A file that the record names; its bytes are with the nodes. */
export interface RecordFile {
  readonly digest: string;
  readonly bytes: number;
  readonly entries: number;
  readonly deletes: number;
  /** User keys as they are read, both inclusive. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
  readonly deletedSpans: readonly KeySpan[];
  readonly prefix: PrefixRewrite | undefined;
}

/** A read of all keys of a file. Files are indexes into the record's. */
export interface RecordFileRead {
  readonly keyspace: string;
  readonly file: number;
  readonly range: Readonly<ReadRange> & { readonly upper: string };
  /** So many of the layers are the statements before it. */
  readonly ownLayers: number;
}

/** Keys as latin1 strings, as in a ReadSet. */
export interface RecordReads {
  readonly points: ReadonlyMap<string, readonly string[]>;
  readonly ranges: ReadonlyMap<string, readonly Readonly<ReadRange>[]>;
  readonly files: readonly RecordFileRead[];
  readonly written: readonly string[];
}

export interface RecordPublish {
  readonly id: number | undefined;
  readonly message: string | undefined;
  readonly activate: boolean;
  /** The version that a delta goes on. */
  readonly on: number | undefined;
  readonly keepVersions: number | undefined;
}

export type RecordLayer =
  | { readonly kind: 'run'; readonly sections: ReadonlyMap<string, RunSection> }
  /** Runs too large for the log, as tables. */
  | {
      readonly kind: 'tables';
      readonly tables: readonly { readonly keyspace: string; readonly file: number }[];
    }
  | { readonly kind: 'ranges'; readonly spans: ReadonlyMap<string, readonly KeySpan[]> }
  | {
      readonly kind: 'ingest';
      readonly id: string;
      readonly keyspace: string;
      readonly sources: readonly RecordSource[];
      readonly replaced: KeySpan | undefined;
      readonly undoable: boolean;
      readonly undoes: string | undefined;
      readonly publishes: RecordPublish | undefined;
    }
  | {
      readonly kind: 'swap';
      readonly keyspace: string;
      readonly id: number;
      readonly from: number | undefined;
    };

/** A file as it was given, and what the policy attaches of it. */
export interface RecordSource {
  /** As the caller gave it. */
  readonly source: string;
  /** Where it was asked for: lower-case hex. */
  readonly sha256: string | undefined;
  readonly given: number;
  readonly attached: number | undefined;
}

export type RecordBody =
  | { readonly kind: 'commit'; readonly layers: readonly RecordLayer[] }
  | { readonly kind: 'drop'; readonly keyspace: string }
  | { readonly kind: 'dropVersions'; readonly keyspace: string; readonly ids: readonly number[] }
  | { readonly kind: 'release'; readonly ingest: string }
  /** Replicas tell what they hold at its place. */
  | { readonly kind: 'compare' }
  /** What all nodes are to know of an import; refused unless its row has this epoch (0: there is none). */
  | { readonly kind: 'import'; readonly expects: number; readonly row: SharedImportRow }
  /** Only makes its keyspaces. */
  | { readonly kind: 'none' };

export interface LogRecord {
  /** When it was proposed. */
  readonly timeMs: number;
  /** What its transaction read at, or when it was asked for; 0 where it has read nothing, and nobody asks again. */
  readonly snapshot: number;
  readonly reads: RecordReads | undefined;
  /** Keyspaces that are made before it where there are none, with `allowIngestBehind`. */
  readonly ensures: readonly { readonly keyspace: string; readonly keepsTombstones: boolean }[];
  readonly files: readonly RecordFile[];
  readonly body: RecordBody;
  /** Of the commit of an import: refused where another node has it, or it is committed. */
  readonly claim: ImportClaim | undefined;
  /** Of whoever asked for it, who may ask again: of all records with the same one is committed. */
  readonly request: string | undefined;
}
