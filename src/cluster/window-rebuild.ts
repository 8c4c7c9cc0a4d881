/**
 * The conflict window of a replica that opens: made of the log's records back to the horizon before anything is applied, so that it
 * answers as the windows of replicas that never went down. L5: what commits entered is what their records say they wrote; files are asked
 * as they were given.
 */

import { at, unreachable } from '../base/assert.ts';
import { joinSpans, type KeySpan } from '../mvcc/range-tombstones.ts';
import { type Version, versionOf } from '../mvcc/version.ts';
import type { Engine } from '../txn/engine.ts';
import { type LayeredFile, layerFiles } from '../txn/overlay.ts';
import { keyString } from '../txn/read-set.ts';
import { CommitEncoder } from '../txn/record.ts';
import type { RunSection } from '../txn/run.ts';
import type { TableWrites } from '../txn/table-writes.ts';
import { LogBatch } from '../txn/wal/log-batch.ts';
import type { ConflictWindow, WrittenRange } from '../txn/window.ts';
import type { PendingRun } from '../txn/written-runs.ts';
import { type PathOf, stagedAt } from './reconstruct.ts';
import { decodeRecord } from './record/codec.ts';
import type { EntryRecords } from './record/entry.ts';
import type { LogRecord, RecordLayer } from './record/log-record.ts';
import type { RequestIds } from './request-ids.ts';

type IngestOf = Extract<RecordLayer, { kind: 'ingest' }>;

export interface RebuildParts {
  readonly engine: Engine;
  readonly pathOf: PathOf;
  readonly requests: RequestIds;
  /** Of one that is no puts alone: resolves when its files are here. */
  readonly bring: (record: LogRecord) => Promise<void>;
}

/** Enters the records of an entry, each of which was committed at its version; 0, or none: it was not. REQUIRES: in the order of versions. */
export async function enterEntry(
  parts: RebuildParts,
  records: EntryRecords,
  versions: readonly number[],
): Promise<void> {
  const { engine, pathOf, requests, bring } = parts;
  for (let index = 0; index < records.count; index++) {
    const version = versions[index] ?? 0;
    if (version === 0) continue;
    if (records.isPut(index)) {
      index += enterRun(parts, records, index, versions) - 1;
      continue;
    }
    const record = decodeRecord(records.record(index));
    await bring(record);
    enterRecord(engine, record, versionOf(version), pathOf);
    if (record.request !== undefined) requests.enter(record.request, versionOf(version), 0);
  }
}

/** Returns how many it has entered: those from `index` on at versions one after the other. */
function enterRun(
  { engine, requests }: RebuildParts,
  records: EntryRecords,
  index: number,
  versions: readonly number[],
): number {
  const first = versionOf(at(versions, index));
  const batch = new LogBatch();
  const encoder = new CommitEncoder();
  const payloads: number[] = [];
  let count = 0;
  for (; index + count < records.count && records.isPut(index + count); count++) {
    if (versions[index + count] !== first + count) break;
    const { start, end, request } = records.put(index + count, () => true);
    if (request !== undefined) requests.enter(request, versionOf(first + count), 0);
    encoder.begin(batch, versionOf(first + count), CommitEncoder.bytesMax(0, end - start, []));
    encoder.sections(records.bytes, start, end);
    payloads.push(encoder.payloadStart, encoder.end());
  }
  enterRecords(engine.window, { first, last: versionOf(first + count - 1), bytes: batch.bytes, payloads });
  return count;
}

function enterRecords(window: ConflictWindow, run: PendingRun): void {
  window.enterPuts(run);
  window.absorb(run, versionOf(run.first - 1));
}

/** REQUIRES: its files are here. */
function enterRecord(engine: Engine, record: LogRecord, last: Version, pathOf: PathOf): void {
  const { body } = record;
  if (body.kind === 'drop') engine.window.enterSwap(body.keyspace, last, false);
  if (body.kind === 'commit') new Entering(engine, record, pathOf).enter(body.layers, last);
}

class Entering {
  readonly #engine: Engine;
  readonly #record: LogRecord;
  readonly #pathOf: PathOf;
  readonly #tables: TableWrites[] = [];
  readonly #ranges: WrittenRange[] = [];

  constructor(engine: Engine, record: LogRecord, pathOf: PathOf) {
    this.#engine = engine;
    this.#record = record;
    this.#pathOf = pathOf;
  }

  /** As `manifest-commit.ts` enters what it commits. */
  enter(layers: readonly RecordLayer[], last: Version): void {
    const { window } = this.#engine;
    const depths = layers.map((layer) => this.#depth(layer));
    let at = last - depths.reduce((sum, depth) => sum + depth, 0) + 1;
    for (const [i, layer] of layers.entries()) {
      this.#enterLayer(layer, versionOf(at), layers);
      at += depths[i] ?? 0;
    }
    window.enterTables(this.#tables);
    window.enterRanges(this.#ranges);
  }

  #depth(layer: RecordLayer): number {
    if (layer.kind !== 'ingest') return 1;
    return this.#filesOf(layer).reduce((depths, { depth }) => Math.max(depths, depth + 1), 1);
  }

  #filesOf({ sources, keyspace }: IngestOf): LayeredFile[] {
    const attached = sources.flatMap((source) => source.attached ?? []);
    return layerFiles(
      attached.map((file) => stagedAt(this.#engine, this.#record, file, keyspace, this.#pathOf)),
    );
  }

  #enterLayer(layer: RecordLayer, version: Version, layers: readonly RecordLayer[]): void {
    switch (layer.kind) {
      case 'run':
        this.#enterRun(layer.sections, version);
        return;
      case 'tables':
        for (const { keyspace, file } of layer.tables) this.#enterTable(keyspace, file, version);
        return;
      case 'ranges':
        for (const [keyspace, spans] of layer.spans) this.#enterRanges(keyspace, spans, version);
        return;
      case 'swap': {
        const last = layers.findLast((each) => each.kind === 'swap' && each.keyspace === layer.keyspace);
        if (last === layer) this.#engine.window.enterSwap(layer.keyspace, version, true);
        return;
      }
      case 'ingest':
        this.#enterIngest(layer, version);
        return;
      default:
        unreachable(layer);
    }
  }

  #enterRun(sections: ReadonlyMap<string, RunSection>, version: Version): void {
    let operations = 0;
    let dataBytes = 0;
    for (const section of sections.values()) {
      operations += section.size;
      dataBytes += section.dataBytes;
    }
    const batch = new LogBatch();
    const encoder = new CommitEncoder();
    encoder.begin(batch, version, CommitEncoder.bytesMax(operations, dataBytes, [...sections.keys()]));
    for (const [keyspace, section] of sections) {
      encoder.section(keyspace, section.size, section.dataBytes);
      for (const { key, value } of section.sorted()) encoder.op(key, value);
    }
    const start = encoder.payloadStart;
    const payloads = [start, encoder.end()];
    enterRecords(this.#engine.window, { first: version, last: version, bytes: batch.bytes, payloads });
  }

  #enterIngest(layer: IngestOf, version: Version): void {
    const { keyspace, publishes, replaced } = layer;
    // What is published without being made live nobody reads yet.
    if (publishes?.activate === false) return;
    if (publishes !== undefined && publishes.on === undefined)
      this.#engine.window.enterSwap(keyspace, version, true);
    if (replaced !== undefined) this.#enterRanges(keyspace, [replaced], version);
    for (const { file, depth } of this.#filesOf(layer)) {
      const at = versionOf(version + depth);
      this.#tables.push(this.#writesOf(file, at));
      if (file.deletedSpans.length > 0) this.#enterRanges(keyspace, joinSpans(file.deletedSpans), at);
    }
  }

  #enterTable(keyspace: string, index: number, version: Version): void {
    this.#tables.push(
      this.#writesOf(stagedAt(this.#engine, this.#record, index, keyspace, this.#pathOf), version),
    );
  }

  #writesOf(file: ReturnType<typeof stagedAt>, version: Version): TableWrites {
    const { keyspace, smallest, largest, table } = file;
    return {
      version,
      keyspace,
      smallest: keyString(smallest, 0, smallest.length),
      largest: keyString(largest, 0, largest.length),
      table,
      release: () => table.dispose(),
    };
  }

  #enterRanges(keyspace: string, spans: readonly KeySpan[], version: Version): void {
    for (const { from, to } of spans) {
      const upper = to === undefined ? undefined : keyString(to, 0, to.length);
      this.#ranges.push({ keyspace, version, lower: keyString(from, 0, from.length), upper });
    }
  }
}
