/**
 * The layers of a transaction as its commit sees them: adjacent runs merged, every layer with its place in the
 * commit's own block of versions (docs/ARCHITECTURE.md "Writing").
 */

import type { StagedFile } from '../ingest/staging.ts';
import type { Layer } from './overlay.ts';
import { RunSection } from './run.ts';

/** A table to be committed. `offset` counts from the first version of the commit's block. */
export interface CommitTable {
  readonly file: StagedFile;
  readonly offset: number;
  /** The ingest that brought it; undefined for the transaction's own puts. */
  readonly ingestId: string | undefined;
}

export type MergedLayer =
  | { readonly kind: 'run'; readonly sections: ReadonlyMap<string, RunSection> }
  | Extract<Layer, { kind: 'ingest' }>;

/** Adjacent runs as one: savepoints have served their purpose. Empty runs are left out. */
export function mergeRuns(layers: readonly Layer[]): MergedLayer[] {
  const merged: MergedLayer[] = [];
  for (const layer of layers) {
    if (layer.kind === 'ingest') {
      merged.push(layer);
      continue;
    }
    if (layer.sections.size === 0) continue;
    const previous = merged.at(-1);
    if (previous?.kind !== 'run') merged.push(layer);
    else
      merged[merged.length - 1] = { kind: 'run', sections: mergeSections(previous.sections, layer.sections) };
  }
  return merged;
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
