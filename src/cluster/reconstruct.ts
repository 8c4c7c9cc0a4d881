/**
 * A transaction made of its record: layers and reads for the local committer, with the record's files under new names among the tables.
 *
 * L8: what this costs depends on the number of files. Their bytes are here already, checked against their digests.
 */

import { at, unreachable } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import { tryLink } from '../ingest/adopt-file.ts';
import type { StagedFile } from '../ingest/staging.ts';
import type { Tree } from '../levels/tree.ts';
import type { FileId } from '../manifest/rows.ts';
import { versionOf } from '../mvcc/version.ts';
import type { Table } from '../sst/table.ts';
import type { MergedLayer } from '../txn/commit-layers.ts';
import { requireVersion } from '../txn/dataset/rows.ts';
import { SwapLayer } from '../txn/dataset/swap-layer.ts';
import type { Engine } from '../txn/engine.ts';
import { IngestLayer, Overlay } from '../txn/overlay.ts';
import type { CheckedTransaction } from '../txn/proposer.ts';
import { ReadSet } from '../txn/read-set.ts';
import type { LogRecord, RecordFile, RecordLayer, RecordReads } from './record/log-record.ts';

export interface Reconstructed {
  readonly transaction: CheckedTransaction;
  readonly layers: readonly MergedLayer[];
  /** What no commit has named goes. */
  discard(): void;
  /** Lets go of what only the check needed. */
  close(): void;
}

/** Where the bytes of a digest are. REQUIRES: they are here. */
export type PathOf = (digest: string) => string;

/**
 * L2: the files' names are durable when it resolves.
 * @throws SluiceError DATASET_VERSION_NOT_FOUND, on every replica; what linking files throws, on this one
 */
export async function reconstruct(
  engine: Engine,
  record: LogRecord,
  layers: readonly RecordLayer[],
  pathOf: PathOf,
): Promise<Reconstructed> {
  const parts = new Parts(engine, record, pathOf);
  try {
    const merged: MergedLayer[] = [];
    for (const layer of layers) merged.push(await parts.layer(layer));
    if (parts.staged.length > 0) await engine.env.fs.syncDirectory(engine.settings.tablesDir);
    const transaction = {
      reads: record.reads === undefined ? undefined : parts.reads(record.reads, merged),
      snapshotVersion: versionOf(record.snapshot),
      tooOld: false,
    };
    return { transaction, layers: merged, discard: () => parts.discard(), close: () => parts.close() };
  } catch (error) {
    parts.close();
    parts.discard();
    throw error;
  }
}

class Parts {
  readonly #engine: Engine;
  readonly #record: LogRecord;
  readonly #pathOf: PathOf;
  readonly staged: StagedFile[] = [];
  readonly #read: Table[] = [];

  constructor(engine: Engine, record: LogRecord, pathOf: PathOf) {
    this.#engine = engine;
    this.#record = record;
    this.#pathOf = pathOf;
  }

  async layer(layer: RecordLayer): Promise<MergedLayer> {
    switch (layer.kind) {
      case 'run':
      case 'ranges':
        return layer;
      case 'tables': {
        const files: StagedFile[] = [];
        for (const { keyspace, file } of layer.tables)
          files.push(await this.#adopt(file, keyspace, '', undefined));
        return { kind: 'tables', files };
      }
      case 'swap':
        return new SwapLayer(layer.keyspace, layer.id, this.#treeOf(layer.keyspace, layer.id), layer.from);
      case 'ingest': {
        const { keyspace, publishes } = layer;
        const sources = [];
        for (const { source, sha256, given, attached } of layer.sources) {
          const whole =
            attached === undefined ? undefined : await this.#adopt(attached, keyspace, source, sha256);
          const file =
            whole !== undefined && given === attached ? whole : this.#facts(given, keyspace, source, sha256);
          sources.push({ file, attached: whole });
        }
        const on = publishes?.on;
        const published = publishes && {
          ...publishes,
          on: on === undefined ? undefined : { id: on, tree: this.#treeOf(keyspace, on) },
        };
        // `requireBottom` and `maxImpact` ask for levels, which are this node's own: the proposer has answered them for itself.
        const admission = { requireBottom: false, maxImpact: undefined };
        return new IngestLayer({ ...layer, sources, admission, publishes: published }, 0);
      }
      default:
        return unreachable(layer);
    }
  }

  reads({ points, ranges, files, written }: RecordReads, layers: readonly MergedLayer[]): ReadSet {
    const reads = readSetOf({ points, ranges, written });
    for (const { keyspace, file, range, ownLayers } of files) {
      const { digest, prefix } = fileAt(this.#record, file);
      const table = this.#engine.openTable(this.#pathOf(digest), prefix);
      this.#read.push(table);
      reads.files.push({ keyspace, table, range, own: overlayOf(layers.slice(0, ownLayers)) });
    }
    return reads;
  }

  close(): void {
    for (const table of this.#read.splice(0)) table.dispose();
  }

  discard(): void {
    this.#engine.staging.discard(this.staged.splice(0));
  }

  #treeOf(keyspace: string, id: number): Tree {
    const { catalog } = this.#engine;
    const tree = catalog.tree(requireVersion(catalog.dataset(keyspace), keyspace, id).tree);
    if (tree === undefined)
      throw new SluiceError('CORRUPTION', `The manifest lacks the tree of version ${id}`);
    return tree;
  }

  /** The file as one of the tables. */
  async #adopt(
    index: number,
    keyspace: string,
    source: string,
    sha256: string | undefined,
  ): Promise<StagedFile> {
    const { env } = this.#engine;
    const staged = this.#facts(index, keyspace, source, sha256);
    this.staged.push(staged);
    const { digest, bytes } = fileAt(this.#record, index);
    const from = this.#pathOf(digest);
    const there = env.fs.statSync(from).bytes;
    if (there !== bytes) throw new SluiceError('CORRUPTION', `${from} has ${there} bytes, and had ${bytes}`);
    if (tryLink(env.fs, from, staged.path)) return staged;
    await env.fs.copy(from, staged.path);
    const file = await env.fs.open(staged.path, 'read');
    try {
      await file.datasync();
    } finally {
      file.closeSync();
    }
    return staged;
  }

  #facts(index: number, keyspace: string, source: string, sha256: string | undefined): StagedFile {
    const { digest, ...facts } = fileAt(this.#record, index);
    const id = this.#engine.newFileId();
    const path = this.#engine.tablePath(id);
    const table = this.#engine.openTable(path, facts.prefix);
    return { ...facts, source, mode: 'copy', keyspace, id, path, table, sha256 };
  }
}

function fileAt(record: LogRecord, index: number): RecordFile {
  const file = record.files[index];
  if (file !== undefined) return file;
  throw new SluiceError('CORRUPTION', `A record of the cluster's log has no file ${index}`);
}

/** The file where the node keeps it, without a name among the tables. */
export function stagedAt(
  engine: Engine,
  record: LogRecord,
  index: number,
  keyspace: string,
  pathOf: PathOf,
): StagedFile {
  const { digest, ...facts } = fileAt(record, index);
  const path = pathOf(digest);
  const table = engine.openTable(path, facts.prefix);
  return { ...facts, source: '', mode: 'copy', keyspace, id: 0 as FileId, path, table, sha256: undefined };
}

/** As the statements before a read were: only runs, range deletions and ingests come before one. */
function overlayOf(layers: readonly MergedLayer[]): Overlay {
  const overlay = new Overlay();
  for (const layer of layers) {
    if (layer.kind === 'run') {
      for (const [keyspace, section] of layer.sections)
        for (const { key, value } of section.sorted()) overlay.write(keyspace, key, value);
    } else if (layer.kind === 'ranges') {
      for (const [keyspace, spans] of layer.spans)
        for (const span of spans) overlay.deleteRange(keyspace, span);
    } else if (layer.kind === 'ingest') {
      const { statement, place } = overlay.reserveIngest(layer.id);
      overlay.fill(place, new IngestLayer(layer, statement));
    }
  }
  return overlay;
}

/** Of a record that has read no files. */
export function transactionOf({ reads, snapshot }: LogRecord): CheckedTransaction {
  const set = reads === undefined ? undefined : readSetOf(reads);
  return { reads: set, snapshotVersion: versionOf(snapshot), tooOld: false };
}

function readSetOf({ points, ranges, written }: Omit<RecordReads, 'files'>): ReadSet {
  const reads = new ReadSet();
  for (const [keyspace, keys] of points) reads.points.set(keyspace, new Set(keys));
  for (const [keyspace, list] of ranges) {
    reads.ranges.set(
      keyspace,
      list.map((range) => ({ ...range })),
    );
  }
  reads.written = new Set(written);
  return reads;
}

/** A record's put transaction, which needs no files; undefined: it is more. */
export function putOf(record: LogRecord): Extract<RecordLayer, { kind: 'run' }> | undefined {
  const { body, claim, files } = record;
  if (body.kind !== 'commit' || body.layers.length !== 1 || files.length > 0 || claim !== undefined)
    return undefined;
  const only = at(body.layers, 0);
  return only.kind === 'run' ? only : undefined;
}
