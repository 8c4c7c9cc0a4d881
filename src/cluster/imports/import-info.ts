/** What the nodes of a cluster tell each other of an import, beside who has it: what was asked for, and how far it is. JSON, as rows have it. */

import { SluiceError } from '../../base/errors.ts';
import type { ImportSpec } from '../../import/import-spec.ts';
import { keptSpec, specOfJson } from '../../import/import-state.ts';
import { rowCounts } from '../../import/import-work.ts';
import { sourceName } from '../../import/source/source-spec.ts';
import type { ImportProgress, ImportResult, ImportTaskInfo } from '../../import-options.ts';
import type { ImportRow, SharedImportRow } from '../../manifest/rows.ts';
import type { Engine } from '../../txn/engine.ts';
import { isErrorCode } from '../http/status-codes.ts';

export interface ImportInfo {
  readonly startedMs: number;
  readonly sources: readonly string[];
  readonly rowsRead: number;
  readonly rowsBad: number;
  readonly rowsDuplicate: number;
  readonly runs: number;
  readonly bytesWritten: number;
  readonly error?: { readonly code: string; readonly message: string };
  readonly result?: ImportResult;
}

/** Of more sources the first are told. */
const SOURCES_TOLD = 100;

export function firstInfo(spec: ImportSpec, startedMs: number): ImportInfo {
  const sources = (spec.inputs ?? []).slice(0, SOURCES_TOLD);
  return { startedMs, sources, rowsRead: 0, rowsBad: 0, rowsDuplicate: 0, runs: 0, bytesWritten: 0 };
}

/** @param failure what has failed it, in state 'failed' */
export function infoOfRow(row: ImportRow, failure: unknown): ImportInfo {
  const { spec, sources } = keptSpec(row);
  const { startedMs, runs, bytesWritten, error, result } = row;
  const names = sources.length > 0 ? sources.map(sourceName) : (spec.inputs ?? []);
  return {
    ...firstInfo(spec, startedMs),
    sources: names.slice(0, SOURCES_TOLD),
    ...rowCounts(row),
    runs: runs.length,
    bytesWritten,
    ...(row.state === 'failed' && { error: toldOf(failure, error) }),
    ...(result !== undefined && { result: JSON.parse(result) as ImportResult }),
  };
}

export function toldOf(
  failure: unknown,
  message?: string,
): { readonly code: string; readonly message: string } {
  const code = failure instanceof SluiceError ? failure.code : 'IO';
  return { code, message: message ?? (failure instanceof Error ? failure.message : String(failure)) };
}

export function infoOf({ info }: SharedImportRow): ImportInfo {
  return JSON.parse(info) as ImportInfo;
}

export function sharedSpec({ spec }: SharedImportRow): ImportSpec {
  return specOfJson(spec);
}

/** What ended it, told to another node's caller. */
export function failureOf(row: SharedImportRow): SluiceError {
  const { code = '', message = '' } = infoOf(row).error ?? {};
  if (row.state === 'cancelled') return new SluiceError('ABORTED', `The import ${row.id} was cancelled`);
  return new SluiceError(isErrorCode(code) ? code : 'IO', `On the node ${row.node}: ${message}`);
}

/** Of one that is committed: as far as all nodes know, where the one that committed it could not tell. */
export function resultOf(engine: Engine, row: SharedImportRow): ImportResult {
  const { result, rowsRead, rowsBad, bytesWritten, startedMs } = infoOf(row);
  const { publish, rejectFile } = sharedSpec(row);
  const ingest = engine.ingestOf(row.id);
  const rowsLoaded = (ingest?.files ?? []).reduce((sum, { entries, skipped }) => sum + entries + skipped, 0);
  const versions = publish === undefined ? [] : (engine.catalog.dataset(publish.dataset)?.versions ?? []);
  return {
    id: row.id,
    version: row.version ?? engine.visible,
    path: 'ingest',
    rowsRead,
    rowsLoaded,
    rowsDuplicate: rowsRead - rowsBad - rowsLoaded,
    rowsBad,
    tables: ingest?.files.length ?? 0,
    bytesWritten,
    elapsedMs: Math.max(0, (ingest?.timeMs ?? startedMs) - startedMs),
    rejectFile,
    datasetVersion: versions.find(({ ingestId }) => ingestId === row.id)?.id,
    ...result,
    replayed: true,
  };
}

export function taskInfoOf(engine: Engine, row: SharedImportRow, running: boolean): ImportTaskInfo {
  const { error, result, startedMs, rowsRead, rowsBad, ...counts } = infoOf(row);
  const { into, publish, format } = sharedSpec(row);
  return {
    id: row.id,
    state: row.state,
    node: row.node,
    running,
    into,
    dataset: publish?.dataset,
    format: format.format,
    started: new Date(startedMs),
    rowsRead,
    rowsBad,
    ...counts,
    rowsSorted: rowsRead - rowsBad,
    error: error?.message,
    result: row.state === 'imported' ? (result ?? resultOf(engine, row)) : undefined,
  };
}

/** As far as other nodes know. */
export function progressOf(engine: Engine, row: SharedImportRow): ImportProgress {
  const { startedMs, rowsRead, rowsBad, rowsDuplicate, bytesWritten } = infoOf(row);
  const rowsLoaded = row.state === 'imported' ? resultOf(engine, row).rowsLoaded : 0;
  return {
    id: row.id,
    state: row.state,
    phase: row.state === 'imported' ? 'done' : row.state === 'importing' ? 'merge' : 'read',
    bytesRead: 0,
    bytesTotal: undefined,
    rowsRead,
    rowsBad,
    rowsDuplicate,
    rowsSorted: rowsRead - rowsBad,
    rowsWritten: rowsLoaded,
    rowsLoaded,
    bytesWritten,
    elapsedMs: Math.max(0, engine.env.clock.nowMs() - startedMs),
    rowsPerSecond: 0,
    etaMs: undefined,
  };
}
