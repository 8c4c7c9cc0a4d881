/**
 * Which keys of a staged file there are already, for the statement that ingests it: in the transaction's snapshot, with
 * the statements before it on top.
 *
 * Where nothing lies in the file's range, the file is not even read.
 */

import { compareRanges, successor } from '../base/bytes.ts';
import { throwIfAborted } from '../base/errors.ts';
import type { StagedFile } from '../ingest/staging.ts';
import { type Also, CommonKeys, EntryKeys } from '../mvcc/common-keys.ts';
import { type Cursor, PENDING, READY } from '../mvcc/cursor.ts';
import { mergeCursors } from '../mvcc/merge.ts';
import { MAX_VERSION, NO_VERSION, OVERLAY_FLOOR } from '../mvcc/version.ts';
import type { BuiltTable } from '../sst/table-builder.ts';
import type { Overlay } from './overlay.ts';
import { buildTable, ENTRIES_PER_TURN } from './run-table.ts';
import type { TransactionCore } from './transaction.ts';
import { TransactionReader } from './transaction-reader.ts';

export interface PresenceOptions {
  readonly core: TransactionCore;
  /** The statements before the ingest. */
  readonly own: Overlay;
  readonly keyspace: string;
  /** A key that was deleted is there too, as far back as tombstones are kept. */
  readonly deletedToo: boolean;
  readonly signal: AbortSignal | undefined;
}

const READAHEAD_BYTES = 1 << 20;

export class Presence {
  readonly #options: PresenceOptions;
  readonly #file: StagedFile;

  constructor(file: StagedFile, options: PresenceOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** Whether any key of the file is there. */
  async any(): Promise<boolean> {
    return this.#using(async (common) => (await this.#next(common)) !== undefined);
  }

  /** Calls back for each key of the file that is there. */
  async each(visit: (key: Uint8Array) => void): Promise<void> {
    await this.#using(async (common) => {
      for (;;) {
        const status = common.next();
        const key = status === READY ? common.key : await this.#next(common, status);
        if (key === undefined) return;
        visit(key);
      }
    });
  }

  /** A table of the entries whose keys are not there, under a new id. */
  async buildAbsent(id: StagedFile['id']): Promise<StagedFile | undefined> {
    const { engine } = this.#options.core;
    const path = engine.tablePath(id);
    const entries = this.#file.table.cursor(NO_VERSION, {
      readaheadBytes: READAHEAD_BYTES,
      fillCache: false,
    });
    let built: BuiltTable;
    try {
      built = await this.#using((common) =>
        buildTable({ env: engine.env, id, path, builder: engine.settings.builder }, async (builder) => {
          while (entries.first() === PENDING) await entries.load();
          let n = 0;
          for (let there = await this.#next(common); ; there = await this.#next(common)) {
            while (entries.valid && (there === undefined || isBefore(entries, there))) {
              const { keyBytes, keyStart, keyLength, type, valueBytes, valueStart, valueLength } = entries;
              builder.add(
                keyBytes,
                keyStart,
                keyLength,
                NO_VERSION,
                type,
                valueBytes,
                valueStart,
                valueLength,
              );
              if (++n % ENTRIES_PER_TURN === 0) await engine.env.clock.turn();
              while (entries.next() === PENDING) await entries.load();
            }
            if (there === undefined) return;
            while (entries.next() === PENDING) await entries.load();
          }
        }),
      );
    } finally {
      entries.close();
    }
    const table = engine.openTable(path, undefined);
    const { bytes, deletes, smallest, largest } = built;
    const file = {
      ...this.#file,
      id,
      path,
      table,
      bytes,
      entries: built.entries,
      deletes,
      smallest,
      largest,
      prefix: undefined,
    };
    if (built.entries > 0) return file;
    engine.staging.discard([file]);
    return undefined;
  }

  async #next(common: CommonKeys, asked?: ReturnType<CommonKeys['next']>): Promise<Uint8Array | undefined> {
    for (let status = asked ?? common.next(); status !== READY; status = common.next()) {
      throwIfAborted(this.#options.signal);
      if (status === PENDING) await common.load();
      else await this.#options.core.engine.env.clock.turn();
    }
    return common.key;
  }

  async #using<T>(act: (common: CommonKeys) => Promise<T>): Promise<T> {
    const { core, own, keyspace, deletedToo } = this.#options;
    const { engine } = core;
    const { table, smallest, largest } = this.#file;
    const upper = successor(largest);
    const left = table.cursor(NO_VERSION, { fillCache: false });
    const closers: (() => void)[] = [() => left.close()];
    try {
      const keys = new EntryKeys(left);
      if (!deletedToo) {
        const base = { state: engine, store: engine.reader, snapshot: core.snapshot };
        const reads = { ...base, overlay: own, reads: undefined };
        const scan = new TransactionReader(reads).scan(keyspace, { lower: smallest, upper });
        closers.push(() => scan.close());
        return await act(new CommonKeys(keys, scan.cursor, smallest));
      }
      const { version } = core.snapshot;
      const held = engine.snapshots.acquire(version);
      closers.push(() => engine.snapshots.release(held));
      const tombstones = own.tombstones(keyspace);
      const scan = engine.catalog.treeAt(keyspace, version)?.scan(smallest, upper, version);
      if (scan !== undefined) closers.push(() => scan.release());
      const right = mergeCursors([...own.cursors(keyspace, undefined), ...(scan?.cursors ?? [])]);
      closers.push(() => right.close());
      const entries = new EntryKeys(right, (of) => of <= version || of >= OVERLAY_FLOOR);
      const also: Also | undefined =
        scan?.coverage === undefined && tombstones === undefined
          ? undefined
          : (key, start, length) =>
              (scan?.coverage?.newest(key, start, length) ?? NO_VERSION) > NO_VERSION ||
              (tombstones?.newest(key, start, length, MAX_VERSION) ?? NO_VERSION) > NO_VERSION;
      return await act(new CommonKeys(keys, entries, smallest, also));
    } finally {
      for (const close of closers.reverse()) close();
    }
  }
}

function isBefore({ keyBytes, keyStart, keyLength }: Cursor, key: Uint8Array): boolean {
  return compareRanges(keyBytes, keyStart, keyLength, key, 0, key.length) < 0;
}
