/** The levels of a keyspace as bars, for a terminal. */

import type { KeyspaceStats } from '../txn/stats.ts';
import { bytesText, columns, entriesText, plural } from './text.ts';

/** Colours a piece of text, or leaves it as it is. */
export type Paint = (style: 'bold' | 'dim' | 'cyan' | 'green' | 'yellow' | 'red', text: string) => string;

export const PLAIN: Paint = (_style, text) => text;

const BAR_CELLS = 24;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** One line for the keyspace, one for its memtables, one for each level; bars in proportion to bytes. */
export function drawLevels(
  { name, levels, memtableBytes, memtableEntries, sealedMemtables, rangeTombstones }: KeyspaceStats,
  paint = PLAIN,
): string[] {
  const bytes = levels.reduce((sum, level) => sum + level.bytes, 0);
  const entries = levels.reduce((sum, level) => sum + level.entries, 0);
  const most = Math.max(memtableBytes, ...levels.map((level) => level.bytes), 1);
  const memtables = sealedMemtables === 0 ? '' : `${sealedMemtables} more to be flushed`;
  const rows = [
    [
      'memtable',
      bar(memtableBytes, most),
      memtables,
      bytesText(memtableBytes),
      memtableEntries === 0 ? '' : entriesText(memtableEntries),
    ],
    ...levels.map((level, number) => [
      `level ${number}`,
      bar(level.bytes, most),
      level.tables === 0 ? '' : plural(level.tables, 'table'),
      level.tables === 0 ? '' : bytesText(level.bytes),
      level.tables === 0 ? '' : entriesText(level.entries),
    ]),
  ];
  const ranges = rangeTombstones === 0 ? '' : `, ${plural(rangeTombstones, 'range tombstone')}`;
  const title = `${paint('bold', name)}  ${bytesText(bytes)} in tables, ${entriesText(entries)}${ranges}`;
  const lines = columns(rows, [2, 3, 4]);
  return [title, ...lines.map((line) => `  ${line.replace(/[█▏▎▍▌▋▊▉]+/, (cells) => paint('cyan', cells))}`)];
}

/** Never empty where there is something. */
function bar(bytes: number, most: number): string {
  const eighths = bytes === 0 ? 0 : Math.max(1, Math.round((bytes / most) * BAR_CELLS * 8));
  const cells = '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
  return cells === '' ? '·' : cells;
}
