/** How rows of ingests are coded: the array of format.ts's "I". */

import type { Version } from '../mvcc/version.ts';
import { Fields } from './fields.ts';
import { prefixOf, prefixValues } from './prefix-row.ts';
import type { FileId, IngestedFileRow, IngestRow, TreeId, UndoPins } from './rows.ts';

export function ingestValues({ version, timeMs, files, undo, undoneAt, undoes }: IngestRow): unknown[] {
  const pins = undo && [undo.tree, undo.before, undo.through, undo.from, undo.to ?? null];
  return [version, timeMs, files.map(ingestedFileValues), pins ?? null, undoneAt ?? null, undoes ?? null];
}

function ingestedFileValues(f: IngestedFileRow): unknown[] {
  return [
    f.source,
    f.table,
    f.keyspace,
    f.level,
    f.version,
    f.entries,
    f.bytes,
    f.smallest,
    f.largest,
    f.sha256 ?? null,
    f.skipped,
    prefixValues(f.prefix),
  ];
}

export function ingestRow(id: string, what: string, f: Fields): IngestRow {
  return {
    id,
    version: f.number<Version>(),
    timeMs: f.number(),
    files: f.list().map((file) => ingestedFileOf(what, new Fields(what, file))),
    undo: f.done ? undefined : undoOf(what, f),
    undoneAt: f.done ? undefined : (f.numberOrNull<Version>() ?? undefined),
    undoes: f.done ? undefined : (f.textOrNull() ?? undefined),
  };
}

function undoOf(what: string, row: Fields): UndoPins | undefined {
  const values = row.listOrNull();
  if (values === null) return undefined;
  const f = new Fields(what, values);
  return {
    tree: f.number<TreeId>(),
    before: f.number<Version>(),
    through: f.number<Version>(),
    from: f.bytes(),
    to: f.bytesOrNull() ?? undefined,
  };
}

function ingestedFileOf(what: string, f: Fields): IngestedFileRow {
  return {
    source: f.text(),
    table: f.number<FileId>(),
    keyspace: f.text(),
    level: f.number(),
    version: f.number<Version>(),
    entries: f.number(),
    bytes: f.number(),
    smallest: f.bytes(),
    largest: f.bytes(),
    sha256: f.textOrNull() ?? undefined,
    skipped: f.done ? 0 : f.number(),
    prefix: prefixOf(what, f),
  };
}
