/**
 * A transaction's own statements, as a list of layers: runs of puts and deletes, range deletions, and ingests, in the
 * order of the statements; a later layer wins. A savepoint is a length of the list.
 *
 * Reads merge the layers over the snapshot by giving statement n the version OVERLAY_FLOOR + n, so that
 * read-your-own-writes and read-your-own-ingest need no rule of their own.
 */

import { assert } from '../base/assert.ts';
import { compareBytes, EMPTY_BYTES } from '../base/bytes.ts';
import type { StagedFile } from '../ingest/staging.ts';
import type { Coverage } from '../mvcc/coverage.ts';
import { type Cursor, PENDING, READY, type Status } from '../mvcc/cursor.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../mvcc/internal-key.ts';
import type { Probe } from '../mvcc/probe.ts';
import { type KeySpan, type RangeTombstone, RangeTombstones } from '../mvcc/range-tombstones.ts';
import { UncoveredCursor } from '../mvcc/uncovered-cursor.ts';
import { MAX_VERSION, NO_VERSION, OVERLAY_FLOOR, type Version } from '../mvcc/version.ts';
import type { Table } from '../sst/table.ts';
import type { PublishedVersion, SwapLayer } from './dataset/swap-layer.ts';
import type { MaxImpact } from './ingest-options.ts';
import type { SourceFile } from './ingest-policy.ts';
import { RunSection, versionOfRunEntry } from './run.ts';

/** Statement numbers that one ingest may use for its own layers; more files than this in one call are refused. */
export const INGEST_FILES_MAX = 1_000_000;

export class RunLayer {
  readonly kind = 'run';
  /** Of the ingest whose place this is until its files are staged. */
  readonly ingestId: string | undefined;
  readonly sections = new Map<string, RunSection>();

  constructor(ingestId?: string) {
    this.ingestId = ingestId;
  }
}

/** One file of an ingest, with the layer within the ingest that it belongs to. */
export interface LayeredFile {
  readonly file: StagedFile;
  /** 0 for the oldest. Files of one number do not overlap. */
  readonly depth: number;
}

/** What an ingest's commit depends on, beside conflicts. */
export interface Admission {
  readonly requireBottom: boolean;
  readonly maxImpact: MaxImpact | undefined;
}

export interface IngestParts {
  readonly id: string;
  readonly keyspace: string;
  readonly sources: readonly SourceFile[];
  /** Deleted before the files: at the version of the oldest, whose entries stand over it. */
  readonly replaced: KeySpan | undefined;
  readonly admission: Admission;
  readonly undoable: boolean;
  /** The ingest that it undoes. */
  readonly undoes: string | undefined;
  /** What it publishes as a version of the dataset. */
  readonly publishes: PublishedVersion | undefined;
}

export class IngestLayer {
  readonly kind = 'ingest';
  readonly id: string;
  readonly keyspace: string;
  readonly sources: readonly SourceFile[];
  /** What is attached of the sources. */
  readonly files: readonly LayeredFile[];
  readonly replaced: KeySpan | undefined;
  readonly admission: Admission;
  readonly undoable: boolean;
  readonly undoes: string | undefined;
  readonly publishes: PublishedVersion | undefined;
  readonly #statement: number;

  constructor(parts: IngestParts, statement: number) {
    this.id = parts.id;
    this.keyspace = parts.keyspace;
    this.sources = parts.sources;
    this.files = layerFiles(parts.sources.flatMap(({ attached }) => attached ?? []));
    this.replaced = parts.replaced;
    this.admission = parts.admission;
    this.undoable = parts.undoable;
    this.undoes = parts.undoes;
    this.publishes = parts.publishes;
    this.#statement = statement;
  }

  /** How many versions it takes at commit. */
  get depths(): number {
    let depths = 1;
    for (const { depth } of this.files) depths = Math.max(depths, depth + 1);
    return depths;
  }

  overlayVersion(depth: number): Version {
    return (OVERLAY_FLOOR + this.#statement + depth) as Version;
  }

  /** What it deletes by range: what it replaces, and the range deletions in its files. */
  deletedSpans(): { readonly spans: readonly KeySpan[]; readonly depth: number }[] {
    const deleted = this.files.map(({ file, depth }) => ({ spans: file.deletedSpans, depth }));
    if (this.replaced !== undefined) deleted.push({ spans: [this.replaced], depth: 0 });
    return deleted.filter(({ spans }) => spans.length > 0);
  }

  tombstones(keyspace: string): RangeTombstone[] {
    if (keyspace !== this.keyspace) return [];
    return this.deletedSpans().flatMap(({ spans, depth }) =>
      spans.map((span) => ({ ...span, version: this.overlayVersion(depth) })),
    );
  }
}

/** Consecutive range deletions. */
export class RangeLayer {
  readonly kind = 'ranges';
  readonly spans = new Map<string, RangeTombstone[]>();

  /** `version`: as this transaction's reads see it. */
  add(keyspace: string, span: KeySpan, version: Version): void {
    const list = this.spans.get(keyspace);
    const tombstone = { ...span, version };
    if (list === undefined) this.spans.set(keyspace, [tombstone]);
    else list.push(tombstone);
  }
}

export type Layer = RunLayer | RangeLayer | IngestLayer | SwapLayer;

export class Overlay {
  #layers: Layer[] = [];
  #statements = 0;
  /** A layer that a savepoint or a reserved place has closed: writes go to a new one. */
  #closed: Layer | undefined;
  /** By keyspace, those that reads have asked for since the last change. */
  readonly #tombstones = new Map<string, RangeTombstones | undefined>();
  /** The table whose block the last PENDING lookup lacked. */
  #pendingTable: Table | undefined;

  get layers(): readonly Layer[] {
    return this.#layers;
  }

  /** Statement numbers given so far. */
  get statements(): number {
    return this.#statements;
  }

  get isEmpty(): boolean {
    return this.#layers.length === 0;
  }

  get hasIngest(): boolean {
    return this.#layers.some((layer) => layer.kind === 'ingest');
  }

  /** Whether a statement in force, or one that is still staging its files, has this id. */
  hasIngestOf(id: string): boolean {
    return this.#layers.some((layer) =>
      layer.kind === 'ingest' ? layer.id === id : layer.kind === 'run' && layer.ingestId === id,
    );
  }

  /** REQUIRES: key and value stay as they are while this is used, or until its sections `own` them. `value` undefined: a delete. */
  write(keyspace: string, key: Uint8Array, value: Uint8Array | undefined): void {
    let run = this.#layers.at(-1);
    if (run?.kind !== 'run' || this.#closed === run) {
      run = new RunLayer();
      this.#layers.push(run);
    }
    let section = run.sections.get(keyspace);
    if (section === undefined) {
      section = new RunSection();
      run.sections.set(keyspace, section);
    }
    section.set({ key, value, statement: ++this.#statements });
  }

  /** REQUIRES: the keys are the overlay's own. */
  deleteRange(keyspace: string, span: KeySpan): void {
    let layer = this.#layers.at(-1);
    if (layer?.kind !== 'ranges' || this.#closed === layer) {
      layer = new RangeLayer();
      this.#layers.push(layer);
    }
    layer.add(keyspace, span, (OVERLAY_FLOOR + ++this.#statements) as Version);
    this.#tombstones.clear();
  }

  /** REQUIRES: nothing was written to the keyspace. */
  swap(layer: SwapLayer): void {
    this.#layers.push(layer);
  }

  /** What the keyspace was swapped for last. */
  swapOf(keyspace: string): SwapLayer | undefined {
    if (this.#layers.length === 0) return undefined;
    return this.#layers.findLast(
      (layer): layer is SwapLayer => layer.kind === 'swap' && layer.keyspace === keyspace,
    );
  }

  /** Keyspaces that statements write to, or are about to. */
  writtenKeyspaces(): Set<string> {
    const names = new Set<string>();
    for (const layer of this.#layers) {
      if (layer.kind === 'ingest') names.add(layer.keyspace);
      else if (layer.kind === 'run') for (const name of layer.sections.keys()) names.add(name);
      else if (layer.kind === 'ranges') for (const name of layer.spans.keys()) names.add(name);
    }
    return names;
  }

  /** Takes the place in the order of statements for an ingest whose files are yet to be staged. */
  reserveIngest(id: string): { readonly statement: number; readonly place: RunLayer } {
    const statement = this.#statements + 1;
    this.#statements += INGEST_FILES_MAX;
    // An empty run holds the place: later puts go to a run of their own, and win.
    const place = new RunLayer(id);
    this.#layers.push(place);
    this.#closed = place;
    return { statement, place };
  }

  /** Puts a staged ingest in the place reserved for it; false when a rollback has removed that place meanwhile. */
  fill(place: RunLayer, layer: IngestLayer): boolean {
    const index = this.#layers.indexOf(place);
    if (index < 0) return false;
    this.#layers[index] = layer;
    this.#tombstones.clear();
    return true;
  }

  /** Removes a reserved place whose ingest failed or was answered from the manifest. */
  vacate(place: RunLayer): void {
    this.#layers = this.#layers.filter((layer) => layer !== place);
    // What came before the place stays as it was then.
    this.#closed = this.#layers.at(-1);
  }

  /** The statements before a reserved place, whatever comes after it or is rolled back; undefined when it is gone. */
  before(place: RunLayer): Overlay | undefined {
    const index = this.#layers.indexOf(place);
    if (index < 0) return undefined;
    const before = new Overlay();
    before.#layers = this.#layers.slice(0, index);
    before.#statements = this.#statements;
    return before;
  }

  /** Closes the current layer, so that a savepoint is a length of the list. */
  savepoint(): number {
    this.#closed = this.#layers.at(-1);
    return this.#layers.length;
  }

  /** Removes the layers above a savepoint and returns them. */
  truncate(length: number): Layer[] {
    const removed = this.#layers.splice(length);
    this.#closed = this.#layers.at(-1);
    this.#tombstones.clear();
    return removed;
  }

  /** Looks the key up in the layers, newest first. PENDING: load and repeat. */
  get(keyspace: string, probe: Probe): Status {
    this.#pendingTable = undefined;
    const covered = this.#cover(keyspace, probe);
    for (let i = this.#layers.length - 1; i >= 0 && probe.version <= covered; i--) {
      const layer = this.#layers[i] as Layer;
      if (layer.kind === 'run') this.#getFromRun(layer, keyspace, probe);
      else if (layer.kind === 'ingest' && this.#getFromIngest(layer, keyspace, probe) === PENDING)
        return PENDING;
    }
    return READY;
  }

  /** As `View` does: a range deletion at version t is a deletion found at t - 1, which is returned. */
  #cover(keyspace: string, probe: Probe): Version {
    const { key, keyStart, keyLength } = probe;
    const version = this.tombstones(keyspace)?.newest(key, keyStart, keyLength, MAX_VERSION) ?? NO_VERSION;
    if (version === NO_VERSION) return NO_VERSION;
    const covered = (version - 1) as Version;
    if (covered > probe.version) probe.accept(covered, TYPE_DELETE, EMPTY_BYTES, 0, 0);
    return covered;
  }

  load(probe: Probe): Promise<void> {
    assert(this.#pendingTable !== undefined, 'load() without a pending lookup');
    return this.#pendingTable.load(probe);
  }

  loadSync(probe: Probe): void {
    assert(this.#pendingTable !== undefined, 'loadSync() without a pending lookup');
    this.#pendingTable.loadSync(probe);
  }

  /** Those of files pass over what `coverage` hides of them. */
  cursors(keyspace: string, coverage: Coverage | undefined): Cursor[] {
    const cursors: Cursor[] = [];
    for (const layer of this.#layers) {
      if (layer.kind === 'run') {
        const section = layer.sections.get(keyspace);
        if (section !== undefined) cursors.push(section.cursor());
      }
      if (layer.kind !== 'ingest') continue;
      for (const { file, depth } of layer.files) {
        if (file.keyspace !== keyspace) continue;
        const version = layer.overlayVersion(depth);
        const cursor = file.table.cursor(version);
        cursors.push(coverage === undefined ? cursor : new UncoveredCursor(cursor, coverage.fork(), version));
      }
    }
    return cursors;
  }

  /** The range deletions among the statements so far. */
  tombstones(keyspace: string): RangeTombstones | undefined {
    if (this.#layers.length === 0) return undefined;
    if (this.#tombstones.has(keyspace)) return this.#tombstones.get(keyspace);
    const list: RangeTombstone[] = [];
    for (const layer of this.#layers) {
      if (layer.kind === 'ranges') list.push(...(layer.spans.get(keyspace) ?? []));
      if (layer.kind === 'ingest') list.push(...layer.tombstones(keyspace));
    }
    const made = RangeTombstones.of(list);
    this.#tombstones.set(keyspace, made);
    return made;
  }

  #getFromRun(run: RunLayer, keyspace: string, probe: Probe): void {
    const section = run.sections.get(keyspace);
    if (section === undefined) return;
    const key =
      probe.keyStart === 0 && probe.keyLength === probe.key.length
        ? probe.key
        : probe.key.subarray(probe.keyStart, probe.keyStart + probe.keyLength);
    const entry = section.get(key);
    if (entry === undefined) return;
    if (versionOfRunEntry(entry) <= probe.version) return;
    const value = entry.value ?? EMPTY_BYTES;
    const type = entry.value === undefined ? TYPE_DELETE : TYPE_VALUE;
    probe.accept(versionOfRunEntry(entry), type, value, 0, value.length);
  }

  #getFromIngest(layer: IngestLayer, keyspace: string, probe: Probe): Status {
    assert(probe.snapshot === MAX_VERSION, 'own statements are read at every version');
    for (let i = layer.files.length - 1; i >= 0; i--) {
      const { file, depth } = layer.files[i] as LayeredFile;
      if (file.keyspace !== keyspace) continue;
      probe.own();
      if (file.table.get(probe, layer.overlayVersion(depth)) === PENDING) {
        this.#pendingTable = file.table;
        return PENDING;
      }
    }
    return READY;
  }
}

/** Files that overlap an earlier one of the list come in a later layer than it. */
export function layerFiles(files: readonly StagedFile[]): LayeredFile[] {
  if (areApart(files)) return files.map((file) => ({ file, depth: 0 }));
  const layered: LayeredFile[] = [];
  for (const file of files) {
    let depth = 0;
    for (const earlier of layered) {
      if (earlier.depth >= depth && overlap(earlier.file, file)) depth = earlier.depth + 1;
    }
    layered.push({ file, depth });
  }
  return layered;
}

/** Thousands of files mostly are, which sorting tells sooner than comparing all with all. */
function areApart(files: readonly StagedFile[]): boolean {
  const sorted = [...files].sort((a, b) => compareBytes(a.smallest, b.smallest));
  return sorted.every((file, i) => i === 0 || !overlap(sorted[i - 1] ?? file, file));
}

function overlap(a: StagedFile, b: StagedFile): boolean {
  return (
    a.keyspace === b.keyspace &&
    compareBytes(a.smallest, b.largest) <= 0 &&
    compareBytes(b.smallest, a.largest) <= 0
  );
}
