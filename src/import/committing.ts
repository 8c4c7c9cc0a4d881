/** The one commit of an import: an ingest of its tables, or a published version of a dataset. Its id makes it happen once. */

import type { EncodingName } from '../base/encoding.ts';
import { SluiceError } from '../base/errors.ts';
import { stagePublish } from '../txn/dataset/publish.ts';
import type { Engine } from '../txn/engine.ts';
import { retrying } from '../txn/retry.ts';
import { Transaction, TransactionCore } from '../txn/transaction.ts';
import type { ImportRecord } from './import-state.ts';

const BYTES: EncodingName = 'buffer';

/**
 * Resolves with the version. The tables are moved away; on failure they are where they were.
 * @throws what the ingest or the publication throws
 */
export async function commitTables(
  engine: Engine,
  record: ImportRecord,
  paths: readonly string[],
): Promise<number> {
  const { row, kept } = record;
  const { publish, into, ingest } = kept.spec;
  return retrying(engine.env, {}, async () => {
    // Of an attempt before this one, the outcome of which was not told.
    const earlier = engine.ingestOf(row.id);
    if (earlier !== undefined) return earlier.version;
    const core = new TransactionCore(engine, false);
    core.claim = record.claim;
    const txn = new Transaction(core, BYTES, BYTES);
    try {
      // The threads of this import have just written and synced them.
      const how = { mode: 'move', verify: 'footer' } as const;
      if (publish === undefined) await txn.ingest(paths, { ...ingest, ...how, into, id: row.id });
      else await stagePublish(core, into, paths, { keepVersions: undefined, ...publish, ...how, id: row.id });
      return (await txn.commit()).version;
    } finally {
      txn.abort();
    }
  });
}

/** Of an import without rows: what is to be replaced is deleted all the same. */
export async function commitNothing(engine: Engine, record: ImportRecord): Promise<number> {
  const { publish, into, ingest } = record.kept.spec;
  if (publish !== undefined) {
    const message = `There are no rows to publish as a version of ${JSON.stringify(publish.dataset)}`;
    throw new SluiceError('BAD_INPUT', message);
  }
  const { replace } = ingest;
  if (replace === undefined) return engine.publication.visible;
  const core = new TransactionCore(engine, false);
  core.claim = record.claim;
  const txn = new Transaction(core, BYTES, BYTES);
  try {
    txn.keyspace(into).deleteRange(replace === true ? {} : replace);
    return (await txn.commit()).version;
  } finally {
    txn.abort();
  }
}

export function publishedVersion(engine: Engine, { row, kept }: ImportRecord): number | undefined {
  const { publish } = kept.spec;
  if (publish === undefined) return undefined;
  const versions = engine.catalog.dataset(publish.dataset)?.versions ?? [];
  return versions.find(({ ingestId }) => ingestId === row.id)?.id;
}
