/**
 * A transaction's own statements, as a list of layers: runs of puts and deletes, and ingests, in the order of the
 * statements; a later layer wins. A savepoint is a length of the list.
 *
 * Reads merge the layers over the snapshot by giving statement n the version OVERLAY_FLOOR + n, so that
 * read-your-own-writes and read-your-own-ingest need no rule of their own.
 */

import { assert } from '../base/assert.ts';
import { compareBytes, EMPTY_BYTES } from '../base/bytes.ts';
import type { StagedFile } from '../ingest/staging.ts';
import { type Cursor, PENDING, READY, type Status } from '../mvcc/cursor.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../mvcc/internal-key.ts';
import type { Probe } from '../mvcc/probe.ts';
import { MAX_VERSION, OVERLAY_FLOOR, type Version } from '../mvcc/version.ts';
import type { Table } from '../sst/table.ts';
import { RunSection, versionOfRunEntry } from './run.ts';

/** Statement numbers that one ingest may use for its own layers; more files than this in one call are refused. */
export const INGEST_FILES_MAX = 1_000_000;

export class RunLayer {
  readonly kind = 'run';
  readonly sections = new Map<string, RunSection>();
}

/** One file of an ingest, with the layer within the ingest that it belongs to. */
export interface LayeredFile {
  readonly file: StagedFile;
  /** 0 for the oldest. Files of one number do not overlap. */
  readonly depth: number;
}

export class IngestLayer {
  readonly kind = 'ingest';
  readonly id: string;
  readonly files: readonly LayeredFile[];
  readonly #statement: number;

  constructor(id: string, files: readonly LayeredFile[], statement: number) {
    this.id = id;
    this.files = files;
    this.#statement = statement;
  }

  /** How many versions it takes at commit. */
  get depths(): number {
    let depths = 0;
    for (const { depth } of this.files) depths = Math.max(depths, depth + 1);
    return depths;
  }

  overlayVersion(depth: number): Version {
    return (OVERLAY_FLOOR + this.#statement + depth) as Version;
  }
}

export type Layer = RunLayer | IngestLayer;

export class Overlay {
  #layers: Layer[] = [];
  #statements = 0;
  /** A run that a savepoint or a reserved place has closed: writes go to a new one. */
  #closed: RunLayer | undefined;
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

  /** REQUIRES: key and value are the overlay's own. `value` undefined: a delete. */
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

  /** Takes the place in the order of statements for an ingest whose files are yet to be staged. */
  reserveIngest(): { readonly statement: number; readonly place: RunLayer } {
    const statement = this.#statements + 1;
    this.#statements += INGEST_FILES_MAX;
    // An empty run holds the place: later puts go to a run of their own, and win.
    const place = new RunLayer();
    this.#layers.push(place);
    this.#closed = place;
    return { statement, place };
  }

  /** Puts a staged ingest in the place reserved for it; false when a rollback has removed that place meanwhile. */
  fill(place: RunLayer, layer: IngestLayer): boolean {
    const index = this.#layers.indexOf(place);
    if (index < 0) return false;
    this.#layers[index] = layer;
    return true;
  }

  /** Removes a reserved place whose ingest failed or was answered from the manifest. */
  vacate(place: RunLayer): void {
    this.#layers = this.#layers.filter((layer) => layer !== place);
  }

  /** Closes the current run, so that a savepoint is a length of the list. */
  savepoint(): number {
    const run = this.#layers.at(-1);
    if (run?.kind === 'run') this.#closed = run;
    return this.#layers.length;
  }

  /** Removes the layers above a savepoint and returns them. */
  truncate(length: number): Layer[] {
    const removed = this.#layers.splice(length);
    const run = this.#layers.at(-1);
    if (run?.kind === 'run') this.#closed = run;
    return removed;
  }

  /** Looks the key up in the layers, newest first. PENDING: load and repeat. */
  get(keyspace: string, probe: Probe): Status {
    this.#pendingTable = undefined;
    for (let i = this.#layers.length - 1; i >= 0 && !probe.found; i--) {
      const layer = this.#layers[i] as Layer;
      if (layer.kind === 'run') this.#getFromRun(layer, keyspace, probe);
      else if (this.#getFromIngest(layer, keyspace, probe) === PENDING) return PENDING;
    }
    return READY;
  }

  load(probe: Probe): Promise<void> {
    assert(this.#pendingTable !== undefined, 'load() without a pending lookup');
    return this.#pendingTable.load(probe);
  }

  loadSync(probe: Probe): void {
    assert(this.#pendingTable !== undefined, 'loadSync() without a pending lookup');
    this.#pendingTable.loadSync(probe);
  }

  cursors(keyspace: string): Cursor[] {
    const cursors: Cursor[] = [];
    for (const layer of this.#layers) {
      if (layer.kind === 'run') {
        const section = layer.sections.get(keyspace);
        if (section !== undefined) cursors.push(section.cursor());
        continue;
      }
      for (const { file, depth } of layer.files) {
        if (file.keyspace === keyspace) cursors.push(file.table.cursor(layer.overlayVersion(depth)));
      }
    }
    return cursors;
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

function overlap(a: StagedFile, b: StagedFile): boolean {
  return (
    a.keyspace === b.keyspace &&
    compareBytes(a.smallest, b.largest) <= 0 &&
    compareBytes(b.smallest, a.largest) <= 0
  );
}
