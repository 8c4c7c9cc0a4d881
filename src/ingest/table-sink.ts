/** Where the records of a writer go: into a table, here or in a thread. */

import { EarlySyncFile } from '../base/env/early-sync-file.ts';
import type { File } from '../base/env/file-system.ts';
import type { StagedRecords } from '../sst/built-blocks.ts';
import { type BuiltTable, TableBuilder, type TableBuilderOptions } from '../sst/table-builder.ts';

/** After a failure everything fails with it: how much of the file is sound is not known. */
export interface TableSink {
  /** Borrows the records for the call. @throws SluiceError NO_SPACE, IO … now or later. */
  add(records: StagedRecords): void;
  /** All that was added is durable in the file, which is closed. @throws as `add`. */
  finish(): Promise<BuiltTable>;
  /** Gives up; the file is closed once nobody writes to it any more. Its name is the caller's to remove, at once. */
  abort(): Promise<void>;
}

/** Builds in the caller's calls. */
export class InlineSink implements TableSink {
  readonly #file: File;
  readonly #builder: TableBuilder;
  #failure: { readonly error: unknown } | undefined;

  constructor(file: File, options: TableBuilderOptions) {
    this.#file = new EarlySyncFile(file);
    this.#builder = new TableBuilder(this.#file, options);
  }

  add(records: StagedRecords): void {
    this.#throwIfFailed();
    try {
      this.#builder.addRecords(records);
      this.#builder.encodeStaged();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  async finish(): Promise<BuiltTable> {
    this.#throwIfFailed();
    const built = this.#builder.finish();
    await this.#file.datasync();
    this.#file.closeSync();
    return built;
  }

  async abort(): Promise<void> {
    this.#builder.abandon();
    this.#file.closeSync();
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
