/**
 * Records as bytes, in entries of the shared log (entry.ts, which has a shorter form of those that only put). In MessagePack:
 *
 *     record = [timeMs, snapshot, reads | null, [[keyspace, keepsTombstones], …], [file, …], body,
 *               [import, epoch, info] claimed | null, request | null]
 *     reads  = [[keyspace, [key, …]], …], [[keyspace, [[lower, upper | null], …]], …],
 *              [[keyspace, file, lower, upper, own layers], …], [written keyspace, …]      (one array of these four)
 *     file   = [SHA-256 of 32 bytes, bytes, entries, deletes, smallest, largest, [[from, to | null], …],
 *              [prefix in the file, prefix read] | null]
 *     body   = [0, [layer, …]] a commit | [1, keyspace] dropped | [2, keyspace, [id, …]] versions dropped
 *            | [3, ingest] released | [4] nothing | [5] contents compared
 *            | [6, import, epoch expected, epoch, node, session, state, version | null, spec, info] what is
 *               known of an import; its spec is '' where it stays
 *     layer  = [0, [[keyspace, [key, value | null, key, …]], …]] a run
 *            | [1, [[keyspace, file], …]] runs as tables
 *            | [2, [[keyspace, [[from, to | null], …]], …]] range deletions
 *            | [3, id, keyspace, [[source, sha256 | null, file, attached file | null], …], [from, to | null] | null, undoable,
 *               undoes | null, [id | null, message | null, activate, on | null, keepVersions | null] | null] an ingest
 *            | [4, keyspace, id, from | null] another version made live
 *
 * Keys are binary, files are indexes into the record's. A later minor change may append elements to an array.
 */

import { unreachable } from '../../base/assert.ts';
import { SluiceError } from '../../base/errors.ts';
import { Fields, packr } from '../../manifest/fields.ts';
import { sharedImportOf, sharedImportValues } from '../../manifest/shared-import-row.ts';
import type { KeySpan } from '../../mvcc/range-tombstones.ts';
import type { ImportClaim } from '../../txn/proposer.ts';
import { keyBytes, keyString } from '../../txn/read-set.ts';
import { RunSection } from '../../txn/run.ts';
import type {
  LogRecord,
  RecordBody,
  RecordFile,
  RecordFileRead,
  RecordLayer,
  RecordPublish,
  RecordReads,
  RecordSource,
} from './log-record.ts';

const COMMIT = 0;
const DROP = 1;
const DROP_VERSIONS = 2;
const RELEASE = 3;
const NONE = 4;
const COMPARE = 5;
const IMPORT = 6;

const RUN = 0;
const TABLES = 1;
const RANGES = 2;
const INGEST = 3;
const SWAP = 4;

export function encodeRecord(record: LogRecord): Uint8Array {
  const { timeMs, snapshot, reads, ensures, files, body, claim, request } = record;
  return packr.pack([
    timeMs,
    snapshot,
    reads === undefined ? null : readsValues(reads),
    ensures.map(({ keyspace, keepsTombstones }) => [keyspace, keepsTombstones]),
    files.map(fileValues),
    bodyValues(body),
    claim === undefined ? null : [claim.id, claim.epoch, claim.info],
    request ?? null,
  ]);
}

/** Nothing of what it returns is a view of the bytes. @throws SluiceError CORRUPTION */
export function decodeRecord(bytes: Uint8Array): LogRecord {
  let values: unknown;
  try {
    values = packr.unpack(bytes);
  } catch (cause) {
    throw broken('a record is not MessagePack', cause);
  }
  const f = fields(values);
  const [timeMs, snapshot, reads] = [f.number(), f.number(), f.listOrNull()];
  const ensures = f.list().map((ensure) => {
    const each = fields(ensure);
    return { keyspace: each.text(), keepsTombstones: each.flag() };
  });
  return {
    timeMs,
    snapshot,
    reads: reads === null ? undefined : readsOf(reads),
    ensures,
    files: f.list().map(fileOf),
    body: bodyOf(f.list()),
    claim: claimOf(f.listOrNull()),
    request: f.textOrNull() ?? undefined,
  };
}

function broken(why: string, cause?: unknown): SluiceError {
  return new SluiceError('CORRUPTION', `The cluster's log has a record that cannot be read: ${why}`, {
    cause,
  });
}

function fields(values: unknown): Fields {
  return new Fields('a part', values, broken);
}

function spanValues({ from, to }: KeySpan): unknown[] {
  return [from, to ?? null];
}

function spanOf(values: unknown): KeySpan {
  const f = fields(values);
  return { from: f.bytes(), to: f.bytesOrNull() ?? undefined };
}

function readsValues({ points, ranges, files, written }: RecordReads): unknown[] {
  return [
    Array.from(points, ([keyspace, keys]) => [keyspace, keys.map(keyBytes)]),
    Array.from(ranges, ([keyspace, list]) => [
      keyspace,
      list.map(({ lower, upper }) => [keyBytes(lower), upper === undefined ? null : keyBytes(upper)]),
    ]),
    files.map(({ keyspace, file, range, ownLayers }) => [
      keyspace,
      file,
      keyBytes(range.lower),
      keyBytes(range.upper),
      ownLayers,
    ]),
    written,
  ];
}

function text(bytes: Uint8Array): string {
  return keyString(bytes, 0, bytes.length);
}

function keyOf(value: unknown): string {
  if (!(value instanceof Uint8Array)) throw broken('a key is not binary');
  return text(value);
}

function readsOf(values: readonly unknown[]): RecordReads {
  const f = fields(values);
  const points = new Map<string, readonly string[]>();
  for (const each of f.list()) {
    const of = fields(each);
    points.set(of.text(), of.list().map(keyOf));
  }
  const ranges: RecordReads['ranges'] = new Map(
    f.list().map((each) => {
      const of = fields(each);
      return [of.text(), of.list().map(rangeOf)];
    }),
  );
  const files = f.list().map((each): RecordFileRead => {
    const of = fields(each);
    const [keyspace, file] = [of.text(), of.number()];
    const range = { lower: text(of.bytes()), upper: text(of.bytes()) };
    return { keyspace, file, range, ownLayers: of.number() };
  });
  return { points, ranges, files, written: f.list().map(String) };
}

function rangeOf(values: unknown): { readonly lower: string; readonly upper: string | undefined } {
  const { from, to } = spanOf(values);
  return { lower: text(from), upper: to === undefined ? undefined : text(to) };
}

function claimOf(values: readonly unknown[] | null): ImportClaim | undefined {
  if (values === null) return undefined;
  const f = fields(values);
  return { id: f.text(), epoch: f.number(), info: f.text() };
}

function fileValues(file: RecordFile): unknown[] {
  const { digest, bytes, entries, deletes, smallest, largest, deletedSpans, prefix } = file;
  return [
    Buffer.from(digest, 'hex'),
    bytes,
    entries,
    deletes,
    smallest,
    largest,
    deletedSpans.map(spanValues),
    prefix === undefined ? null : [prefix.from, prefix.to],
  ];
}

function fileOf(values: unknown): RecordFile {
  const f = fields(values);
  const file = {
    digest: Buffer.from(f.bytes()).toString('hex'),
    bytes: f.number(),
    entries: f.number(),
    deletes: f.number(),
    smallest: f.bytes(),
    largest: f.bytes(),
    deletedSpans: f.list().map(spanOf),
  };
  const prefix = f.listOrNull();
  if (prefix === null) return { ...file, prefix: undefined };
  const of = fields(prefix);
  return { ...file, prefix: { from: of.bytes(), to: of.bytes() } };
}

function bodyValues(body: RecordBody): unknown[] {
  switch (body.kind) {
    case 'commit':
      return [COMMIT, body.layers.map(layerValues)];
    case 'drop':
      return [DROP, body.keyspace];
    case 'dropVersions':
      return [DROP_VERSIONS, body.keyspace, body.ids];
    case 'release':
      return [RELEASE, body.ingest];
    case 'import':
      return [IMPORT, body.row.id, body.expects, ...sharedImportValues(body.row)];
    case 'none':
      return [NONE];
    case 'compare':
      return [COMPARE];
    default:
      return unreachable(body);
  }
}

function bodyOf(values: readonly unknown[]): RecordBody {
  const f = fields(values);
  const kind = f.number();
  if (kind === COMMIT) return { kind: 'commit', layers: f.list().map(layerOf) };
  if (kind === DROP) return { kind: 'drop', keyspace: f.text() };
  if (kind === DROP_VERSIONS) return { kind: 'dropVersions', keyspace: f.text(), ids: f.list().map(Number) };
  if (kind === RELEASE) return { kind: 'release', ingest: f.text() };
  if (kind === IMPORT) {
    const [id, expects] = [f.text(), f.number()];
    return { kind: 'import', expects, row: sharedImportOf(id, f) };
  }
  if (kind === NONE) return { kind: 'none' };
  if (kind === COMPARE) return { kind: 'compare' };
  throw unknownKind('record', kind);
}

function unknownKind(what: string, kind: number): SluiceError {
  return new SluiceError(
    'UNSUPPORTED_FORMAT',
    `The cluster's log has a ${what} of kind ${kind}: upgrade this software`,
  );
}

function layerValues(layer: RecordLayer): unknown[] {
  switch (layer.kind) {
    case 'run':
      return [RUN, Array.from(layer.sections, ([keyspace, section]) => [keyspace, runValues(section)])];
    case 'tables':
      return [TABLES, layer.tables.map(({ keyspace, file }) => [keyspace, file])];
    case 'ranges':
      return [RANGES, Array.from(layer.spans, ([keyspace, spans]) => [keyspace, spans.map(spanValues)])];
    case 'ingest': {
      const { id, keyspace, sources, replaced, undoable, undoes, publishes } = layer;
      return [
        INGEST,
        id,
        keyspace,
        sources.map(({ source, sha256, given, attached }) => [
          source,
          sha256 ?? null,
          given,
          attached ?? null,
        ]),
        replaced === undefined ? null : spanValues(replaced),
        undoable,
        undoes ?? null,
        publishes === undefined ? null : publishValues(publishes),
      ];
    }
    case 'swap':
      return [SWAP, layer.keyspace, layer.id, layer.from ?? null];
    default:
      return unreachable(layer);
  }
}

function runValues(section: RunSection): unknown[] {
  const values: unknown[] = [];
  for (const { key, value } of section.sorted()) values.push(key, value ?? null);
  return values;
}

function publishValues({ id, message, activate, on, keepVersions }: RecordPublish): unknown[] {
  return [id ?? null, message ?? null, activate, on ?? null, keepVersions ?? null];
}

function layerOf(values: unknown): RecordLayer {
  const f = fields(values);
  const kind = f.number();
  if (kind === RUN) return { kind: 'run', sections: new Map(f.list().map(sectionOf)) };
  if (kind === TABLES) {
    const tables = f.list().map((each) => {
      const of = fields(each);
      return { keyspace: of.text(), file: of.number() };
    });
    return { kind: 'tables', tables };
  }
  if (kind === RANGES) {
    const spans = f.list().map((each): [string, readonly KeySpan[]] => {
      const of = fields(each);
      return [of.text(), of.list().map(spanOf)];
    });
    return { kind: 'ranges', spans: new Map(spans) };
  }
  if (kind === INGEST) return ingestOf(f);
  if (kind === SWAP)
    return { kind: 'swap', keyspace: f.text(), id: f.number(), from: f.numberOrNull() ?? undefined };
  throw unknownKind('layer', kind);
}

function sectionOf(values: unknown): [string, RunSection] {
  const f = fields(values);
  const [keyspace, list] = [f.text(), f.list()];
  const section = new RunSection();
  const entries = fields(list);
  for (let statement = 1; !entries.done; statement++) {
    const key = entries.bytes();
    section.set({ key, value: entries.bytesOrNull() ?? undefined, statement });
  }
  return [keyspace, section];
}

function ingestOf(f: Fields): RecordLayer {
  const [id, keyspace] = [f.text(), f.text()];
  const sources = f.list().map((each): RecordSource => {
    const of = fields(each);
    const [source, sha256] = [of.text(), of.textOrNull() ?? undefined];
    return { source, sha256, given: of.number(), attached: of.numberOrNull() ?? undefined };
  });
  const replaced = f.listOrNull();
  const [undoable, undoes, publishes] = [f.flag(), f.textOrNull() ?? undefined, f.listOrNull()];
  return {
    kind: 'ingest',
    id,
    keyspace,
    sources,
    replaced: replaced === null ? undefined : spanOf(replaced),
    undoable,
    undoes,
    publishes: publishes === null ? undefined : publishOf(publishes),
  };
}

function publishOf(values: readonly unknown[]): RecordPublish {
  const f = fields(values);
  return {
    id: f.numberOrNull() ?? undefined,
    message: f.textOrNull() ?? undefined,
    activate: f.flag(),
    on: f.numberOrNull() ?? undefined,
    keepVersions: f.numberOrNull() ?? undefined,
  };
}
