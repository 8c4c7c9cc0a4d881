/**
 * A record made of a transaction: its files under their digests, its runs where they are small, and otherwise as tables.
 */

import { unreachable } from '../base/assert.ts';
import type { StagedFile } from '../ingest/staging.ts';
import type { Table } from '../sst/table.ts';
import type { MergedLayer } from '../txn/commit-layers.ts';
import type { Engine } from '../txn/engine.ts';
import type { FileRead } from '../txn/file-reads.ts';
import type { IngestLayer } from '../txn/overlay.ts';
import { keyBytes, type ReadSet } from '../txn/read-set.ts';
import type { RunSection } from '../txn/run.ts';
import { buildRunTable } from '../txn/run-table.ts';
import type { FileExchange, FileFacts } from './files/file-exchange.ts';
import type { HeadStart } from './head-start.ts';
import type { RecordFile, RecordFileRead, RecordLayer, RecordReads } from './record/log-record.ts';
import { recordedReads } from './record/recorded-reads.ts';
import type { SharedFiles } from './shared-files.ts';

/** Keys and values of a record together; more of them go as tables. */
export const RECORD_DATA_BYTES_MAX = 512 << 10;

/** A file has many times this of entries. */
const ENTRY_OVERHEAD_BYTES = 12;

export interface BuilderParts {
  readonly engine: Engine;
  readonly exchange: FileExchange;
  readonly files: SharedFiles;
  readonly headStart: HeadStart;
}

export class RecordBuilder {
  readonly files: RecordFile[] = [];
  readonly #engine: Engine;
  readonly #exchange: FileExchange;
  readonly #shared: SharedFiles;
  readonly #headStart: HeadStart;
  readonly #indexes = new Map<string, number>();
  readonly #pinned: FileFacts[] = [];
  readonly #held: Table[] = [];

  constructor({ engine, exchange, files, headStart }: BuilderParts) {
    this.#engine = engine;
    this.#exchange = exchange;
    this.#shared = files;
    this.#headStart = headStart;
  }

  /** Those that a majority may not have. */
  async unspread(): Promise<readonly RecordFile[]> {
    const spread = await Promise.all(this.#held.map((table) => this.#headStart.isSpread(table)));
    return this.files.filter((_, i) => spread[i] !== true);
  }

  /** Nobody needs the files for this record any more, but what has become of it. */
  release(): void {
    for (const file of this.#pinned.splice(0)) this.#shared.unpin(file);
  }

  /** What they name is held by the exchange when it resolves. */
  async layers(layers: readonly MergedLayer[]): Promise<RecordLayer[]> {
    const isLarge = isTooLarge(layers);
    const made: RecordLayer[] = [];
    for (const layer of layers) made.push(await this.#layer(layer, isLarge));
    return made;
  }

  /** REQUIRES: `layers` have been made. `own`: the layers as the transaction has them. */
  async reads(
    reads: ReadSet,
    merged: readonly MergedLayer[],
    made: readonly RecordLayer[],
  ): Promise<RecordReads> {
    const files: RecordFileRead[] = [];
    for (const read of reads.files) {
      const file = await this.#readFile(read);
      files.push({
        keyspace: read.keyspace,
        file,
        range: read.range,
        ownLayers: ownLayers(read, merged, made),
      });
    }
    return recordedReads(reads, files);
  }

  async #layer(layer: MergedLayer, isLarge: boolean): Promise<RecordLayer> {
    switch (layer.kind) {
      case 'ranges':
        return layer;
      case 'run':
        return isLarge ? this.#tables(layer.sections) : layer;
      case 'tables':
        return unreachable(layer as never);
      case 'swap':
        return { kind: 'swap', keyspace: layer.keyspace, id: layer.id, from: layer.from };
      case 'ingest':
        return this.#ingest(layer);
      default:
        return unreachable(layer);
    }
  }

  async #ingest(layer: IngestLayer): Promise<RecordLayer> {
    const { id, keyspace, replaced, undoable, undoes, publishes } = layer;
    const sources = [];
    for (const { file, attached } of layer.sources) {
      const given = await this.#add(file);
      const part = attached === undefined || attached === file ? undefined : await this.#add(attached);
      const { source, sha256 } = file;
      sources.push({ source, sha256, given, attached: attached === undefined ? undefined : (part ?? given) });
    }
    const published = publishes && { ...publishes, on: publishes.on?.id };
    return { kind: 'ingest', id, keyspace, sources, replaced, undoable, undoes, publishes: published };
  }

  async #tables(sections: ReadonlyMap<string, RunSection>): Promise<RecordLayer> {
    const engine = this.#engine;
    const tables = [];
    for (const [keyspace, section] of sections) {
      const id = engine.newFileId();
      const { env, openTable, settings } = engine;
      const options = { env, id, path: engine.tablePath(id), builder: settings.builder, openTable };
      const built = await buildRunTable(keyspace, section, options);
      try {
        tables.push({ keyspace, file: await this.#add(built) });
      } finally {
        engine.staging.discard([built]);
      }
    }
    return { kind: 'tables', tables };
  }

  async #add(file: StagedFile): Promise<number> {
    const { bytes, entries, deletes, smallest, largest, deletedSpans, prefix } = file;
    const facts = { bytes, entries, deletes, smallest, largest, deletedSpans, prefix };
    return this.#hold(file.table, facts);
  }

  /** Of a statement that was rolled back, the file is only read. */
  async #readFile({ table, range }: FileRead): Promise<number> {
    const known = this.#indexes.get(table.path);
    if (known !== undefined) return known;
    const facts = { entries: 0, deletes: 0, deletedSpans: [], prefix: table.prefix };
    const [smallest, largest] = [keyBytes(range.lower), keyBytes(range.upper)];
    const { bytes } = this.#engine.env.fs.statSync(table.path);
    return this.#hold(table, { ...facts, bytes, smallest, largest });
  }

  async #hold(table: Table, facts: Omit<RecordFile, 'digest'>): Promise<number> {
    const { path } = table;
    const known = this.#indexes.get(path);
    if (known !== undefined) return known;
    const digest = await this.#headStart.digestOf(table);
    const file = { digest, bytes: facts.bytes };
    this.#shared.pin(file);
    this.#pinned.push(file);
    await this.#exchange.hold(path, file);
    this.#indexes.set(path, this.files.length);
    this.#held.push(table);
    return this.files.push({ digest, ...facts }) - 1;
  }
}

/**
 * How many of the layers are the statements before the read. Fewer make more conflicts, never less: where they were rolled back since,
 * or stand in the record as tables, they are not told.
 */
function ownLayers({ own }: FileRead, merged: readonly MergedLayer[], made: readonly RecordLayer[]): number {
  const ingests = new Set(own.layers.flatMap((layer) => (layer.kind === 'ingest' ? [layer.id] : [])));
  const last = own.layers.at(-1);
  if (last === undefined) return 0;
  // A layer of the transaction that was merged with one after it may say more than the statements before the read did.
  let count = 0;
  for (const [i, layer] of merged.entries()) {
    const isOwn = layer.kind === 'ingest' ? ingests.has(layer.id) : own.layers.some((each) => each === layer);
    if (!isOwn || made[i]?.kind === 'tables') break;
    count++;
  }
  return count;
}

/** The log does not take what they put: it goes as files. */
export function isTooLarge(layers: readonly MergedLayer[]): boolean {
  let bytes = 0;
  for (const layer of layers) {
    if (layer.kind !== 'run') continue;
    for (const section of layer.sections.values())
      bytes += section.dataBytes + section.size * ENTRY_OVERHEAD_BYTES;
  }
  return bytes > RECORD_DATA_BYTES_MAX;
}
