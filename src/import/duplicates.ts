/** Duplicates across runs whose entries have versions of their own, told with the rows that they came from. */

import { at as elementAt } from '../base/assert.ts';
import { formatKey } from '../base/bytes.ts';
import { SluiceError } from '../base/errors.ts';
import { runCursor } from '../levels/compaction/cursor-merge.ts';
import { PENDING } from '../mvcc/cursor.ts';
import { mergeCursors } from '../mvcc/merge.ts';
import type { Version } from '../mvcc/version.ts';
import { BlockCache } from '../sst/block-cache.ts';
import type { Engine } from '../txn/engine.ts';
import type { ImportRecord } from './import-state.ts';
import { rowsOf } from './merging.ts';
import { sourceName } from './source/source-spec.ts';
import { rowOfVersion } from './thread/records.ts';

const CACHE_BYTES = 1 << 20;
/** Between two turns of the event loop. */
const SLICE_MS = 4;
const LOOK_ENTRIES = 256;

export interface Duplicate {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Of the row that won. */
  readonly first: RowPlace;
  readonly place: RowPlace;
}

interface RowPlace {
  readonly source: string;
  readonly row: number;
}

/** In key order, and within a key in the order of the rows. The event loop gets its turns. */
export async function* duplicatesOf(engine: Engine, record: ImportRecord): AsyncGenerator<Duplicate> {
  const { row, kept, runsDir } = record;
  const { fs, clock } = engine.env;
  const entries = mergeCursors(
    row.runs.map((run) => runCursor(runsDir, rowsOf(run), fs, new BlockCache(CACHE_BYTES))),
  );
  const placeOf = (version: Version): RowPlace => {
    const place = rowOfVersion('first', version);
    return { source: sourceName(elementAt(kept.sources, place.source)), row: place.row };
  };
  let key = new Uint8Array(0);
  let first: Version | undefined;
  let sliceEndMs = clock.monotonicMs() + SLICE_MS;
  try {
    while (entries.first() === PENDING) entries.loadSync();
    for (let n = 1; entries.valid; n++) {
      const { keyBytes, keyStart, keyLength, version } = entries;
      const own = keyBytes.subarray(keyStart, keyStart + keyLength);
      if (first !== undefined && Buffer.compare(own, key) === 0) {
        const { valueBytes, valueStart, valueLength } = entries;
        const value = valueBytes.slice(valueStart, valueStart + valueLength);
        yield { key, value, first: placeOf(first), place: placeOf(version) };
      } else {
        key = Uint8Array.from(own);
        first = version;
      }
      while (entries.next() === PENDING) entries.loadSync();
      if (n % LOOK_ENTRIES !== 0 || clock.monotonicMs() < sliceEndMs) continue;
      await clock.turn();
      sliceEndMs = clock.monotonicMs() + SLICE_MS;
    }
  } finally {
    entries.close();
  }
}

/** REQUIRES: there is one. */
export async function firstDuplicate(engine: Engine, record: ImportRecord): Promise<SluiceError> {
  for await (const { key, first, place } of duplicatesOf(engine, record)) {
    const message = `The key ${formatKey(key)} comes twice: in row ${first.row} of ${first.source} and in row ${place.row} of ${place.source}`;
    return new SluiceError('KEY_EXISTS', message, { keys: [Buffer.from(key)], keyCount: 1 });
  }
  return new SluiceError('CORRUPTION', 'The runs of the import have changed since they were merged');
}
