/**
 * Undoing an ingest: a transaction's statement that gives every key which the ingest changed the value that it had before.
 *
 * It is a layer like an ingest's, of a table that is made of the versions that the ingest has pinned: those before it, those
 * through it. A key that was changed since, by anybody, is not undone, and then none is. Where few of the tables can have what the
 * ingest brought, their keys lead, and the others are asked for those alone.
 *
 * L5: the table holds the keys that are undone, so it is also what was read: a later change of any of them conflicts.
 */

import { compareRanges, formatKey } from '../base/bytes.ts';
import { SluiceError, throwIfAborted } from '../base/errors.ts';
import type { StagedFile } from '../ingest/staging.ts';
import type { Tree } from '../levels/tree.ts';
import type { View } from '../levels/view.ts';
import type { UndoPins } from '../manifest/rows.ts';
import { ByteScratch } from '../mvcc/byte-scratch.ts';
import { type Cursor, PENDING, READY, type Status } from '../mvcc/cursor.ts';
import { type EntryType, TYPE_DELETE, TYPE_VALUE } from '../mvcc/internal-key.ts';
import { mergeCursors } from '../mvcc/merge.ts';
import type { RangeTombstones } from '../mvcc/range-tombstones.ts';
import { MAX_VERSION, NO_VERSION, type Version } from '../mvcc/version.ts';
import type { TableBuilder } from '../sst/table-builder.ts';
import type { Engine } from './engine.ts';
import type { FileRead } from './file-reads.ts';
import { KEYS_LISTED } from './ingest-policy.ts';
import { IngestLayer, Overlay } from './overlay.ts';
import { keyAfter, keyString } from './read-set.ts';
import { buildTable, ENTRIES_PER_TURN } from './run-table.ts';
import type { TransactionCore } from './transaction.ts';

export interface UndoOptions {
  readonly signal?: AbortSignal;
}

export async function stageUndo(core: TransactionCore, id: string, options: UndoOptions): Promise<void> {
  const { engine, overlay } = core;
  const { undo, keyspace } = undoableRow(core, id);
  core.refuseSwapped(keyspace, 'The undoing of an ingest');
  const tree = engine.catalog.treeAt(keyspace, core.snapshotVersion);
  if (tree === undefined || tree.id !== undo.tree) {
    throw new SluiceError('UNDO_IMPOSSIBLE', `The keyspace that the ingest ${id} went to was dropped since`);
  }
  const undoing = engine.newIngestId();
  const { statement, place } = overlay.reserveIngest(undoing);
  let file: StagedFile | undefined;
  try {
    file = await buildBefore(core, tree, keyspace, undo, id, options.signal);
  } catch (error) {
    overlay.vacate(place);
    throw error;
  }
  if (file !== undefined) core.reads?.files.push(readOf(file, keyspace));
  const parts = {
    id: undoing,
    keyspace,
    sources: file === undefined ? [] : [{ file, attached: file }],
    replaced: undefined,
    admission: { requireBottom: false, maxImpact: undefined },
    undoable: false,
    undoes: id,
    publishes: undefined,
  };
  if (overlay.fill(place, new IngestLayer(parts, statement))) return;
  if (file !== undefined) core.discardFiles([file]);
  throw new SluiceError(
    'CLOSED',
    'The transaction was rolled back or aborted while an ingest was being undone',
  );
}

function undoableRow(core: TransactionCore, id: string): { undo: UndoPins; keyspace: string } {
  const row = core.engine.ingestOf(id);
  if (row === undefined) throw ingestNotFound(id);
  if (row.undo === undefined) {
    const why =
      row.undoneAt === undefined
        ? 'it was not ingested with undoable: true, or was released since'
        : `that was done at version ${row.undoneAt}`;
    throw new SluiceError('UNDO_IMPOSSIBLE', `The ingest ${id} cannot be undone: ${why}`);
  }
  if (row.version > core.snapshotVersion) {
    throw new SluiceError(
      'CONFLICT',
      `The transaction began before the ingest ${id} was committed; run it again`,
    );
  }
  return { undo: row.undo, keyspace: core.engine.manifest.state.trees.get(row.undo.tree)?.keyspace ?? '' };
}

export function ingestNotFound(id: string): SluiceError {
  return new SluiceError(
    'INGEST_NOT_FOUND',
    `There is no ingest ${JSON.stringify(id)}; ingests() lists those there are`,
  );
}

/** Without own statements: what is undone was read of the database whatever the transaction itself wrote there. */
function readOf({ table, smallest, largest }: StagedFile, keyspace: string): FileRead {
  const lower = keyString(smallest, 0, smallest.length);
  const upper = keyAfter(keyString(largest, 0, largest.length));
  return { keyspace, table, range: { lower, upper }, own: new Overlay() };
}

/** L2: bytes and name are durable when it resolves. undefined: there is nothing to be put back or deleted. */
async function buildBefore(
  core: TransactionCore,
  tree: Tree,
  keyspace: string,
  undo: UndoPins,
  ingest: string,
  signal: AbortSignal | undefined,
): Promise<StagedFile | undefined> {
  const { engine, snapshotVersion: snapshot } = core;
  const id = engine.newFileId();
  const path = engine.tablePath(id);
  const lower = undo.from.length === 0 ? undefined : undo.from;
  // The view that it pins is the one whose cursors are taken in the same turn: all of it, what range tombstones hide too.
  const held = tree.scan(lower, undo.to, snapshot);
  const { view } = tree;
  for (const cursor of held.cursors) cursor.close();
  const entries = mergeCursors(view.cursors(lower, undo.to, snapshot));
  const walk = new UndoWalk(entries, leadsOf(view, undo, lower), view.levels.tombstones, undo, snapshot);
  try {
    const options = { env: engine.env, id, path, builder: engine.settings.builder };
    const built = await buildTable(options, async (builder) => {
      await walk.run(builder, async () => {
        throwIfAborted(signal);
        await engine.env.clock.turn();
      });
      walk.refuseChanged(ingest);
    });
    await engine.env.fs.syncDirectory(engine.settings.tablesDir);
    const table = engine.openTable(path, undefined);
    const file: StagedFile = {
      source: '',
      mode: 'copy',
      keyspace,
      id,
      path,
      table,
      bytes: built.bytes,
      entries: built.entries,
      deletes: built.deletes,
      smallest: built.smallest,
      largest: built.largest,
      deletedSpans: [],
      sha256: undefined,
      prefix: undefined,
    };
    if (built.entries > 0) return file;
    engine.staging.discard([file]);
    return undefined;
  } finally {
    walk.close();
    held.release();
  }
}

/** Beyond this part of all entries, a walk through all of them costs less than a seek for each. */
const LEADS_PART = 8;

/** Over all keys that the ingest wrote, and not many others; undefined: there is no such thing. */
function leadsOf(
  view: View,
  { to, before, through }: UndoPins,
  lower: Uint8Array | undefined,
): Cursor | undefined {
  const { tables, tombstones } = view.levels;
  // What a range tombstone of the ingest hides it did not write.
  if (tombstones?.list.some(({ version }) => version > before && version <= through) === true)
    return undefined;
  const { cursors, entries } = view.cursorsBetween(lower, to, before, through);
  const all = tables.flat().reduce((sum, row) => sum + row.entries, 0);
  const leads = mergeCursors(cursors);
  if (entries * LEADS_PART <= all) return leads;
  leads.close();
  return undefined;
}

const NOTHING = new Uint8Array(0);

/** Goes through all versions of all keys in the span, or of those that `leads` has, key by key. */
class UndoWalk {
  readonly #entries: Cursor;
  readonly #leads: Cursor | undefined;
  readonly #tombstones: RangeTombstones | undefined;
  readonly #undo: UndoPins;
  readonly #snapshot: Version;
  readonly #changed: Buffer[] = [];
  #changedCount = 0;

  /* The key at hand, and what there is of it. */
  readonly #key = new ByteScratch();
  /** The newest entry after the ingest, of the ingest, and before it; NO_VERSION: none. */
  #after: Version = NO_VERSION;
  #own: Version = NO_VERSION;
  #ownType: EntryType = TYPE_DELETE;
  #before: Version = NO_VERSION;
  #beforeType: EntryType = TYPE_DELETE;
  readonly #value = new ByteScratch();
  /** Since the last turn of the event loop. */
  #steps = 0;

  constructor(
    entries: Cursor,
    leads: Cursor | undefined,
    tombstones: RangeTombstones | undefined,
    undo: UndoPins,
    snapshot: Version,
  ) {
    this.#entries = entries;
    this.#leads = leads;
    this.#tombstones = tombstones;
    this.#undo = undo;
    this.#snapshot = snapshot;
  }

  async run(builder: TableBuilder, turn: () => Promise<void>): Promise<void> {
    const [entries, leads] = [this.#entries, this.#leads ?? this.#entries];
    const { from } = this.#undo;
    while (leads.seek(from, 0, from.length, MAX_VERSION) === PENDING) await leads.load();
    while (leads.valid && this.#isInside(leads)) {
      if (leads === entries || this.#isNewOwn(leads)) {
        this.#key.set(leads.keyBytes, leads.keyStart, leads.keyLength);
        const { bytes, length } = this.#key;
        if (leads !== entries)
          while (entries.seek(bytes, 0, length, MAX_VERSION) === PENDING) await entries.load();
        this.#begin();
        while (this.#takeVersions() === PENDING) await entries.load();
        this.#decide(builder);
      }
      if (leads !== entries) while (leads.next() === PENDING) await leads.load();
      if (++this.#steps < ENTRIES_PER_TURN) continue;
      this.#steps = 0;
      await turn();
    }
  }

  /** Of a key that was not taken yet. */
  #isNewOwn({ keyBytes, keyStart, keyLength, version }: Cursor): boolean {
    const { before, through } = this.#undo;
    return version > before && version <= through && !this.#key.equals(keyBytes, keyStart, keyLength);
  }

  /** REQUIRES: the entries are at the newest version of the key. */
  #begin(): void {
    this.#after = NO_VERSION;
    this.#own = NO_VERSION;
    this.#before = NO_VERSION;
    this.#take();
  }

  /** All other versions of the key; the entries are at the next key then. PENDING: load, and call again. */
  #takeVersions(): Status {
    const entries = this.#entries;
    while (entries.next() !== PENDING) {
      this.#steps++;
      if (!entries.valid || !this.#key.equals(entries.keyBytes, entries.keyStart, entries.keyLength))
        return READY;
      this.#take();
    }
    return PENDING;
  }

  /** @throws SluiceError UNDO_CONFLICT */
  refuseChanged(ingest: string): void {
    if (this.#changedCount === 0) return;
    const listed = this.#changed.map(formatKey).join(', ');
    const rest = this.#changedCount - this.#changed.length;
    const more = rest > 0 ? ` and ${rest} more` : '';
    throw new SluiceError(
      'UNDO_CONFLICT',
      `The ingest ${ingest} cannot be undone, as ${this.#changedCount} of its keys were changed since: ${listed}${more}`,
      { keys: this.#changed, keyCount: this.#changedCount },
    );
  }

  close(): void {
    this.#entries.close();
    this.#leads?.close();
  }

  #isInside({ keyBytes, keyStart, keyLength }: Cursor): boolean {
    const { to } = this.#undo;
    return to === undefined || compareRanges(keyBytes, keyStart, keyLength, to, 0, to.length) < 0;
  }

  /** Versions descend, so the first of each kind is the newest. */
  #take(): void {
    const { version, type, valueBytes, valueStart, valueLength } = this.#entries;
    const { before, through } = this.#undo;
    if (version > this.#snapshot) return;
    if (version > through) {
      if (this.#after === NO_VERSION) this.#after = version;
    } else if (version > before) {
      if (this.#own !== NO_VERSION) return;
      this.#own = version;
      this.#ownType = type;
    } else if (this.#before === NO_VERSION) {
      this.#before = version;
      this.#beforeType = type;
      this.#value.set(valueBytes, valueStart, valueLength);
    }
  }

  #decide(builder: TableBuilder): void {
    const { before, through } = this.#undo;
    const { bytes, length } = this.#key;
    const wasThere =
      this.#before !== NO_VERSION && this.#beforeType === TYPE_VALUE && this.#covered(before) <= this.#before;
    const deletedAt = this.#covered(through);
    if (this.#own === NO_VERSION && !(wasThere && deletedAt > before)) return;
    if (this.#after !== NO_VERSION || this.#covered(this.#snapshot) > through) {
      if (this.#changedCount++ < KEYS_LISTED) this.#changed.push(Buffer.from(bytes.subarray(0, length)));
      return;
    }
    const isThere = this.#own !== NO_VERSION && this.#ownType === TYPE_VALUE && deletedAt <= this.#own;
    if (wasThere) {
      builder.add(bytes, 0, length, NO_VERSION, TYPE_VALUE, this.#value.bytes, 0, this.#value.length);
    } else if (isThere) builder.add(bytes, 0, length, NO_VERSION, TYPE_DELETE, NOTHING, 0, 0);
  }

  /** The newest version ≤ `upTo` of a range tombstone that covers the key. */
  #covered(upTo: Version): Version {
    const { bytes, length } = this.#key;
    return this.#tombstones?.newest(bytes, 0, length, upTo) ?? NO_VERSION;
  }
}

/** Gives up that the ingest can be undone. @throws SluiceError INGEST_NOT_FOUND */
export function releaseIngest(engine: Engine, id: string): void {
  engine.checkWritable();
  if (engine.ingestOf(id) === undefined) throw ingestNotFound(id);
  if (engine.proposer === undefined) releaseNow(engine, id);
  else engine.proposer.release(id);
}

/** `releaseIngest`, here and now. @throws SluiceError INGEST_NOT_FOUND */
export function releaseNow(engine: Engine, id: string): void {
  engine.edits.submitSync(() => {
    const row = engine.ingestOf(id);
    if (row === undefined) throw ingestNotFound(id);
    if (row.undo === undefined) return undefined;
    return {
      edits: [{ kind: 'putIngest', ingest: { ...row, undo: undefined } }],
      installed: () => {
        engine.compactor.pinsChanged();
        engine.rangeCollector.poke();
      },
    };
  });
}
