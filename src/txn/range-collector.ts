/**
 * The garbage that range tombstones make, and the tombstones that are garbage: both by edits of the manifest alone. Tables
 * that are covered in part are for compaction to write again (`hidden`).
 *
 * L4: with the watermark w, below which nobody reads,
 *   - a table goes whole when tombstones ≤ w cover its range that are newer than every version in it: whoever reads sees
 *     them, and not it;
 *   - a tombstone goes when newer ones ≤ w cover its span, which hide all that it does;
 *   - a tombstone of version t goes when no source, in any level or in memory, can hold a version < t of a key in its span,
 *     but for tables out of which compaction has left what it hides. Versions < t still on their way to a memtable would be
 *     such: so t must be visible.
 */

import { compareBytes } from '../base/bytes.ts';
import { isSluiceError } from '../base/errors.ts';
import type { Reservation } from '../levels/reservations.ts';
import type { Tree } from '../levels/tree.ts';
import type { Levels } from '../manifest/levels.ts';
import { type Edit, LEVEL_COUNT, type RangeTombstonesRow, type TableRow } from '../manifest/rows.ts';
import { Coverage } from '../mvcc/coverage.ts';
import type { KeySpan, RangeTombstone } from '../mvcc/range-tombstones.ts';
import type { Version } from '../mvcc/version.ts';
import type { Change } from './edit-queue.ts';
import type { Engine } from './engine.ts';
import { HiddenBytes } from './hidden-bytes.ts';

const DELAY_MS = 50;

export class RangeCollector {
  readonly #engine: Engine;
  readonly hidden: HiddenBytes;
  #cancel: (() => void) | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.hidden = new HiddenBytes(engine);
  }

  /** Something has changed that may make garbage of tables or tombstones. */
  poke(): void {
    const { env, manifest, closed } = this.#engine;
    if (closed || this.#cancel !== undefined || manifest.state.ranges.size === 0) return;
    this.#cancel = env.clock.after(DELAY_MS, () => {
      this.#cancel = undefined;
      void this.#collect();
    });
  }

  async close(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    // One that is under way looks at no further table once the engine is closed, and its edits are waited for as all are.
    await this.hidden.idle();
  }

  async #collect(): Promise<void> {
    const engine = this.#engine;
    if (engine.closed || engine.poisoned !== undefined) return;
    try {
      for (const tree of [...engine.catalog.trees()]) {
        await engine.edits.submit(() => this.#changeOf(tree));
        if (engine.closed || engine.isDropped(tree.id)) continue;
        if (engine.compactor.isAuto && !engine.catalog.isPublished(tree.id))
          this.hidden.look(tree, engine.compactor.watermark(tree));
      }
    } catch (error) {
      // Nothing is lost: the next change tries again.
      if (!isSluiceError(error)) throw error;
      engine.logger?.warn({ err: error }, 'the garbage of range deletions could not be collected');
    }
  }

  /** undefined: the tree has no such garbage. */
  #changeOf(tree: Tree): Change | undefined {
    if (this.#engine.closed || this.#engine.isDropped(tree.id)) return undefined;
    const { manifest, publication, compactor } = this.#engine;
    const { levels } = tree.view;
    if (levels.tombstones === undefined) return undefined;
    const { visible } = publication;
    const watermark = compactor.watermark(tree);
    const coverage = Coverage.of(levels.tombstones, watermark, undefined, undefined, undefined);
    if (coverage === undefined) return undefined;
    const hidden = [...levels].filter(
      (row) =>
        (row.entries === 0 || coverage.coversAbove(row.maxVersion, row.smallest, row.largest)) &&
        !tree.reservations.takes(row.id),
    );
    const ids = hidden.map(({ id }) => id);
    const left = levels.drop(ids);
    const isNeeded = (span: KeySpan, version: Version): boolean =>
      version > visible ||
      (!coverage.coversSpanAbove(version, span) &&
        (this.#engine.treeRow(tree.id).keepsTombstones || mayHide(tree, left, span, version)));
    const edits: Edit[] = ids.map((id) => ({ kind: 'dropTable', id }));
    const kept: RangeTombstone[] = [];
    for (const row of manifest.state.ranges.values()) {
      if (row.tree !== tree.id) continue;
      const spans = row.spans.filter((span) => isNeeded(span, row.version));
      kept.push(...spans.map((span) => ({ ...span, version: row.version })));
      if (spans.length < row.spans.length) edits.push(editOf(row, spans));
    }
    if (edits.length === 0) return undefined;
    this.#engine.history.giveUp(this.#engine.horizon);
    return { edits, ...this.#steps(tree, hidden, kept) };
  }

  #steps(
    tree: Tree,
    hidden: readonly TableRow[],
    kept: readonly RangeTombstone[],
  ): Pick<Change, 'begun' | 'installed' | 'failed'> {
    const { compactor, remover } = this.#engine;
    const { reservations } = tree;
    const ids = hidden.map(({ id }) => id);
    let held: Reservation[] = [];
    const letGo = (): void => {
      for (const reservation of held) reservations.release(reservation);
    };
    return {
      // No compaction may take them up in the meantime.
      begun: () => {
        held = hidden.map(({ id, smallest, largest }) =>
          reservations.reserve(0, smallest, largest, 'the garbage of a range deletion', [id]),
        );
      },
      installed: () => {
        letGo();
        tree.install([], ids);
        tree.replaceTombstones(kept);
        if (ids.length === 0) return;
        remover.whenUnread(() => tree.removeFiles(ids));
        // What they kept from going lower can go now.
        compactor.poke();
      },
      failed: letGo,
    };
  }
}

function editOf(row: RangeTombstonesRow, spans: readonly KeySpan[]): Edit {
  if (spans.length > 0) return { kind: 'putRangeTombstones', row: { ...row, spans } };
  return { kind: 'dropRangeTombstones', tree: row.tree, version: row.version };
}

/** Whether a source of the tree may hold a version < `version` of a key in the span. */
function mayHide(tree: Tree, levels: Levels, span: KeySpan, version: Version): boolean {
  const { memtable, sealed } = tree.view;
  for (const source of [memtable, ...sealed]) {
    if (source.entries > 0 && source.minVersion < version && meets(source, span)) return true;
  }
  for (const row of levels.tables[0] ?? []) if (mayHold(row, version) && meets(row, span)) return true;
  for (let level = 1; level < LEVEL_COUNT; level++) {
    const rows = levels.tables[level] ?? [];
    for (let i = levels.firstEndingFrom(level, span.from); i < rows.length; i++) {
      const row = rows[i] as TableRow;
      if (!meets(row, span)) break;
      if (mayHold(row, version)) return true;
    }
  }
  return false;
}

/** Whether a table may hold what a tombstone of this version hides. */
function mayHold({ minVersion, clearedThrough }: TableRow, version: Version): boolean {
  return minVersion < version && (clearedThrough === undefined || clearedThrough < version);
}

function meets(
  { smallest, largest }: Pick<TableRow, 'smallest' | 'largest'>,
  { from, to }: KeySpan,
): boolean {
  return compareBytes(largest, from) >= 0 && (to === undefined || compareBytes(smallest, to) < 0);
}
