/**
 * Subcompactions: a large job is split into parts of separate key ranges, which run beside each other and are installed as
 * one. A part is a job like any other; L3: ranges are of user keys, so all versions of a key are in one part.
 */

import { compareBytes } from '../../base/bytes.ts';
import type { FileSystem } from '../../base/env/file-system.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import { tableName } from '../../manifest/directory.ts';
import type { TableRow } from '../../manifest/rows.ts';
import { rewritten } from '../../mvcc/prefix-rewrite.ts';
import type { BlockCache } from '../../sst/block-cache.ts';
import { Table } from '../../sst/table.ts';
import type { CompactionJob, CompactionResult } from './job.ts';
import { sumBytes } from './table-ranges.ts';

/** Of a table's index, so many keys tell where its bytes are. */
const ANCHORS = 64;
/**
 * A table is told by its last key alone where its run is many such: then that is wrong by less than this share of a part, all runs
 * together. Runs of one table each, as an import's, may all end with the last key, however small their tables are.
 */
const PART_SHARE = 4;

/** `bytes` of the inputs lie between this key and the anchor before it in the same table. */
interface Anchor {
  readonly key: Uint8Array;
  readonly bytes: number;
}

/**
 * Where to split the job so that its parts read about as much each: ascending, at most `partsMax` - 1 keys. Reads the
 * indexes of large inputs. @throws SluiceError CORRUPTION, IO … of an input.
 */
export async function splitKeys(
  job: CompactionJob,
  fs: FileSystem,
  cache: BlockCache,
): Promise<Uint8Array[]> {
  const rows = job.runs.flat();
  const smallBytes = sumBytes(rows) / (job.partsMax * PART_SHARE * job.runs.length);
  const anchors: Anchor[] = [];
  for (const row of rows) {
    if (row.bytes < smallBytes) anchors.push({ key: row.largest, bytes: row.bytes });
    else anchors.push(...(await anchorsOf(job, row, fs, cache)));
  }
  anchors.sort((a, b) => compareBytes(a.key, b.key));
  // Not that of the files: small ones are much else than blocks.
  const partBytes = anchors.reduce((sum, { bytes }) => sum + bytes, 0) / job.partsMax;
  const keys: Uint8Array[] = [];
  let bytes = 0;
  for (const anchor of anchors) {
    bytes += anchor.bytes;
    if (bytes < partBytes * (keys.length + 1) || keys.length === job.partsMax - 1) continue;
    const last = keys.at(-1);
    if (last === undefined || compareBytes(last, anchor.key) < 0) keys.push(anchor.key);
  }
  return keys;
}

async function anchorsOf(
  job: CompactionJob,
  row: TableRow,
  fs: FileSystem,
  cache: BlockCache,
): Promise<Anchor[]> {
  const path = `${job.inputsDir ?? job.tablesDir}/${tableName(row.id)}`;
  const table = new Table({ path, fs, cache, forMerge: true });
  try {
    const { index } = await table.open();
    const anchors: Anchor[] = [];
    const step = Math.max(1, Math.ceil(index.blocks / ANCHORS));
    let from = 0;
    for (let block = step - 1; block < index.blocks; block += step) {
      const end = (index.offsets[block] as number) + (index.sizes[block] as number);
      const separator = index.keys.slice(index.keyStart(block), index.keyEnds[block]);
      // The last one may be after all keys with the prefix.
      const key = row.prefix === undefined ? separator : (rewritten(separator, row.prefix) ?? row.largest);
      anchors.push({ key, bytes: end - from });
      from = end;
    }
    return anchors;
  } finally {
    table.dispose();
  }
}

/** The job split at the keys, without parts that have no inputs. */
export function partsOf(job: CompactionJob, keys: readonly Uint8Array[]): CompactionJob[] {
  const parts: CompactionJob[] = [];
  for (let i = 0; i <= keys.length; i++) {
    const range = { from: keys[i - 1] ?? job.range.from, to: keys[i] ?? job.range.to };
    const { from, to } = range;
    const isWithin = ({ smallest, largest }: TableRow): boolean =>
      (from === undefined || compareBytes(largest, from) >= 0) &&
      (to === undefined || compareBytes(smallest, to) < 0);
    const runs = job.runs.map((rows) => rows.filter(isWithin)).filter((rows) => rows.length > 0);
    if (runs.length === 0) continue;
    // Those before the range would seem to be overlapped by its first table.
    const grandparents = job.grandparents.filter(
      ({ largest }) => from === undefined || compareBytes(largest, from) >= 0,
    );
    const bytesPerSecond = job.bytesPerSecond / (keys.length + 1);
    parts.push({ ...job, runs, range, partsMax: 1, grandparents, bytesPerSecond });
  }
  return parts;
}

/** One compaction under way. */
export interface RunningJob {
  /** Rejects with what stopped it; ABORTED after `cancel`. Outputs are the caller's to remove then. */
  readonly done: Promise<CompactionResult>;
  cancel(): void;
  /** It rests between slices until `pause(false)`. */
  pause(wanted: boolean): void;
}

/** Runs the job split at `keys`. It is done when all parts have ended; one that fails ends the others. */
export function runParts(
  job: CompactionJob,
  keys: Promise<readonly Uint8Array[]>,
  runPart: (part: CompactionJob) => RunningJob,
): RunningJob {
  const running: RunningJob[] = [];
  let cancelled = false;
  let paused = false;
  const cancel = (): void => {
    cancelled = true;
    for (const part of running) part.cancel();
  };
  const pause = (wanted: boolean): void => {
    paused = wanted;
    for (const part of running) part.pause(wanted);
  };
  const all = async (): Promise<CompactionResult> => {
    const split = await keys;
    if (cancelled) throw new SluiceError('ABORTED', 'The compaction was cancelled');
    for (const part of partsOf(job, split)) running.push(runPart(part));
    if (paused) pause(true);
    for (const { done } of running) done.catch(cancel);
    const outcomes = await Promise.allSettled(running.map(({ done }) => done));
    const errors = outcomes.flatMap((each): unknown[] => (each.status === 'rejected' ? [each.reason] : []));
    // The parts that a failure ended are not what it was.
    if (errors.length > 0) throw errors.find((error) => !isSluiceError(error, 'ABORTED')) ?? errors[0];
    return combined(outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])));
  };
  return { done: all(), cancel, pause };
}

function combined(results: readonly CompactionResult[]): CompactionResult {
  const sum = (of: (result: CompactionResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  return {
    outputs: results.flatMap(({ outputs }) => outputs),
    entriesRead: sum(({ entriesRead }) => entriesRead),
    entriesWritten: sum(({ entriesWritten }) => entriesWritten),
    heldBack: sum(({ heldBack }) => heldBack),
    bytesRead: sum(({ bytesRead }) => bytesRead),
    bytesWritten: sum(({ bytesWritten }) => bytesWritten),
  };
}
