/**
 * The layers of a transaction as its commit sees them: adjacent runs merged, every layer with its place in the
 * commit's own block of versions (docs/ARCHITECTURE.md "Writing").
 */

import type { StagedFile } from '../ingest/staging.ts';
import type { KeySpan } from '../mvcc/range-tombstones.ts';
import type { SwapLayer } from './dataset/swap-layer.ts';
import type { IngestLayer, Layer } from './overlay.ts';
import { RunSection } from './run.ts';

/** A table to be committed. `offset` counts from the first version of the commit's block. */
export interface CommitTable {
  readonly file: StagedFile;
  readonly offset: number;
  /** The ingest that brought it; undefined for the transaction's own puts. */
  readonly ingestId: string | undefined;
}

/** An ingest to be committed. `offset`: of the first of its versions. */
export interface CommitIngest {
  readonly layer: IngestLayer;
  readonly offset: number;
}

/** What a layer deletes of a keyspace by range. */
export interface CommitRange {
  readonly keyspace: string;
  readonly spans: readonly KeySpan[];
  readonly offset: number;
}

export type MergedLayer =
  | { readonly kind: 'run'; readonly sections: ReadonlyMap<string, RunSection> }
  | { readonly kind: 'ranges'; readonly spans: ReadonlyMap<string, readonly KeySpan[]> }
  // A run whose tables are built already.
  | { readonly kind: 'tables'; readonly files: readonly StagedFile[] }
  | IngestLayer
  | SwapLayer;

/** Adjacent runs as one, and adjacent range deletions: savepoints have served their purpose. Empty runs are left out. */
export function mergeRuns(layers: readonly Layer[]): MergedLayer[] {
  const merged: MergedLayer[] = [];
  for (const layer of layers) {
    if (layer.kind === 'ingest' || layer.kind === 'swap') {
      merged.push(layer);
      continue;
    }
    const previous = merged.at(-1);
    if (layer.kind === 'ranges') {
      if (previous?.kind !== 'ranges') merged.push(layer);
      else merged[merged.length - 1] = { kind: 'ranges', spans: mergeSpans(previous.spans, layer.spans) };
      continue;
    }
    if (layer.sections.size === 0) continue;
    if (previous?.kind !== 'run') merged.push(layer);
    else
      merged[merged.length - 1] = { kind: 'run', sections: mergeSections(previous.sections, layer.sections) };
  }
  return merged;
}

/** Copies keys and values of puts, which may be a caller's so far: it may change them as soon as its call has returned. */
export function ownRuns(layers: readonly MergedLayer[]): void {
  for (const layer of layers) {
    if (layer.kind === 'run') for (const section of layer.sections.values()) section.own();
  }
}

function mergeSpans(
  earlier: ReadonlyMap<string, readonly KeySpan[]>,
  later: ReadonlyMap<string, readonly KeySpan[]>,
): Map<string, readonly KeySpan[]> {
  const spans = new Map(earlier);
  for (const [keyspace, list] of later) spans.set(keyspace, [...(spans.get(keyspace) ?? []), ...list]);
  return spans;
}

/** Neither input changes: the transaction may be asked about them until it is over. */
function mergeSections(
  earlier: ReadonlyMap<string, RunSection>,
  later: ReadonlyMap<string, RunSection>,
): Map<string, RunSection> {
  const sections = new Map<string, RunSection>();
  for (const run of [earlier, later]) {
    for (const [keyspace, section] of run) {
      let target = sections.get(keyspace);
      if (target === undefined) {
        target = new RunSection();
        sections.set(keyspace, target);
      }
      target.absorb(section);
    }
  }
  return sections;
}
