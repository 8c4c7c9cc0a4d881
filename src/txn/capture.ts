/**
 * What a database is at one version: the state of its manifest, and the log records on top of it. Checkpoints and
 * backups are written from it while the database goes on.
 *
 * Nothing is flushed for it and no writer waits: in one synchronous section the newest version that was handed out is
 * taken, with the manifest as it is. Every manifest commit up to that version is durable then and none above it exists
 * (L1); of the log, records up to it count, which are all written once it is visible. That is what a crash at that
 * version would leave, so opening it is recovery, and the cost is that of the memtables, whatever the tables hold.
 */

import { assert } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import type { TreeId } from '../manifest/rows.ts';
import type { ManifestState } from '../manifest/state.ts';
import type { Version } from '../mvcc/version.ts';
import type { Engine } from './engine.ts';
import { ManifestSlot } from './manifest-slot.ts';
import { RECORD_COMMIT, readRecord } from './record.ts';
import type { CopiedSegment, LogCopy } from './wal/copy.ts';
import { listSegments } from './wal/recovery.ts';

export interface Capture {
  readonly version: Version;
  readonly state: ManifestState;
  readonly segments: readonly CopiedSegment[];
  /** Whether a log record has what the tables lack. */
  readonly wanted: LogCopy['wanted'];
  /** All files that it names stay in place until then. Idempotent. */
  release(): void;
}

/**
 * @param walDir the log's directory
 * @throws SluiceError CLOSED, POISONED; BUSY for a read-only database that has to be refreshed first
 */
export async function capture(engine: Engine, walDir: string): Promise<Capture> {
  return engine.readOnly ? captureBeside(engine, walDir) : captureWriter(engine);
}

async function captureWriter(engine: Engine): Promise<Capture> {
  engine.checkWritable();
  const { edits, manifest, publication, remover } = engine;
  const release = remover.hold();
  try {
    let taken: { state: ManifestState; floor: Version; version: Version } | undefined;
    const slot = new ManifestSlot();
    // At its turn no edit is under way, so none has a version that the state lacks.
    await edits.submit(() => {
      // A place in the order of publication, behind all that have a version, without one of its own.
      slot.ready = true;
      const version = publication.take(slot, 0);
      taken = { state: copyOf(manifest.state), floor: unflushedAbove(engine), version };
      publication.drain();
      return undefined;
    });
    await slot.done;
    assert(taken !== undefined, 'a turn that has come and gone');
    const { state, floor, version } = taken;
    // A commit of unknown outcome may stand in the log though it was never visible; and `close` may have come.
    engine.checkWritable();
    const segments = engine.wal.segments();
    return { version, state: upTo(state, version), segments, wanted: between(floor, version), release };
  } catch (error) {
    release();
    throw error;
  }
}

/** The reader's pin keeps tables and segments in place. */
function captureBeside(engine: Engine, walDir: string): Capture {
  engine.checkOpen();
  const { manifest } = engine;
  const version = engine.publication.visible;
  for (const { id, minVersion, maxVersion } of manifest.state.tables.values()) {
    if (minVersion > version || maxVersion <= version) continue;
    const message = `The table ${id} holds commits newer than version ${version}, which is shown: refresh() and try again`;
    throw new SluiceError('BUSY', message);
  }
  const segments = listSegments(engine.env.fs, walDir).map((id) => ({ id, bytes: undefined }));
  // After a refresh both keep this engine's files, and let go of them in turn.
  const snapshot = engine.snapshot();
  const unpin = manifest.hold();
  const release = (): void => {
    snapshot.close();
    unpin();
  };
  const wanted = between(unflushedAbove(engine), version);
  return { version, state: upTo(copyOf(manifest.state), version), segments, wanted, release };
}

/** Every visible record that is not in tables has a version above this. */
function unflushedAbove(engine: Engine): Version {
  let floor = engine.publication.visible;
  for (const { view, flushedThrough } of engine.catalog.trees()) {
    const unflushed = view.memtable.entries > 0 || view.sealed.length > 0;
    if (unflushed && flushedThrough < floor) floor = flushedThrough;
  }
  return floor;
}

function between(floor: Version, last: Version): LogCopy['wanted'] {
  return (bytes, start, end) => {
    const { kind, version } = readRecord(bytes, start, end, undefined);
    return kind === RECORD_COMMIT && version > floor && version <= last;
  };
}

/** Its rows never change, its maps do. */
function copyOf(state: ManifestState): ManifestState {
  return {
    database: state.database,
    counters: state.counters,
    tables: new Map(state.tables),
    keyspaces: new Map(state.keyspaces),
    trees: new Map(state.trees),
    ingests: new Map(state.ingests),
    datasets: new Map(state.datasets),
    imports: doneImports(state),
    sharedImports: new Map(state.sharedImports),
    ranges: new Map(state.ranges),
    commitBlocks: new Map(state.commitBlocks),
    replicaCommits: new Map(state.replicaCommits),
  };
}

/**
 * Without what commits above `version` brought: a reader beside the writer may know of some that are not visible yet.
 * REQUIRES: no table has versions on both sides.
 */
function upTo(state: ManifestState, version: Version): ManifestState {
  const visible = (change: { readonly version: Version }): boolean => change.version <= version;
  const keyspaces = [...state.keyspaces.values()]
    .map(({ name, history }) => ({ name, history: history.filter(visible) }))
    .filter(({ history }) => history.length > 0);
  const datasets = [...state.datasets.values()]
    .map((row) => ({
      ...row,
      versions: row.versions.filter(visible),
      activations: row.activations.filter(visible),
    }))
    .filter(({ versions }) => versions.length > 0);
  const named = new Set<TreeId | null>(keyspaces.flatMap(({ history }) => history.map(({ tree }) => tree)));
  for (const { tree } of datasets.flatMap(({ versions }) => versions)) named.add(tree);
  return {
    database: state.database,
    counters: { ...state.counters, lastVersion: version, visibleVersion: version },
    tables: filter(state.tables, ({ tree, minVersion }) => named.has(tree) && minVersion <= version),
    keyspaces: new Map(keyspaces.map((row) => [row.name, row])),
    trees: filter(state.trees, ({ id }) => named.has(id)),
    ingests: filter(state.ingests, (row) => row.version <= version),
    datasets: new Map(datasets.map((row) => [row.name, row])),
    imports: doneImports(state),
    sharedImports: new Map(state.sharedImports),
    ranges: filter(state.ranges, (row) => named.has(row.tree) && row.version <= version),
    commitBlocks: filter(state.commitBlocks, ({ last }) => last <= version),
    replicaCommits: filter(state.replicaCommits, (row) => row.version <= version),
  };
}

/** The others have files that are not captured. */
function doneImports(state: ManifestState): ManifestState['imports'] {
  return filter(state.imports, (row) => row.state === 'imported');
}

function filter<K, V>(map: ReadonlyMap<K, V>, keep: (value: V) => boolean): Map<K, V> {
  return new Map([...map].filter(([, value]) => keep(value)));
}
