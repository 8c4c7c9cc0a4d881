/** The work of one import, step by step. Each step begins at what the row says, so a restart runs the same code. */

import { at } from '../base/assert.ts';
import { standardInput } from '../base/env/byte-streams.ts';
import { SluiceError } from '../base/errors.ts';
import type { BackgroundRunner } from '../levels/compaction/runner.ts';
import { tableIdOf } from '../manifest/directory.ts';
import type { FileId, ImportRow, ImportRunRow } from '../manifest/rows.ts';
import type { Engine } from '../txn/engine.ts';
import { firstDuplicate } from './duplicates.ts';
import { Feeding } from './feeding.ts';
import { type ImportRecord, newLane } from './import-state.ts';
import { ByteFeed, type MainFeed } from './main-feed.ts';
import { fanIn, lanesOf, planFeeding } from './memory-plan.ts';
import { type MergedTables, Merging } from './merging.ts';
import { expandSources } from './source/make-source.ts';
import type { SourceSpec } from './source/source-spec.ts';
import { BAD_ROWS, CONTROL_WORDS } from './thread/control.ts';
import type { FinishedRun, RunRules } from './thread/messages.ts';
import { SOURCES_MAX } from './thread/records.ts';

export class ImportWork {
  readonly control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  /** KiB read and written by merges. */
  readonly mergeProgress = new Int32Array(new SharedArrayBuffer(8));
  readonly record: ImportRecord;
  readonly #engine: Engine;
  readonly #runner: BackgroundRunner;
  readonly #feed: MainFeed | undefined;
  /** Of the sources that have a size. */
  bytesTotal: number | undefined;
  feeding: Feeding | undefined;
  merging: Merging | undefined;

  constructor(engine: Engine, runner: BackgroundRunner, record: ImportRecord, feed: MainFeed | undefined) {
    this.#engine = engine;
    this.#runner = runner;
    this.record = record;
    this.#feed = feed;
  }

  /** Finds out what the sources are, and divides them among lanes. */
  async begin(): Promise<void> {
    const { record } = this;
    record.makeDirectories();
    this.#sweep();
    if (record.row.lanes.length === 0) await this.#divide();
    this.bytesTotal = this.#storedBytes();
  }

  async #divide(): Promise<void> {
    const { record } = this;
    const { spec } = record.kept;
    const sources =
      spec.inputs === undefined
        ? [fedSource(spec.compression)]
        : expandSources(this.#engine.env.fs, spec.inputs, spec.compression);
    if (sources.length > SOURCES_MAX) throw new TypeError(`source must be at most ${SOURCES_MAX} files`);
    const lanes = lanesOf(sources.length, spec.threads, spec.presorted);
    const ends = divided(
      sources.map((source) => this.#bytesOf(source) ?? 1),
      lanes,
    );
    const kept = {
      ...record.kept,
      sources,
      laneEnds: ends,
    };
    await record.put(
      { state: 'feeding', lanes: ends.map((_, i) => newLane(i === 0 ? 0 : at(ends, i - 1))) },
      kept,
    );
  }

  async feed(): Promise<void> {
    const { record } = this;
    const { row, kept } = record;
    const { spec } = kept;
    const left = row.lanes.filter(({ ended }) => !ended).length;
    if (left === 0) return;
    if (row.state !== 'feeding') await record.put({ state: 'feeding' });
    const { builder, compaction, tablesDir: _ } = this.#engine.settings;
    const bad = row.lanes.reduce((sum, { rowsBad }) => sum + rowsBad, 0);
    Atomics.store(this.control, BAD_ROWS, bad);
    const { maxBadRows } = spec;
    this.feeding = new Feeding({
      env: this.#engine.env,
      plan: planFeeding(spec, left, this.#plainBytes(), builder.blockBytes),
      sources: kept.sources,
      laneEnds: kept.laneEnds,
      lanes: row.lanes,
      format: spec.format,
      rules: this.rules,
      before: spec.presorted ? row.runs.at(-1)?.files.at(-1)?.largest : undefined,
      skipsBadRows: spec.skipsBadRows,
      badRowsMax: maxBadRows === undefined || maxBadRows < 1 ? Number.MAX_SAFE_INTEGER : maxBadRows,
      dir: record.runsDir,
      builder: { ...builder, dbId: this.#engine.manifest.state.database.id },
      targetFileBytes: compaction.limits.targetFileBytes,
      control: this.control,
      feed: this.#feed ?? (kept.sources.some(({ kind }) => kind === 'fed') ? standardInputFeed() : undefined),
      onRun: (finished) => this.#addRun(finished),
    });
    await this.feeding.run();
    this.#checkRatio();
  }

  get rules(): RunRules {
    const { duplicates, presorted } = this.record.kept.spec;
    const told = duplicates === 'error' || duplicates === 'skip-and-report';
    return {
      order: duplicates === 'last' ? 'last' : 'first',
      keepsRows: told,
      duplicates: duplicates === 'error' ? 'fail' : duplicates === 'skip-and-report' ? 'report' : 'drop',
      presorted,
    };
  }

  async merge(): Promise<MergedTables> {
    const { record } = this;
    const { row, kept } = record;
    const { spec } = kept;
    if (row.state !== 'importing') await record.put({ state: 'importing' });
    const { builder, compaction } = this.#engine.settings;
    let nextId = this.#nextFileId();
    const { keepsRows, duplicates } = this.rules;
    this.merging = new Merging({
      runsDir: record.runsDir,
      tablesDir: record.tablesDir,
      builder: { ...builder, dbId: this.#engine.manifest.state.database.id },
      targetFileBytes: compaction.limits.targetFileBytes,
      threads: spec.threads,
      fanIn: spec.fanIn ?? fanIn(spec.memoryLimitBytes, spec.threads, builder.blockBytes),
      keepsDuplicates: keepsRows,
      runner: this.#runner,
      progress: this.mergeProgress,
      newFileId: () => nextId++ as FileId,
      onMerged: (runs, merged, count, bytes) => this.#replaceRuns(runs, merged, count, bytes),
    });
    const merged = await this.merging.run(row.runs);
    if (merged.rowsDuplicate > 0 && duplicates === 'fail') {
      throw await firstDuplicate(this.#engine, record);
    }
    return merged;
  }

  /** L2: the run is on disk; from here on a restart does not read its rows again. */
  #addRun({ end, run, rowsDuplicate, bytesWritten }: FinishedRun): Promise<void> {
    const { row } = this.record;
    return this.record.put({
      lanes: row.lanes.map((lane, i) => (i === end.lane ? end.after : lane)),
      runs: run.files.length === 0 ? row.runs : [...row.runs, run],
      rowsDuplicate: row.rowsDuplicate + rowsDuplicate,
      bytesWritten: row.bytesWritten + bytesWritten,
    });
  }

  async #replaceRuns(
    runs: readonly ImportRunRow[],
    merged: ImportRunRow,
    duplicates: number,
    bytes: number,
  ): Promise<void> {
    const { row } = this.record;
    // A run of the row and one given are the same when they begin with the same file.
    const gone = new Set(runs.map(({ files }) => files[0]?.id));
    await this.record.put({
      runs: [...row.runs.filter(({ files }) => !gone.has(files[0]?.id)), merged],
      rowsDuplicate: row.rowsDuplicate + duplicates,
      bytesWritten: row.bytesWritten + bytes,
    });
    this.#sweep();
  }

  #checkRatio(): void {
    const { lanes } = this.record.row;
    const { maxBadRows } = this.record.kept.spec;
    if (maxBadRows === undefined || maxBadRows >= 1) return;
    const read = lanes.reduce((sum, { rowsRead }) => sum + rowsRead, 0);
    const bad = lanes.reduce((sum, { rowsBad }) => sum + rowsBad, 0);
    if (bad <= maxBadRows * read) return;
    const message = `${bad} of ${read} rows are bad, more than options.maxBadRows: ${maxBadRows} allows`;
    throw new SluiceError('BAD_INPUT', message);
  }

  /** Tables that no run of the row has: of work that was ended in the middle. */
  #sweep(): void {
    const { fs } = this.#engine.env;
    const { row, runsDir, tablesDir } = this.record;
    const named = new Set(row.runs.flatMap(({ files }) => files.map(({ id }) => id)));
    for (const dir of [runsDir, tablesDir]) {
      for (const name of fs.readdirSync(dir)) {
        const id = tableIdOf(name);
        if (id !== undefined && (dir === tablesDir || !named.has(id))) fs.unlinkSync(`${dir}/${name}`);
      }
    }
  }

  #nextFileId(): number {
    const ids = this.record.row.runs.flatMap(({ files }) => files.map(({ id }) => id as number));
    return Math.max(MERGED_IDS, ...ids) + 1;
  }

  #bytesOf(source: SourceSpec): number | undefined {
    return source.kind === 'file' ? this.#engine.env.fs.statSync(source.path).bytes : undefined;
  }

  /** Undefined where a source may be compressed. */
  #plainBytes(): number | undefined {
    const isPlain = ({ compression, kind }: SourceSpec): boolean => kind === 'file' && compression !== 'gzip';
    return this.record.kept.sources.every(isPlain) ? this.bytesTotal : undefined;
  }

  #storedBytes(): number | undefined {
    let sum = 0;
    for (const source of this.record.kept.sources) {
      const bytes = this.#bytesOf(source);
      if (bytes === undefined) return undefined;
      sum += bytes;
    }
    return sum;
  }
}

/** Of an import that goes on: given again, from its beginning. */
function standardInputFeed(): MainFeed {
  return new ByteFeed(standardInput());
}

/** Above those of lanes. */
const MERGED_IDS = 9e14;

export function rowCounts({ lanes, rowsDuplicate }: ImportRow): {
  rowsRead: number;
  rowsBad: number;
  rowsDuplicate: number;
} {
  const rowsRead = lanes.reduce((sum, lane) => sum + lane.rowsRead, 0);
  const rowsBad = lanes.reduce((sum, lane) => sum + lane.rowsBad, 0);
  return { rowsRead, rowsBad, rowsDuplicate };
}

function fedSource(compression: SourceSpec['compression']): SourceSpec {
  return { kind: 'fed', name: 'the stream given', compression };
}

/** Where each of `parts` parts of about the same sum ends; none is empty. */
export function divided(sizes: readonly number[], parts: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const ends: number[] = [];
  let sum = 0;
  for (const [i, size] of sizes.entries()) {
    sum += size;
    const partsLeft = parts - ends.length;
    const mustEnd = sizes.length - i === partsLeft;
    if (partsLeft > 1 && (mustEnd || sum >= (total * (ends.length + 1)) / parts)) ends.push(i + 1);
  }
  return [...ends, sizes.length];
}
