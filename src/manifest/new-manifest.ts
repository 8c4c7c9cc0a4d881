/** Writing a whole manifest at once, for a database that is made from another. */

import type { Env } from '../base/env/env.ts';
import { encodeCounters, encodeDatabase, encodeEdit, type Write } from './format.ts';
import { checkSpace } from './manifest.ts';
import type { Edit } from './rows.ts';
import type { ManifestState } from './state.ts';
import { Store } from './store.ts';

/** Of one LMDB transaction: the event loop stands still that long. */
const ROWS_MAX = 2000;

/**
 * Makes the directory `path` and the manifest in it, durable when this resolves, all but the name of `path`. A crash
 * on the way leaves a manifest that no open takes for a whole one: its first rows come last.
 *
 * @throws SluiceError NO_SPACE, IO
 */
export async function writeManifest(env: Env, path: string, state: ManifestState): Promise<void> {
  env.fs.mkdirSync(path);
  const rows = editsOf(state).map(encodeEdit);
  const head = [encodeDatabase(state.database), encodeCounters(state.counters, rows.length)];
  checkSpace(env, path, bytesOf(rows) + bytesOf(head));
  const store = new Store(path, false);
  try {
    for (let i = 0; i < rows.length; i += ROWS_MAX) {
      const some = rows.slice(i, i + ROWS_MAX);
      checkSpace(env, path, bytesOf(some));
      store.commit(some);
      await env.clock.turn();
    }
    store.commit(head);
  } finally {
    await store.close();
  }
  env.fs.syncDirectorySync(path);
}

function bytesOf(writes: readonly Write[]): number {
  return writes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
}

function editsOf(state: ManifestState): Exclude<Edit, { kind: 'counters' }>[] {
  const { tables, keyspaces, trees, ranges, ingests, datasets, imports, sharedImports } = state;
  const { commitBlocks, replicaCommits } = state;
  return [
    ...Array.from(tables.values(), (table) => ({ kind: 'addTable', table }) as const),
    ...Array.from(keyspaces.values(), (keyspace) => ({ kind: 'putKeyspace', keyspace }) as const),
    ...Array.from(trees.values(), (tree) => ({ kind: 'putTree', tree }) as const),
    ...Array.from(ranges.values(), (row) => ({ kind: 'putRangeTombstones', row }) as const),
    ...Array.from(ingests.values(), (ingest) => ({ kind: 'putIngest', ingest }) as const),
    ...Array.from(datasets.values(), (dataset) => ({ kind: 'putDataset', dataset }) as const),
    ...Array.from(imports.values(), (row) => ({ kind: 'putImport', row }) as const),
    ...Array.from(sharedImports.values(), (row) => ({ kind: 'putSharedImport', row }) as const),
    ...Array.from(commitBlocks.values(), (block) => ({ kind: 'addCommitBlock', block }) as const),
    ...Array.from(replicaCommits.values(), (commit) => ({ kind: 'addReplicaCommit', commit }) as const),
  ];
}
