/** What a transaction has read, as its record has it. L5: never less; where it would take too much of the log, more. */

import { keyAfter, type ReadRange, type ReadSet } from '../../txn/read-set.ts';
import type { RecordFileRead, RecordReads } from './log-record.ts';

/** Of keys and ends of ranges; beyond it neighbours are joined. */
const READS_BYTES_MAX = 256 << 10;
/** Of an entry, in MessagePack. */
const KEY_OVERHEAD_BYTES = 4;

type Ranges = Map<string, readonly Readonly<ReadRange>[]>;

export function recordedReads(reads: ReadSet, files: readonly RecordFileRead[]): RecordReads {
  const points = new Map([...reads.points].map(([keyspace, keys]) => [keyspace, [...keys]] as const));
  const ranges: Ranges = new Map([...reads.ranges].map(([keyspace, list]) => [keyspace, joined(list)]));
  const written = [...reads.written];
  if (bytesOf(points, ranges) <= READS_BYTES_MAX) return { points, ranges, files, written };
  for (const [keyspace, keys] of points) {
    const asRanges = keys.map((key) => ({ lower: key, upper: keyAfter(key) }));
    ranges.set(keyspace, joined([...asRanges, ...(ranges.get(keyspace) ?? [])]));
  }
  const none = new Map<string, readonly string[]>();
  while (bytesOf(none, ranges) > READS_BYTES_MAX && halve(ranges));
  return { points: none, ranges, files, written };
}

function bytesOf(points: ReadonlyMap<string, readonly string[]>, ranges: Ranges): number {
  let bytes = 0;
  for (const keys of points.values()) for (const key of keys) bytes += key.length + KEY_OVERHEAD_BYTES;
  for (const list of ranges.values())
    for (const { lower, upper } of list)
      bytes += lower.length + (upper?.length ?? 0) + 2 * KEY_OVERHEAD_BYTES;
  return bytes;
}

/** In order, those that touch or overlap as one. */
function joined(list: readonly Readonly<ReadRange>[]): Readonly<ReadRange>[] {
  const sorted = [...list].sort((a, b) => (a.lower < b.lower ? -1 : 1));
  const ranges: ReadRange[] = [];
  for (const { lower, upper } of sorted) {
    const last = ranges.at(-1);
    if (last === undefined || (last.upper !== undefined && last.upper < lower)) ranges.push({ lower, upper });
    else if (last.upper !== undefined && (upper === undefined || upper > last.upper)) last.upper = upper;
  }
  return ranges;
}

/** Each two neighbours become one range with what is between them. False when there is nothing to join. */
function halve(ranges: Ranges): boolean {
  let any = false;
  for (const [keyspace, list] of ranges) {
    if (list.length < 2) continue;
    any = true;
    const half: Readonly<ReadRange>[] = [];
    for (let i = 0; i < list.length; i += 2) {
      const [first, second] = [list[i], list[i + 1]];
      if (first !== undefined) half.push({ lower: first.lower, upper: (second ?? first).upper });
    }
    ranges.set(keyspace, half);
  }
  return any;
}
