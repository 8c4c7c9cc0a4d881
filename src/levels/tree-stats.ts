/** What a tree holds, in numbers. */

import type { View } from './view.ts';

export interface LevelStats {
  readonly tables: number;
  readonly bytes: number;
  readonly entries: number;
}

export interface TreeStats {
  /** LEVEL_COUNT of them. */
  readonly levels: readonly LevelStats[];
  readonly memtableBytes: number;
  /** Memory of the memtables: with what is left of their room. */
  readonly memtableRoomBytes: number;
  readonly memtableEntries: number;
  /** Memtables waiting to be flushed. */
  readonly sealedMemtables: number;
  /** Tables that were dropped and are still read by someone. */
  readonly doomedTables: number;
  readonly rangeTombstones: number;
}

export function treeStats({ memtable, sealed, levels }: View, doomedTables: number): TreeStats {
  const memtables = [memtable, ...sealed];
  return {
    levels: levels.tables.map((rows) => ({
      tables: rows.length,
      bytes: rows.reduce((sum, row) => sum + row.bytes, 0),
      entries: rows.reduce((sum, row) => sum + row.entries, 0),
    })),
    memtableBytes: memtables.reduce((sum, m) => sum + m.bytesUsed, 0),
    memtableRoomBytes: memtables.reduce((sum, m) => sum + m.roomBytes, 0),
    memtableEntries: memtables.reduce((sum, m) => sum + m.entries, 0),
    sealedMemtables: sealed.length,
    doomedTables,
    rangeTombstones: levels.tombstones?.list.length ?? 0,
  };
}
