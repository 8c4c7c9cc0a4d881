/** What an import tells of itself while it runs. */

import type { Clock } from '../base/env/env.ts';
import type { ImportPhase, ImportProgress, ImportState } from '../import-options.ts';
import { type ImportWork, rowCounts } from './import-work.ts';
import {
  BYTES_READ,
  BYTES_WRITTEN,
  ROWS_BAD,
  ROWS_DUPLICATE,
  ROWS_READ,
  ROWS_SORTED,
} from './thread/control.ts';

export class ProgressMeter {
  readonly #work: ImportWork;
  readonly #clock: Clock;
  readonly #startMs: number;
  #phase: ImportPhase = 'read';
  #phaseMs: number;
  /** Before the threads of this run of the import began. */
  #before = { rowsRead: 0, rowsBad: 0, rowsDuplicate: 0, rowsSorted: 0, bytesWritten: 0 };
  #loaded = 0;

  constructor(work: ImportWork, clock: Clock) {
    this.#work = work;
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#phaseMs = this.#startMs;
    this.#take();
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs;
  }

  enter(phase: ImportPhase, rowsLoaded = 0): void {
    this.#phase = phase;
    this.#phaseMs = this.#clock.monotonicMs();
    this.#loaded = rowsLoaded;
    if (phase !== 'read') this.#take();
  }

  #take(): void {
    const { row } = this.#work.record;
    const rowsSorted = rowCounts(row).rowsRead - rowCounts(row).rowsBad;
    this.#before = { ...rowCounts(row), rowsSorted, bytesWritten: row.bytesWritten };
  }

  progress(id: string, state: ImportState): ImportProgress {
    const { feeding, bytesTotal, mergeProgress } = this.#work;
    const isReading = this.#phase === 'read';
    const counted = (counter: number): number => (isReading ? (feeding?.counted(counter) ?? 0) : 0);
    const before = this.#before;
    const rowsRead = before.rowsRead + counted(ROWS_READ);
    const rowsSorted = before.rowsSorted + counted(ROWS_SORTED);
    const bytesRead = isReading ? counted(BYTES_READ) : (bytesTotal ?? 0);
    const merged = Atomics.load(mergeProgress, 0) * 1024;
    const toMerge = this.#work.record.row.runs.reduce(
      (sum, { files }) => sum + files.reduce((all, { bytes }) => all + bytes, 0),
      0,
    );
    const share = this.#phase === 'done' ? 1 : toMerge === 0 ? 0 : Math.min(1, merged / toMerge);
    const rowsWritten = isReading ? 0 : Math.round(rowsSorted * share);
    const phaseMs = Math.max(1, this.#clock.monotonicMs() - this.#phaseMs);
    const rows = isReading ? counted(ROWS_READ) : rowsWritten;
    const part = isReading ? (bytesTotal === undefined ? 0 : bytesRead / Math.max(1, bytesTotal)) : share;
    return {
      id,
      state,
      phase: this.#phase,
      bytesRead,
      bytesTotal,
      rowsRead,
      rowsBad: before.rowsBad + counted(ROWS_BAD),
      rowsDuplicate: before.rowsDuplicate + counted(ROWS_DUPLICATE),
      rowsSorted,
      rowsWritten,
      rowsLoaded: this.#loaded,
      bytesWritten: before.bytesWritten + counted(BYTES_WRITTEN) + Atomics.load(mergeProgress, 1) * 1024,
      elapsedMs: this.elapsedMs,
      rowsPerSecond: Math.round((rows * 1000) / phaseMs),
      etaMs: part > 0 ? Math.round((phaseMs * (1 - part)) / part) : undefined,
    };
  }
}
