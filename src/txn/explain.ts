/** `explainIngest`: where files would go, and what stands in the way of a lower level. Changes nothing. */

import { SluiceError } from '../base/errors.ts';
import { type Blocker, placeTable } from '../levels/placement.ts';
import { Reservations } from '../levels/reservations.ts';
import { Levels } from '../manifest/levels.ts';
import type { TableRow } from '../manifest/rows.ts';
import type { Engine } from './engine.ts';
import { checkFiles, checkIngestOptions, type IngestOptions, keyspaceOf } from './ingest-options.ts';
import { prefixRewrite } from './ingest-prefix.ts';

export interface IngestPlan {
  readonly file: string;
  readonly keyspace: string;
  readonly entries: number;
  readonly bytes: number;
  readonly rangeDeletes: number;
  readonly smallest: Buffer;
  readonly largest: Buffer;
  readonly level: number;
  /** For each lower level that was passed over, what overlaps the file's range there. */
  readonly blockers: readonly Blocker[];
}

/** Checks footers, indexes and both ends of the files; throws what an ingest of them would throw for those. */
export async function explainIngest(
  engine: Engine,
  files: string | readonly string[],
  options: IngestOptions,
): Promise<IngestPlan[]> {
  engine.checkOpen();
  const sources = checkFiles(files);
  checkIngestOptions(options, sources.length);
  const keyspace = keyspaceOf(options, engine);
  const tables = await engine.staging.inspect(sources, {
    prefix: prefixRewrite(options.prefix),
    signal: options.signal,
  });
  try {
    const tree = engine.catalog.newest(keyspace);
    const plans: IngestPlan[] = [];
    const earlier: Pick<TableRow, 'level' | 'smallest' | 'largest'>[] = [];
    for (const [i, table] of tables.entries()) {
      const { entries, rangeDeletes, bytes, smallest, largest } = table.facts;
      const file = sources[i] as string;
      if (smallest === undefined || largest === undefined) {
        throw new SluiceError('UNSUPPORTED_FORMAT', `${file} holds no entries: there is nothing to ingest`);
      }
      // A keyspace that is not there yet is empty: everything fits the lowest level that the list itself leaves free.
      const { level, blockers } =
        tree?.place(smallest, largest, earlier) ??
        placeTable(Levels.EMPTY, new Reservations(), smallest, largest, earlier);
      earlier.push({ level, smallest, largest });
      const bounds = { smallest: Buffer.from(smallest), largest: Buffer.from(largest) };
      plans.push({ file, keyspace, entries, rangeDeletes, bytes, ...bounds, level, blockers });
    }
    return plans;
  } finally {
    for (const table of tables) table.dispose();
  }
}
