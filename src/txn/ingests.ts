/** What was ingested, when and from where: what `db.ingests()` tells. */

import type { IngestRow } from '../manifest/rows.ts';
import type { Version } from '../mvcc/version.ts';
import type { Engine } from './engine.ts';

export interface IngestRecordFile {
  /** The path as it was given. */
  readonly file: string;
  readonly bytes: number;
  readonly smallest: Buffer;
  readonly largest: Buffer;
  /** Lower-case hex, where it was given or asked for. */
  readonly sha256: string | undefined;
  /** What the prefix `from` of the file's keys became. */
  readonly prefix: { readonly from: Buffer; readonly to: Buffer } | undefined;
  /** Attached. */
  readonly entries: number;
  /** Left out, as their keys existed. */
  readonly skipped: number;
  /** The table that was made of it, and where it went; compaction may have taken it since. */
  readonly table: number;
  readonly level: number;
  readonly version: Version;
}

export interface IngestRecord {
  readonly id: string;
  readonly version: Version;
  readonly time: Date;
  readonly keyspace: string;
  readonly files: readonly IngestRecordFile[];
  /** What would have to be kept for it is: `undoIngest` can be tried. */
  readonly undoable: boolean;
  /** The version at which it was undone. */
  readonly undoneAt: Version | undefined;
  /** The id of the ingest that this one is the undoing of. */
  readonly undoes: string | undefined;
}

/** Oldest first; those of one transaction in the order of its statements. */
export function listIngests(engine: Engine): IngestRecord[] {
  engine.checkOpen();
  const { visible } = engine.publication;
  return [...engine.manifest.state.ingests.values()]
    .filter(({ version }) => version <= visible)
    .sort((a, b) => a.version - b.version || firstVersion(a) - firstVersion(b))
    .map(ingestRecord);
}

/** Layers of one commit have ascending versions. */
function firstVersion({ version, files }: IngestRow): Version {
  return files[0]?.version ?? version;
}

export function ingestRecord({
  id,
  version,
  timeMs,
  files,
  undo,
  undoneAt,
  undoes,
}: IngestRow): IngestRecord {
  return {
    id,
    version,
    time: new Date(timeMs),
    keyspace: files[0]?.keyspace ?? '',
    files: files.map(({ source, keyspace: _, smallest, largest, prefix, ...rest }) => ({
      file: source,
      smallest: Buffer.from(smallest),
      largest: Buffer.from(largest),
      prefix: prefix && { from: Buffer.from(prefix.from), to: Buffer.from(prefix.to) },
      ...rest,
    })),
    undoable: undo !== undefined,
    undoneAt,
    undoes,
  };
}
