/** A keyspace with published versions, one of which is live (docs/adr/0002-versions-of-datasets.md). */

import { checkEncodings, checkOptions, checkSignal } from '../../base/arguments.ts';
import { BufferCopier } from '../../base/buffer-copier.ts';
import type { EncodingName } from '../../base/encoding.ts';
import { SluiceError } from '../../base/errors.ts';
import type { Tree } from '../../levels/tree.ts';
import type { DatasetVersionRow } from '../../manifest/rows.ts';
import type { Version } from '../../mvcc/version.ts';
import type { Engine } from '../engine.ts';
import { type IngestRecordFile, ingestRecord } from '../ingests.ts';
import { retrying } from '../retry.ts';
import { Transaction, TransactionCore } from '../transaction.ts';
import {
  changesBetween,
  type DatasetChange,
  type DiffOptions,
  type DiffSide,
  decodedChange,
} from './diff.ts';
import {
  checkPublish,
  checkRowsPublish,
  type DatasetRows,
  isRows,
  type PublishOptions,
  stagePublish,
} from './publish.ts';
import { checkKeepVersions, checkVersionId, liveAt, notKept, requireVersion } from './rows.ts';
import { TransactionDataset } from './transaction-dataset.ts';
import { DatasetView } from './view.ts';

export interface DatasetOptions<
  KE extends EncodingName = EncodingName,
  VE extends EncodingName = EncodingName,
> {
  /** Each `publish` drops all but so many of the newest versions, its own included; all are kept by default. */
  readonly keepVersions?: number;
  readonly keyEncoding?: KE;
  readonly valueEncoding?: VE;
}

export interface DatasetVersion {
  readonly version: number;
  readonly kind: 'base' | 'delta';
  /** Of a delta: the version that it was published on; it may be kept no longer. */
  readonly base: number | undefined;
  readonly live: boolean;
  readonly time: Date;
  /** The version of the commit that published it. */
  readonly commit: Version;
  readonly message: string | undefined;
  /** What was published with it. */
  readonly ingest: string;
  readonly files: readonly IngestRecordFile[];
  /** Of all tables that it has; those of a delta are shared with its base. `entries`: versions of keys, and tombstones. */
  readonly tables: number;
  readonly bytes: number;
  readonly entries: number;
}

export interface DatasetPlace {
  readonly engine: () => Engine;
  readonly name: string;
  readonly keepVersions: number | undefined;
  /** Sorts and publishes rows; resolves with the commit's version. */
  readonly publishRows: (rows: DatasetRows, options: PublishOptions) => Promise<number>;
}

export class Dataset<KE extends EncodingName = 'buffer', VE extends EncodingName = 'buffer'> {
  readonly keyEncoding: KE;
  readonly valueEncoding: VE;
  readonly #place: DatasetPlace;

  /** For the database; users call `db.dataset(name)`. */
  constructor(place: DatasetPlace, keyEncoding: KE, valueEncoding: VE) {
    this.#place = place;
    this.keyEncoding = keyEncoding;
    this.valueEncoding = valueEncoding;
  }

  /** The keyspace's: reads of what is live, and writes to it, are that keyspace's. */
  get name(): string {
    return this.#place.name;
  }

  /** The number of the version that is live; undefined where nothing was published. */
  get current(): number | undefined {
    const engine = this.#engine();
    return liveAt(engine.catalog.dataset(this.name), engine.publication.visible);
  }

  /** Those that are kept, in the order in which they were published. */
  versions(): DatasetVersion[] {
    const engine = this.#engine();
    const { visible } = engine.publication;
    const live = this.current;
    const rows = engine.catalog.dataset(this.name)?.versions ?? [];
    return rows.filter(({ version }) => version <= visible).map((row) => describe(engine, row, live));
  }

  /**
   * Loads SST files as a new version, beside what is live and while that is read and written, and makes it live in one
   * commit. Resolves with the version. Rows, [key, value] in any order, are sorted and written as such files first, as
   * `db.import` does it; `kind`, `version`, `message`, `activate` and `signal` are theirs too.
   *
   * @throws SluiceError DATASET_VERSION_EXISTS, DATASET_VERSION_NOT_FOUND for a delta on nothing; all that ingest throws; of rows
   * BAD_INPUT where there are none, and what their iterator throws
   */
  async publish(
    source: string | readonly string[] | DatasetRows,
    options: PublishOptions = {},
  ): Promise<DatasetVersion> {
    checkOptions(options);
    const version = isRows(source)
      ? await this.#publishRows(source, options)
      : await this.#publishFiles(source, options);
    const published = this.versions().find(({ commit }) => commit === version);
    if (published !== undefined) return published;
    const message = `What was published at version ${version} of the database has been dropped since`;
    throw new SluiceError('DATASET_VERSION_NOT_FOUND', message);
  }

  async #publishFiles(files: string | readonly string[], options: PublishOptions): Promise<number> {
    const sources = checkPublish(files, options);
    const { keepVersions } = this.#place;
    const { version } = await this.#commit(options.signal, (core) =>
      stagePublish(core, this.name, sources, { ...options, keepVersions }),
    );
    return version;
  }

  #publishRows(rows: DatasetRows, options: PublishOptions): Promise<number> {
    checkRowsPublish(options);
    this.#engine().checkWritable();
    return this.#place.publishRows(rows, options);
  }

  /**
   * Makes a kept version live in one commit, deltas included, at a cost that does not depend on its size. What was written
   * to the keyspace since it was published is no part of it. Resolves with the commit's version.
   *
   * @throws SluiceError DATASET_VERSION_NOT_FOUND
   */
  async activate(version: number): Promise<Version> {
    checkVersionId(version, 'version');
    const activated = await this.#commit(undefined, (core) =>
      new TransactionDataset(core, this.name).activate(version),
    );
    return activated.version;
  }

  /** `activate` of the version published before the live one. Resolves with its number. @throws as `activate` */
  async rollback(): Promise<number> {
    const { result } = await this.#commit(undefined, (core) =>
      new TransactionDataset(core, this.name).rollback(),
    );
    return result;
  }

  /**
   * A kept version, to be read as long as the view is open: close it.
   * @throws SluiceError DATASET_VERSION_NOT_FOUND
   */
  at(version: number): DatasetView<KE, VE> {
    checkVersionId(version, 'version');
    return this.#view(this.#engine(), version, this.keyEncoding, this.valueEncoding);
  }

  #tree(engine: Engine, version: number): Tree {
    const { catalog, publication } = engine;
    const row = requireVersion(catalog.dataset(this.name), this.name, version, publication.visible);
    const tree = catalog.tree(row.tree);
    if (tree === undefined) throw new SluiceError('CORRUPTION', `The manifest has no tree ${row.tree}`);
    return tree;
  }

  #view<K extends EncodingName, V extends EncodingName>(
    engine: Engine,
    version: number,
    keyEncoding: K,
    valueEncoding: V,
  ): DatasetView<K, V> {
    const tree = this.#tree(engine, version);
    return new DatasetView({ engine, name: this.name, version, tree }, keyEncoding, valueEncoding);
  }

  /**
   * What changed from version `before` to `after`, in key order. Of a version and its deltas only the deltas' keys are
   * looked at. Both stay readable until the iteration ends.
   *
   * @throws SluiceError DATASET_VERSION_NOT_FOUND, ABORTED by the signal
   */
  async *diff(
    before: number,
    after: number,
    options: DiffOptions = {},
  ): AsyncGenerator<DatasetChange<KE, VE>, void, undefined> {
    checkVersionId(before, 'before');
    checkVersionId(after, 'after');
    checkOptions(options);
    checkSignal(options.signal);
    const engine = this.#engine();
    // Before a view is taken that would have to be closed.
    this.#tree(engine, after);
    const from = this.#side(engine, before);
    const to = this.#side(engine, after);
    const copier = new BufferCopier();
    try {
      for await (const change of changesBetween(engine, from, to, options.signal))
        yield decodedChange(change, this.keyEncoding, this.valueEncoding, copier);
    } finally {
      from.view.close();
      to.view.close();
    }
  }

  #side(engine: Engine, version: number): DiffSide {
    const tree = this.#tree(engine, version);
    return { tree, view: this.#view(engine, version, 'buffer', 'buffer') };
  }

  /** Drops all but the newest `count` versions and the live one. Resolves with the numbers of those that it dropped. */
  async retain(count: number): Promise<number[]> {
    checkKeepVersions(count, 'count');
    const engine = this.#engine();
    const row = engine.catalog.dataset(this.name);
    const live = liveAt(row);
    const ids = (row?.versions ?? []).slice(0, -count).map(({ id }) => id);
    const dropped = ids.filter((id) => id !== live);
    await engine.keyspaces.dropVersions(this.name, dropped);
    return dropped;
  }

  /**
   * Keeps a version no longer. Its space is free once no snapshot, view or other process reads it, but for what other
   * versions share with it. Resolves with the commit's version.
   *
   * @throws SluiceError DATASET_VERSION_NOT_FOUND, DATASET_VERSION_LIVE
   */
  async drop(version: number): Promise<Version> {
    checkVersionId(version, 'version');
    const engine = this.#engine();
    engine.checkWritable();
    requireVersion(engine.catalog.dataset(this.name), this.name, version);
    const dropped = await engine.keyspaces.dropVersions(this.name, [version]);
    if (dropped !== undefined) return dropped;
    // Another call was faster.
    throw notKept(engine.catalog.dataset(this.name)?.versions ?? [], this.name, version);
  }

  #engine(): Engine {
    const engine = this.#place.engine();
    engine.checkOpen();
    return engine;
  }

  async #commit<T>(
    signal: AbortSignal | undefined,
    act: (core: TransactionCore) => Promise<T> | T,
  ): Promise<{ readonly result: T; readonly version: Version }> {
    const engine = this.#engine();
    engine.checkWritable();
    return retrying(engine.env, signal === undefined ? {} : { signal }, async () => {
      const core = new TransactionCore(engine, false);
      const txn = new Transaction(core, this.keyEncoding, this.valueEncoding);
      try {
        const result = await act(core);
        const { version } = await txn.commit(signal === undefined ? {} : { signal });
        return { result, version };
      } finally {
        txn.abort();
      }
    });
  }
}

function describe(engine: Engine, row: DatasetVersionRow, live: number | undefined): DatasetVersion {
  const tables = engine.catalog.tree(row.tree)?.rows() ?? [];
  const ingest = engine.ingestOf(row.ingestId);
  return {
    version: row.id,
    kind: row.base === undefined ? 'base' : 'delta',
    base: row.base,
    live: row.id === live,
    time: new Date(row.timeMs),
    commit: row.version,
    message: row.message,
    ingest: row.ingestId,
    files: ingest === undefined ? [] : ingestRecord(ingest).files,
    tables: tables.length,
    bytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
    entries: tables.reduce((sum, { entries }) => sum + entries, 0),
  };
}

export function checkDatasetOptions(options: DatasetOptions): void {
  checkOptions(options);
  checkEncodings(options);
  if (options.keepVersions !== undefined) checkKeepVersions(options.keepVersions, 'options.keepVersions');
}
