/**
 * `sluice import --dry-run`: all rows are read, none is loaded. Tables are foretold by those of a sample, made in a temporary
 * directory: how well they are compressed, and to which levels tables of such ranges would go now.
 */

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatKey } from '../base/bytes.ts';
import { nodeEnv } from '../base/env/node-env.ts';
import { isSluiceError, throwIfAborted } from '../base/errors.ts';
import { open } from '../db.ts';
import { makeReader } from '../import/format/make-reader.ts';
import { formatSpecOf } from '../import/import-spec.ts';
import { expandSources, makeSource } from '../import/source/make-source.ts';
import { sourceName } from '../import/source/source-spec.ts';
import type { ImportOptions } from '../import-options.ts';
import { SstWriter } from '../ingest/sst-writer.ts';
import { type Arguments, EXIT_OK } from './command.ts';
import { ImportSurvey, type SampledRow } from './import-survey.ts';
import { type Io, Output } from './io.ts';
import { ProgressLine } from './progress-line.ts';
import { bytesText, columns, countText, jsonField, plural } from './text.ts';

const TABLE_BYTES = 64 << 20;
/** Beyond it, levels are asked for fewer and wider tables. */
const TABLES_ASKED = 64;
const TELL_MS = 200;

interface Forecast {
  readonly bytes: number;
  readonly tables: number;
  /** How many of the tables that were asked about go to each level. */
  readonly levels: ReadonlyMap<number, number>;
}

/** @returns the exit code */
export async function dryRun(
  args: Arguments,
  files: readonly string[],
  options: ImportOptions,
  io: Io,
): Promise<number> {
  const survey = await readAll(files, options, io);
  const rows = survey.sorted();
  const forecast = rows.length === 0 ? undefined : await foretell(rows, survey, args, options);
  const out = new Output(io.stdout);
  if (args.flag('json')) out.line(JSON.stringify({ dryRun: printed(survey, forecast) }));
  else for (const line of lines(survey, forecast, options)) out.line(line);
  await out.flush();
  return EXIT_OK;
}

async function readAll(files: readonly string[], options: ImportOptions, io: Io): Promise<ImportSurvey> {
  const spec = formatSpecOf(files, options);
  const survey = new ImportSurvey();
  const line = new ProgressLine(io);
  const signal = io.signal ?? new AbortController().signal;
  for (const each of expandSources(nodeEnv.fs, files, options.compression)) {
    const source = makeSource(each, nodeEnv, { fed: each.kind === 'fed' ? io.stdin : undefined });
    const reader = await makeReader(spec);
    survey.enter(sourceName(each), reader);
    const told = setInterval(() => {
      line.show(`${sourceName(each)}: ${bytesText(source.takenBytes)}, ${plural(survey.rows, 'row')}`);
    }, TELL_MS);
    try {
      await reader.read(source, survey, undefined, signal);
    } finally {
      clearInterval(told);
      line.end();
    }
    throwIfAborted(signal);
  }
  return survey;
}

async function foretell(
  rows: readonly SampledRow[],
  { bytes: rawBytes }: ImportSurvey,
  args: Arguments,
  { publish, into }: ImportOptions,
): Promise<Forecast> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-dry-run-'));
  try {
    const whole = join(dir, 'sample.sst');
    await writeTable(whole, rows);
    const sampled = rows.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    const bytes = Math.round((statSync(whole).size / sampled) * rawBytes);
    const tables = Math.max(1, Math.ceil(bytes / TABLE_BYTES));
    const asked = Math.min(tables, TABLES_ASKED, rows.length);
    const paths: string[] = [];
    for (let i = 0; i < asked; i++) {
      const part = rows.slice(
        Math.floor((i * rows.length) / asked),
        Math.floor(((i + 1) * rows.length) / asked),
      );
      const path = join(dir, `${i}.sst`);
      await writeTable(path, part);
      paths.push(path);
    }
    const keyspace = publish?.dataset ?? (typeof into === 'string' ? into : undefined);
    return { bytes, tables, levels: await levelsOf(args, paths, keyspace, publish?.kind === 'base') };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function writeTable(path: string, rows: readonly SampledRow[]): Promise<void> {
  await using writer = new SstWriter(path);
  for (const [key, value] of rows) writer.put(key, value);
  await writer.finish();
}

const BOTTOM_LEVEL = 6;

/** A base version, and a database that is not there, are empty below. */
async function levelsOf(
  args: Arguments,
  paths: readonly string[],
  into: string | undefined,
  isEmpty: boolean,
): Promise<Map<number, number>> {
  const levels = new Map<number, number>();
  const db = isEmpty ? undefined : await openIfThere(args.at(0, 'DB'));
  if (db === undefined) return levels.set(BOTTOM_LEVEL, paths.length);
  try {
    const plans = await db.explainIngest(paths, into === undefined ? {} : { into });
    for (const { level } of plans) levels.set(level, (levels.get(level) ?? 0) + 1);
    return levels;
  } finally {
    await db.close();
  }
}

async function openIfThere(dir: string): Promise<Awaited<ReturnType<typeof open>> | undefined> {
  try {
    return await open(dir, { readOnly: true, createIfMissing: false });
  } catch (error) {
    if (isSluiceError(error, 'NOT_A_DATABASE') || isSluiceError(error, 'FILE_NOT_FOUND')) return undefined;
    throw error;
  }
}

function levelsText({ levels }: Forecast): string {
  const each = [...levels].sort(([a], [b]) => a - b);
  const asked = each.reduce((sum, [, count]) => sum + count, 0);
  const shares = each.map(([level, count]) =>
    each.length === 1 ? `level ${level}` : `${Math.round((100 * count) / asked)} % level ${level}`,
  );
  return shares.join(', ');
}

function lines(survey: ImportSurvey, forecast: Forecast | undefined, options: ImportOptions): string[] {
  const { rows, rowsBad, bytes, inOrder, smallest, largest, badRows } = survey;
  const range =
    smallest === undefined || largest === undefined ? '' : `${formatKey(smallest)} … ${formatKey(largest)}`;
  const table = [
    ['rows', countText(rows)],
    ['bad rows', countText(rowsBad)],
    ['keys', range],
    ['in key order', inOrder ? 'yes' : 'no'],
    ['keys and values', bytesText(bytes)],
    ...(forecast === undefined
      ? []
      : [
          [
            'tables',
            `about ${countText(forecast.tables)}, ${bytesText(forecast.bytes)}, ${levelsText(forecast)}`,
          ],
        ]),
  ];
  const more = rowsBad - badRows.length;
  return [
    ...badRows.map(({ source, row, reason }) => `${source}: row ${row}: ${reason}`),
    ...(more > 0 ? [`… and ${plural(more, 'more bad row')}`] : []),
    ...columns(table),
    ...(rowsBad > 0 && options.onBadRow !== 'skip'
      ? ['The import would fail at its first bad row; --reject FILE or --max-bad-rows leaves bad rows out']
      : []),
  ];
}

function printed(survey: ImportSurvey, forecast: Forecast | undefined): object {
  const { rows, rowsBad, bytes, inOrder, smallest, largest, badRows } = survey;
  return {
    rows,
    rowsBad,
    badRows,
    bytes,
    inOrder,
    ...(smallest !== undefined && jsonField('smallest', smallest, false)),
    ...(largest !== undefined && jsonField('largest', largest, false)),
    ...(forecast !== undefined && {
      tables: forecast.tables,
      tableBytes: forecast.bytes,
      levels: Object.fromEntries(forecast.levels),
    }),
  };
}
