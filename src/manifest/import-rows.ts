/**
 * How the rows of imports are coded (format.ts):
 *
 *     "M" + import id, UTF-8   [state, startedMs, spec, lanes, runs, rowsDuplicate, bytesWritten, error | null, result | null]
 *       lane                   [source, row, offset, state | null, document | null, rowsRead, rowsBad, rejectBytes, runs, ended]
 *       run                    [version | null, movable, [[id, bytes, entries, smallest, largest], …]]
 */

import type { Version } from '../mvcc/version.ts';
import { Fields, open } from './fields.ts';
import type { FileId, ImportLaneRow, ImportRow, ImportRunRow, ImportState } from './rows.ts';

export function importValues(r: ImportRow): unknown[] {
  const lanes = r.lanes.map((lane) => [
    lane.source,
    lane.row,
    lane.offset,
    lane.state ?? null,
    lane.document ?? null,
    lane.rowsRead,
    lane.rowsBad,
    lane.rejectBytes,
    lane.runs,
    lane.ended,
  ]);
  const runs = r.runs.map(({ version, movable, files }) => [
    version ?? null,
    movable,
    files.map(({ id, bytes, entries, smallest, largest }) => [id, bytes, entries, smallest, largest]),
  ]);
  const { state, startedMs, spec, rowsDuplicate, bytesWritten, error, result } = r;
  return [state, startedMs, spec, lanes, runs, rowsDuplicate, bytesWritten, error ?? null, result ?? null];
}

export function decodeImport(key: Uint8Array, value: Uint8Array): ImportRow {
  const id = Buffer.from(key).toString('utf8', 1);
  const what = `the row of import ${id}`;
  const f = open(what, key, value);
  return {
    id,
    state: f.text<ImportState>(),
    startedMs: f.number(),
    spec: f.text(),
    lanes: f.list().map((lane) => decodeLane(new Fields(what, lane))),
    runs: f.list().map((run) => decodeRun(what, new Fields(what, run))),
    rowsDuplicate: f.number(),
    bytesWritten: f.number(),
    error: f.textOrNull() ?? undefined,
    result: f.textOrNull() ?? undefined,
  };
}

function decodeLane(f: Fields): ImportLaneRow {
  return {
    source: f.number(),
    row: f.number(),
    offset: f.number(),
    state: f.textOrNull() ?? undefined,
    document: f.textOrNull() ?? undefined,
    rowsRead: f.number(),
    rowsBad: f.number(),
    rejectBytes: f.number(),
    runs: f.number(),
    ended: f.flag(),
  };
}

function decodeRun(what: string, f: Fields): ImportRunRow {
  return {
    version: f.numberOrNull<Version>() ?? undefined,
    movable: f.flag(),
    files: f.list().map((values) => {
      const file = new Fields(what, values);
      return {
        id: file.number<FileId>(),
        bytes: file.number(),
        entries: file.number(),
        smallest: file.bytes(),
        largest: file.bytes(),
      };
    }),
  };
}
