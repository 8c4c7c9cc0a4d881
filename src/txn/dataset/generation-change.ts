/**
 * The part of a commit's synchronous section that publishes a version of a dataset, or makes one live (docs/adr/0002).
 *
 * A version has a generation of its own that nothing is written to. The keyspace's pointer goes to another, which begins
 * with the same tables: readers and writers go there from the commit's version on, and readers before it stay (L1).
 */

import { assert } from '../../base/assert.ts';
import { SluiceError } from '../../base/errors.ts';
import type { PlacedRange } from '../../levels/placement.ts';
import type { InstalledTable, Tree } from '../../levels/tree.ts';
import {
  type DatasetRow,
  type DatasetVersionRow,
  type Edit,
  type KeyspaceRow,
  type RangeTombstonesRow,
  type TableRow,
  tombstonesOf,
} from '../../manifest/rows.ts';
import { joinSpans } from '../../mvcc/range-tombstones.ts';
import { type Version, versionOf } from '../../mvcc/version.ts';
import type { Engine } from '../engine.ts';
import type { IngestLayer } from '../overlay.ts';
import type { CommitGeneration, LinkedTables } from './links.ts';
import { liveAt, NO_VERSIONS, requireVersion } from './rows.ts';
import type { PublishedVersion } from './swap-layer.ts';

/** So many changes of the live version are remembered. */
const ACTIVATIONS_KEPT = 16;

export interface CommitPlace {
  /** All tables of the commit. */
  readonly rows: readonly TableRow[];
  /** Of its versions. */
  readonly first: number;
  readonly last: Version;
  readonly nowMs: number;
}

export class GenerationChange {
  readonly keyspace: string;
  /** What the keyspace is from the commit on; undefined: what it was. */
  readonly live: Tree | undefined;
  /** Where the ingest's tables go, unseen by the keyspace's readers; undefined: to what is live. */
  readonly hidden: Tree | undefined;
  readonly #engine: Engine;
  readonly #generation: CommitGeneration;
  readonly #before: DatasetRow;
  readonly #old: Tree | undefined;
  /** Of the version that is published. */
  readonly #frozen: Tree | undefined;
  readonly #tables: InstalledTable[] = [];
  readonly #ranges: RangeTombstonesRow[] = [];
  /** As the edits have it. */
  #after: DatasetRow | undefined;
  #pointer: KeyspaceRow | undefined;
  #at: Version | undefined;

  /**
   * @throws SluiceError DATASET_VERSION_NOT_FOUND, DATASET_VERSION_EXISTS; CONFLICT where another version has become live
   * than the statement was made for
   */
  constructor(generation: CommitGeneration, engine: Engine) {
    const { keyspace, source, linked } = generation;
    this.keyspace = keyspace;
    this.#engine = engine;
    this.#generation = generation;
    this.#before = engine.catalog.dataset(keyspace) ?? { name: keyspace, ...NO_VERSIONS };
    this.#old = engine.catalog.newest(keyspace);
    this.#check();
    if (source.kind === 'swap') this.live = this.#treeOf(linked);
    else {
      const { on, activate } = publicationOf(source);
      this.live = on === undefined && activate ? this.#treeOf({ rows: [], ranges: [] }) : undefined;
      this.#frozen = this.#treeOf(linked);
      if (!activate) this.hidden = this.#frozen;
    }
  }

  #check(): void {
    const { source, keyspace } = this.#generation;
    const live = liveAt(this.#before);
    if (source.kind === 'swap') {
      requireVersion(this.#before, keyspace, source.id);
      if (source.from !== undefined && source.from !== live) throw notLive(keyspace, source.from, live);
      return;
    }
    const { on, id, activate } = publicationOf(source);
    if (on !== undefined && !activate) requireVersion(this.#before, keyspace, on.id);
    else if (on !== undefined && on.id !== live) throw notLive(keyspace, on.id, live);
    if (this.#before.versions.some((version) => version.id === id)) {
      const message = `The dataset ${JSON.stringify(keyspace)} has a version ${id} already; drop it first, or leave out the number`;
      throw new SluiceError('DATASET_VERSION_EXISTS', message);
    }
  }

  /** No log record up to now is the new tree's. */
  #treeOf({ rows, ranges }: LinkedTables): Tree {
    const { publication } = this.#engine;
    const id = this.#engine.newTreeId();
    const own = rows.map((row) => ({ ...row, tree: id }));
    return this.#engine.newTree(id, publication.last, own, ranges.flatMap(tombstonesOf));
  }

  edits(place: CommitPlace): Edit[] {
    const { keyspace, linked, source, offset } = this.#generation;
    const edits: Edit[] = [];
    if (this.live !== undefined) {
      this.#at = versionOf(place.first + offset);
      const history = this.#engine.catalog.historyOf(keyspace) ?? [];
      this.#pointer = {
        name: keyspace,
        history: [...history, { version: this.#at, tree: this.live.id }],
      };
      edits.push(...this.#editsOf(this.live, source.kind === 'swap' ? linked.ranges : []), {
        kind: 'putKeyspace',
        keyspace: this.#pointer,
      });
    }
    if (source.kind === 'ingest') edits.push(...this.#publish(source, place));
    this.#after = this.#rowAfter(place);
    edits.push({ kind: 'putDataset', dataset: this.#after });
    return edits;
  }

  #editsOf(tree: Tree, ranges: readonly RangeTombstonesRow[]): Edit[] {
    const keepsTombstones = this.#old !== undefined && this.#engine.treeRow(this.#old.id).keepsTombstones;
    const row = {
      id: tree.id,
      keyspace: this.keyspace,
      flushedThrough: tree.flushedThrough,
      keepsTombstones,
    };
    return [
      { kind: 'putTree', tree: row },
      ...tree.rows().map((table): Edit => ({ kind: 'addTable', table })),
      ...ranges.map((range): Edit => ({ kind: 'putRangeTombstones', row: { ...range, tree: tree.id } })),
    ];
  }

  /** The version's tables: those that it begins with, and links of the ingest's, as low as they go there. */
  #publish(source: IngestLayer, { rows, first }: CommitPlace): Edit[] {
    const { linked, links, offset } = this.#generation;
    const frozen = this.#frozen;
    assert(frozen !== undefined, 'a version is published without a tree');
    const placed: PlacedRange[] = [];
    for (const row of rows) {
      const id = links.get(row.id);
      if (id === undefined) continue;
      const { smallest, largest, prefix } = row;
      const { level } = frozen.place(smallest, largest, placed);
      placed.push({ level, smallest, largest });
      const table = this.#engine.openTable(this.#engine.tablePath(id), prefix);
      this.#tables.push({ row: { ...row, id, tree: frozen.id, level }, table });
    }
    const deleted = this.hidden === undefined ? source.deletedSpans() : [];
    for (const { spans, depth } of deleted) {
      const version = versionOf(first + offset + depth);
      const same = this.#ranges.findIndex((row) => row.version === version);
      const all = same < 0 ? spans : [...(this.#ranges[same]?.spans ?? []), ...spans];
      const row = { tree: frozen.id, version, spans: joinSpans(all) };
      if (same < 0) this.#ranges.push(row);
      else this.#ranges[same] = row;
    }
    return [
      ...this.#editsOf(frozen, [...linked.ranges, ...this.#ranges]),
      ...this.#tables.map(({ row }): Edit => ({ kind: 'addTable', table: row })),
    ];
  }

  #rowAfter({ last, nowMs }: CommitPlace): DatasetRow {
    const { source } = this.#generation;
    const { versions, activations, lastId, name } = this.#before;
    const activated = (id: number): DatasetRow['activations'] =>
      [...activations, { version: last, id }].slice(-ACTIVATIONS_KEPT);
    if (source.kind === 'swap') return { ...this.#before, activations: activated(source.id) };
    const { id = lastId + 1, message, on, keepVersions, activate } = publicationOf(source);
    assert(this.#frozen !== undefined, 'a version is published without a tree');
    const published: DatasetVersionRow = {
      id,
      tree: this.#frozen.id,
      base: on?.id,
      version: last,
      timeMs: nowMs,
      ingestId: source.id,
      message,
    };
    const all = [...versions, published];
    const live = activate ? id : liveAt(this.#before);
    const newest = keepVersions === undefined ? all : all.slice(-keepVersions);
    return {
      name,
      lastId: Math.max(lastId, id),
      versions: all.filter((version) => version.id === live || newest.includes(version)),
      activations: activate ? activated(id) : activations,
    };
  }

  /** L5: with the version, so that what is on its way conflicts already. REQUIRES: has its edits. */
  enter(): void {
    if (this.#at !== undefined) this.#engine.window.enterSwap(this.keyspace, this.#at, true);
  }

  /** REQUIRES: the edits are durable. */
  install(last: Version): void {
    const { catalog, keyspaces } = this.#engine;
    const after = this.#after;
    assert(after !== undefined, 'a generation is installed without its edits');
    if (this.#frozen !== undefined) {
      this.#frozen.install(this.#tables, [], this.#ranges.flatMap(tombstonesOf));
      catalog.addTree(this.#frozen);
    }
    catalog.setDataset(after);
    if (this.live !== undefined && this.#pointer !== undefined && this.#at !== undefined) {
      catalog.addTree(this.live);
      catalog.setHistory(this.#pointer);
      if (this.#old !== undefined)
        keyspaces.adoptDropped({ tree: this.#old, keyspace: this.keyspace, version: this.#at });
    }
    const kept = new Set(after.versions.map(({ tree }) => tree));
    for (const { tree: id } of this.#before.versions) {
      const tree = kept.has(id) ? undefined : catalog.tree(id);
      if (tree !== undefined) keyspaces.adoptDropped({ tree, keyspace: this.keyspace, version: last });
    }
  }

  /** The edits were not made. The links are the caller's to remove. */
  abandon(): void {
    this.live?.close();
    this.#frozen?.close();
    for (const { table } of this.#tables) table.dispose();
  }
}

function publicationOf({ publishes }: IngestLayer): PublishedVersion {
  assert(publishes !== undefined, 'an ingest that publishes nothing makes no version');
  return publishes;
}

function notLive(keyspace: string, expected: number, live: number | undefined): SluiceError {
  const message =
    `The version ${expected} of the dataset ${JSON.stringify(keyspace)} was live when the transaction began, ` +
    `and ${live ?? 'none'} is now. Run it again`;
  return new SluiceError('CONFLICT', message);
}
