/**
 * What differs between two versions of a dataset, in key order.
 *
 * A file that both have says the same in both (same bytes, same global version), so where only a small part of what they
 * have is not shared, as between a version and its delta, the keys of that part are looked up in both; else both are gone
 * through from end to end.
 */

import type { BufferCopier } from '../../base/buffer-copier.ts';
import { decode, type EncodingName, type Output } from '../../base/encoding.ts';
import { throwIfAborted } from '../../base/errors.ts';
import type { Tree } from '../../levels/tree.ts';
import type { TableRow } from '../../manifest/rows.ts';
import { type Cursor, PENDING } from '../../mvcc/cursor.ts';
import { mergeCursors } from '../../mvcc/merge.ts';
import type { RangeTombstone } from '../../mvcc/range-tombstones.ts';
import { NO_VERSION } from '../../mvcc/version.ts';
import type { Engine } from '../engine.ts';
import type { SluiceIterator } from '../iterator.ts';
import type { DatasetView } from './view.ts';

export interface DiffOptions {
  readonly signal?: AbortSignal;
}

/** `value` is undefined of what was removed, `before` of what was added. */
export interface DatasetChange<KE extends EncodingName, VE extends EncodingName> {
  readonly type: 'added' | 'changed' | 'removed';
  readonly key: Output<KE>;
  readonly value: Output<VE> | undefined;
  readonly before: Output<VE> | undefined;
}

export interface RawChange {
  readonly key: Uint8Array;
  readonly before: Uint8Array | undefined;
  readonly value: Uint8Array | undefined;
}

/** One version: its tree, and what reads it. */
export interface DiffSide {
  readonly tree: Tree;
  readonly view: DatasetView;
}

/** Beyond this part of all entries, looking up keys costs more than going through all. */
const LOOKUP_PART = 8;
const BATCH = 256;

export async function* changesBetween(
  engine: Engine,
  before: DiffSide,
  after: DiffSide,
  signal: AbortSignal | undefined,
): AsyncGenerator<RawChange, void, undefined> {
  const unshared = unsharedTables(engine, before.tree, after.tree);
  const changes =
    unshared === undefined
      ? mergedChanges(before.view, after.view, signal)
      : lookedUpChanges(before.view, after.view, unshared, signal);
  for await (const change of changes) {
    if (change.before !== undefined && change.value !== undefined && equal(change.before, change.value))
      continue;
    if (change.before !== undefined || change.value !== undefined) yield change;
  }
}

interface HeldTable {
  readonly tree: Tree;
  readonly row: TableRow;
}

/** undefined: too much to look up one by one. */
function unsharedTables(engine: Engine, a: Tree, b: Tree): HeldTable[] | undefined {
  if (!sameTombstones(a.view.levels.tombstones?.list, b.view.levels.tombstones?.list)) return undefined;
  const inB = new Map(b.rows().map((row) => [contentOf(engine, row), row]));
  const unshared: HeldTable[] = [];
  let entries = 0;
  for (const row of a.rows()) {
    entries += row.entries;
    if (!inB.delete(contentOf(engine, row))) unshared.push({ tree: a, row });
  }
  for (const row of inB.values()) unshared.push({ tree: b, row });
  const own = unshared.reduce((sum, { row }) => sum + row.entries, 0);
  return own * LOOKUP_PART <= entries ? unshared : undefined;
}

function contentOf(engine: Engine, { id, globalVersion }: TableRow): string {
  return `${engine.env.fs.statSync(engine.tablePath(id)).identity}@${globalVersion ?? 'own'}`;
}

function sameTombstones(
  a: readonly RangeTombstone[] | undefined,
  b: readonly RangeTombstone[] | undefined,
): boolean {
  if (a === undefined || b === undefined) return a === b;
  const text = ({ from, to, version }: RangeTombstone): string => {
    const end = to === undefined ? 'end' : Buffer.from(to).toString('hex');
    return `${version} ${Buffer.from(from).toString('hex')} ${end}`;
  };
  const inB = new Set(b.map(text));
  return a.length === b.length && a.every((tombstone) => inB.has(text(tombstone)));
}

async function* lookedUpChanges(
  before: DatasetView,
  after: DatasetView,
  tables: readonly HeldTable[],
  signal: AbortSignal | undefined,
): AsyncGenerator<RawChange, void, undefined> {
  const held = tables.map(({ tree, row }) => {
    const table = tree.view.table(row);
    return { table, release: tree.retain(table) };
  });
  const cursor = mergeCursors(held.map(({ table }) => table.cursor(NO_VERSION, { fillCache: false })));
  try {
    let last: Uint8Array | undefined;
    while (cursor.first() === PENDING) await cursor.load();
    for (let n = 0; cursor.valid; n++) {
      if (n % BATCH === 0) throwIfAborted(signal);
      const key = keyOf(cursor);
      if (last === undefined || !equal(last, key)) {
        yield { key, before: await before.get(key), value: await after.get(key) };
        last = key;
      }
      while (cursor.next() === PENDING) await cursor.load();
    }
  } finally {
    cursor.close();
    for (const { release } of held) release();
  }
}

function keyOf({ keyBytes, keyStart, keyLength }: Cursor): Uint8Array {
  return Uint8Array.prototype.slice.call(keyBytes, keyStart, keyStart + keyLength);
}

/** All entries of both, those that are the same as well. */
async function* mergedChanges(
  before: DatasetView,
  after: DatasetView,
  signal: AbortSignal | undefined,
): AsyncGenerator<RawChange, void, undefined> {
  const left = new Entries(before, signal);
  const right = new Entries(after, signal);
  try {
    await left.step();
    await right.step();
    for (;;) {
      const [a, b] = [left.entry, right.entry];
      const order = a === undefined ? 1 : b === undefined ? -1 : Buffer.compare(a[0], b[0]);
      const key = (order <= 0 ? a : b)?.[0];
      if (key === undefined) return;
      yield { key, before: order <= 0 ? a?.[1] : undefined, value: order >= 0 ? b?.[1] : undefined };
      if (order <= 0) await left.step();
      if (order >= 0) await right.step();
    }
  } finally {
    await left.close();
    await right.close();
  }
}

class Entries {
  readonly #iterator: SluiceIterator<[Buffer, Buffer]>;
  #batch: [Buffer, Buffer][] = [];
  #next = 0;
  entry: [Buffer, Buffer] | undefined;

  constructor(view: DatasetView, signal: AbortSignal | undefined) {
    this.#iterator = view.iterator(signal === undefined ? {} : { signal });
  }

  async step(): Promise<void> {
    if (this.#next === this.#batch.length) {
      this.#batch = await this.#iterator.nextv(BATCH);
      this.#next = 0;
    }
    this.entry = this.#batch[this.#next++];
  }

  async close(): Promise<void> {
    await this.#iterator.close();
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

export function decodedChange<KE extends EncodingName, VE extends EncodingName>(
  { key, before, value }: RawChange,
  keyEncoding: KE,
  valueEncoding: VE,
  copier: BufferCopier,
): DatasetChange<KE, VE> {
  const decoded = (bytes: Uint8Array | undefined): Output<VE> | undefined =>
    bytes === undefined ? undefined : decode(valueEncoding, bytes, 0, bytes.length, copier);
  return {
    type: before === undefined ? 'added' : value === undefined ? 'removed' : 'changed',
    key: decode(keyEncoding, key, 0, key.length, copier),
    value: decoded(value),
    before: decoded(before),
  };
}
