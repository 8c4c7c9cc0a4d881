/** An import that was done before: the answer to a retry with its id. */

import type { ImportProgress, ImportResult, ImportTask } from '../import-options.ts';
import type { ImportRow } from '../manifest/rows.ts';
import { rowCounts } from './import-work.ts';

export class FinishedImport implements ImportTask {
  readonly id: string;
  readonly state = 'imported';
  readonly done: Promise<ImportResult>;
  readonly #row: ImportRow;
  readonly #result: ImportResult;

  constructor(row: ImportRow, result: ImportResult) {
    this.id = row.id;
    this.#row = row;
    this.#result = { ...result, replayed: true };
    this.done = Promise.resolve(this.#result);
  }

  progress(): ImportProgress {
    const { rowsLoaded, bytesWritten, elapsedMs } = this.#result;
    const rowsSorted = this.#result.rowsRead - this.#result.rowsBad;
    return {
      id: this.id,
      state: this.state,
      phase: 'done',
      bytesRead: 0,
      bytesTotal: undefined,
      ...rowCounts(this.#row),
      rowsSorted,
      rowsWritten: rowsSorted,
      rowsLoaded,
      bytesWritten,
      elapsedMs,
      rowsPerSecond: 0,
      etaMs: undefined,
    };
  }

  async pause(): Promise<void> {}

  resume(): void {}

  async cancel(): Promise<void> {}

  on(): () => void {
    return () => undefined;
  }
}
