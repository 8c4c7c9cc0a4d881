/**
 * What is measured, and the targets. A case is run once per engine and round, each time in a fresh process; `task` is
 * what child.mjs and the C++ program are told; `rows` says what each number of their answer is, and what it should be.
 */

import { join } from 'node:path';
import { cluster } from './cluster-cases.mjs';
import { needsFiles } from './files.mjs';
import { imports } from './import-cases.mjs';
import { factor, megabytes, millions, ms, rate, us } from './rows.mjs';

export const ENGINES = {
  sluice: 'SluiceDB',
  lmdb: 'lmdb',
  'classic-level': 'classic-level',
  'better-sqlite3': 'better-sqlite3',
  rocksdb: 'RocksDB',
  'rocksdb-node': 'RocksDB in Node',
  duckdb: 'DuckDB',
};

/** DuckDB is no key-value store: it imports, and nothing else. */
const ALL = Object.keys(ENGINES).filter((engine) => engine !== 'duckdb');
const WITH_TABLES = ['sluice', 'rocksdb'];
const TREES = ['sluice', 'classic-level', 'rocksdb', 'rocksdb-node'];

const MIB = 1 << 20;
const WIDE_VALUE_BYTES = 4000; // halved by LZ4: 500 entries are 1 MB of file
const TINY_ENTRIES = 20;
const KEY_STEP = 2;

/** `root`: where the data is; not needed to read labels and targets. */
export function makeCases({ root = '', scale }) {
  const context = contextOf(root, scale);
  return {
    count: context.count,
    cases: [
      ...tables(context),
      ...reads(context),
      ...writes(context),
      ...ingests(context),
      ...prefixes(context),
      ...imports(context),
      ...latency(context),
      ...cluster(context),
    ],
  };
}

function contextOf(root, scale) {
  const count = Math.round(2_000_000 * scale);
  const store = (engine) => join(root, 'store', engine);
  const scratch = (engine) => join(root, 'scratch', engine);
  const common = { data: join(root, 'data'), count, cacheBytes: 768 * MIB };
  const fileSet = (name, files, entries, valueBytes) => ({
    dir: join(root, 'files', name),
    files,
    entries: Math.max(1, Math.round(entries)),
    valueBytes,
    keyStep: KEY_STEP,
  });
  const wide = (name, mb) => fileSet(name, 1, mb * 500, WIDE_VALUE_BYTES);
  const many = Math.max(10, Math.round(10_000 * scale));
  return {
    root,
    scale,
    count,
    store,
    scratch,
    common,
    fileSet,
    wide,
    large: wide('large', Math.max(2, Math.round(1000 * scale))),
    largeLabel: size(Math.max(2, Math.round(1000 * scale))),
    huge: wide('huge', Math.max(4, Math.round(2000 * scale))),
    hugeLabel: size(Math.max(4, Math.round(2000 * scale))),
    many: fileSet('many', many, TINY_ENTRIES, 100),
    manyLabel: many.toLocaleString('en'),
  };
}

const size = (mb) => (mb >= 1000 ? `${+(mb / 1000).toFixed(1)} GB` : `${mb} MB`);

/** Four files whose keys take turns. */
function fourOf({ common, count, fileSet }) {
  return { ...fileSet('four', 4, count / 4, 100), data: common.data, count };
}

const interleaved = (set) => () => ({ path: set.dir, task: { kind: 'interleaved', ...set } });

function tables(context) {
  const { scratch, common, count } = context;
  const four = fourOf(context);
  return [
    ...Object.entries({ build: 'table build', 'build-puts': '… entry by entry, with SHA-256' }).map(
      ([name, label]) => ({
        name,
        engines: WITH_TABLES,
        rows: { rate: rate(label, name === 'build' ? { rocksdb: 1.3 } : {}) },
        task: (e) => ({ kind: 'build', ...common, dir: scratch(e), puts: name === 'build-puts' }),
      }),
    ),
    {
      name: 'compaction',
      engines: WITH_TABLES,
      needs: [interleaved(four)],
      rows: { rate: rate('compaction, 4-way merge', { rocksdb: 1.5 }) },
      task: (e) => ({ kind: 'compaction', dir: scratch(e), count, compaction: 'off', set: four }),
    },
  ];
}

function reads({ scale, store, common, count, many, manyLabel }) {
  const load = (e) => ({ kind: 'load', ...common, dir: store(e) });
  const loaded = (e) => ({ path: store(e), engine: e, task: load(e) });
  const get = (e) => ({ kind: 'get', ...common, dir: store(e), reads: Math.round(count / 2) });
  const puts = Math.round(count * 2.5);
  const treeDir = (e) => `${store(e)}-tree`;
  const tree = { ...common, puts, shape: treeShape(scale) };
  const openDir = (e) => `${store(e)}-many`;
  return [
    { name: 'load', engines: ALL, rows: { rate: rate('bulk load, sorted') }, task: load },
    {
      name: 'get',
      engines: ALL,
      needs: [loaded],
      rows: { rate: rate('get, random, warm', { rocksdb: 1.5, lmdb: 1.2 }) },
      task: get,
    },
    {
      name: 'miss',
      engines: ALL,
      needs: [loaded],
      rows: { rate: rate('get, missing key', { rocksdb: 1, lmdb: 3 }) },
      task: (e) => ({ ...get(e), missing: true }),
    },
    {
      name: 'scan',
      engines: ALL,
      needs: [loaded],
      rows: {
        cursor: rate('full scan by cursor, warm', { rocksdb: 2, lmdb: 8 }),
        buffers: rate('full scan into fresh Buffers, warm', { rocksdb: 0.5, lmdb: 2 }),
      },
      task: (e) => ({ kind: 'scan', ...common, dir: store(e) }),
    },
    {
      name: 'tree',
      engines: TREES,
      needs: [(e) => ({ path: treeDir(e), engine: e, task: { kind: 'treeLoad', ...tree, dir: treeDir(e) } })],
      rows: { rate: rate(`get, after ${millions(puts)} random puts`, { rocksdb: 1 }) },
      task: (e) => ({ kind: 'tree', ...tree, dir: treeDir(e), reads: Math.round(count / 2) }),
    },
    {
      name: 'cold',
      engines: TREES,
      needs: [loaded],
      rows: { rate: rate('get, block cache of 8 MB', { rocksdb: 1.2 }) },
      task: (e) => ({ ...get(e), reads: Math.round(count / 10), cacheBytes: 8 * MIB, warm: false }),
    },
    {
      name: 'open',
      engines: WITH_TABLES,
      needs: [
        needsFiles(many),
        (e) => ({
          path: openDir(e),
          engine: e,
          task: { kind: 'manyTables', dir: openDir(e), compaction: 'off', set: many },
        }),
      ],
      rows: { ms: ms(`open with ${manyLabel} tables, to first read`, { atMost: 1000 }) },
      task: (e) => ({ kind: 'openToFirstRead', dir: openDir(e), compaction: 'off', set: many }),
    },
  ];
}

/** Small enough for five levels at any scale: 4 MiB memtables, levels that grow by 4. */
function treeShape(scale) {
  const bytes = (full, least) => Math.max(least, Math.round(full * scale));
  return {
    memtableBytes: bytes(4 * MIB, 64 << 10),
    levelBytes: bytes(4 * MIB, 64 << 10),
    fileBytes: bytes(2 * MIB, 64 << 10),
    multiplier: 4,
  };
}

function writes({ scale, scratch, count }) {
  const measureMs = Math.max(100, Math.round(2000 * scale));
  const rows = Math.round(count * 2.5);
  const memoryRows = Math.round(5_000_000 * scale);
  return [
    ...[1, 16, 256].map((committers) => ({
      name: `commit-${committers}`,
      engines: ALL,
      rows: { rate: rate(`durable commits, ${committers} at once`, { lmdb: 1.5 }) },
      task: (e) => ({ kind: 'commit', dir: scratch(e), committers, measureMs }),
    })),
    {
      name: 'random-load',
      engines: TREES,
      rows: {
        rate: rate(`random load of ${millions(rows)} rows, all work done`, { 'classic-level': 1.5 }),
        takenRate: rate('… until the last batch was taken'),
        amplification: factor('… bytes written for each byte put'),
      },
      task: (e) => ({ kind: 'randomLoad', dir: scratch(e), rows }),
    },
    {
      name: 'memory',
      engines: ['sluice', 'classic-level', 'rocksdb'],
      rows: {
        megabytes: megabytes(`memory beyond cache and memtables, ${size(Math.round(5000 * scale))} of data`, {
          atMost: 150,
        }),
      },
      task: (e) => ({
        kind: 'memory',
        dir: scratch(e),
        rows: memoryRows,
        valueBytes: 1000,
        reads: Math.round(memoryRows / 20),
        cacheBytes: 64 * MIB,
      }),
    },
  ];
}

function ingests({ count, scratch, fileSet, wide, large, largeLabel, huge, hugeLabel }) {
  const some = (n) => [n === 1 ? '1 file' : `${n} files`, fileSet(`files-${n}`, n, count / n, 100)];
  const small = wide('small', 1);
  const named = { '1-file': some(1), '10-files': some(10), '100-files': some(100), '1-MB': ['1 MB', small] };
  return [
    ...Object.entries({ ...named, large: [largeLabel, large] }).map(([name, [label, set]]) => ({
      name: `ingest-${name}`,
      engines: WITH_TABLES,
      needs: [needsFiles(set)],
      rows: {
        checkedMs: ms(
          `ingest ${label}, call, all checksums verified`,
          label.includes('file') ? { rocksdb: 1 } : {},
        ),
        entriesMs: ms(`ingest ${label}, call, every entry checked`),
        uncheckedMs: ms(`ingest ${label}, call, unchecked`),
        commitMs: ms(`ingest ${label}, commit alone`),
      },
      task: (e) => ({ kind: 'ingest', dir: scratch(e), set, repeats: 5 }),
    })),
    {
      name: 'commit-flat',
      engines: ['sluice'],
      needs: [needsFiles(small), needsFiles(large)],
      rows: { factor: factor(`ingest, commit alone, ${largeLabel} to 1 MB`, { atMost: 1.2 }) },
      task: (e) => ({ kind: 'commitFlat', dir: scratch(e), small, large, repeats: 16 }),
    },
    {
      name: 'replace-flat',
      engines: ['sluice'],
      needs: [needsFiles(small), needsFiles(huge)],
      rows: {
        replaceMs: ms(`replace ${hugeLabel}, commit alone`, { atMost: 20 }),
        factor: factor(`replace, commit alone, ${hugeLabel} to 1 MB`, { atMost: 1.3 }),
      },
      task: (e) => ({ kind: 'replaceFlat', dir: scratch(e), small, large: huge, repeats: 12 }),
    },
    ...datasets({ count, scratch, fileSet, small, huge, hugeLabel }),
  ];
}

function datasets({ count, scratch, fileSet, small, huge, hugeLabel }) {
  const rows = count * 5;
  const base = fileSet('rows', 10, rows / 10, 100);
  const percent = 100;
  /** Every hundredth key. */
  const delta = { ...fileSet('one-percent', 1, rows / percent, 100), keyStep: KEY_STEP * percent };
  return [
    {
      name: 'dataset-flat',
      engines: ['sluice'],
      needs: [needsFiles(small), needsFiles(huge)],
      rows: {
        activateMs: ms(`activate a dataset of ${hugeLabel}`, { atMost: 10 }),
        rollbackMs: ms(`roll a dataset of ${hugeLabel} back`, { atMost: 10 }),
        factor: factor(`activate, ${hugeLabel} to 1 MB`, { atMost: 1.3 }),
        rollbackFactor: factor(`roll back, ${hugeLabel} to 1 MB`, { atMost: 1.3 }),
      },
      task: (e) => ({ kind: 'datasetFlat', dir: scratch(e), small, large: huge, repeats: 40 }),
    },
    {
      name: 'dataset-delta',
      engines: ['sluice'],
      needs: [needsFiles(base), needsFiles(delta)],
      rows: {
        factor: factor(`publish a delta of 1 % of ${millions(rows)} keys, to all of them`, { atMost: 0.05 }),
        deltaMs: ms('… the delta'),
        baseMs: ms('… all of them'),
      },
      task: (e) => ({ kind: 'datasetDelta', dir: scratch(e), base, delta, bases: 3, deltas: 5 }),
    },
    {
      name: 'dataset-publish',
      engines: ['sluice'],
      needs: [needsFiles(huge)],
      rows: {
        p99Factor: factor(`get, p99 while ${hugeLabel} is published, to idle`, { atMost: 1.5 }),
        busyUs: us('… p99 meanwhile'),
        idleUs: us('… p99 idle'),
        turnFactor: factor('… with the wait for a turn of the event loop'),
        coldFactor: factor('… of keys all over it, most of them not in the block cache'),
        coldUs: us('… p99 of these meanwhile'),
        diskFactor: factor('disk after all versions but one are dropped, to its files', { atMost: 1.05 }),
      },
      task: (e) => ({ kind: 'datasetPublish', dir: scratch(e), base: huge, rounds: 3, idleMs: 2000 }),
    },
  ];
}

/** Files under a prefix, against the same files as they are. */
function prefixes(context) {
  const { count, scratch, fileSet } = context;
  const ten = fileSet('files-10', 10, count / 10, 100);
  const four = fourOf(context);
  return [
    {
      name: 'prefix',
      engines: ['sluice'],
      needs: [needsFiles(ten), interleaved(four)],
      rows: {
        commitFactor: factor('ingest under a prefix, commit alone, to without', { atMost: 1.2 }),
        getFactor: factor('get, random, warm, from files under a prefix, to without', { atMost: 1.3 }),
        scanFactor: factor('full scan by cursor, of files under a prefix, to without', { atMost: 2 }),
        compactFactor: factor('compaction of files under a prefix, to without', { atMost: 2 }),
      },
      task: (e) => ({
        kind: 'prefix',
        dir: scratch(e),
        set: ten,
        four,
        reads: Math.round(count / 10),
        repeats: 3,
      }),
    },
  ];
}

function latency({ scale, scratch, large, largeLabel, many, manyLabel }) {
  const beside = (mode, targets) => ({
    name: `puts-beside-${mode}`,
    engines: WITH_TABLES,
    needs: [needsFiles(large)],
    rows: {
      factor: factor(`p99 of durable puts while ${largeLabel} is ingested (${mode}), to idle`, targets),
      besideMs: ms('… p99 beside the ingest'),
      idleMs: ms('… p99 idle'),
      firstFactor: factor('… p99 beside the first ingest of the process, to idle'),
    },
    task: (e) => ({
      kind: 'putsBesideIngest',
      dir: scratch(e),
      set: large,
      mode,
      leastMs: 50 + Math.round(150 * scale),
    }),
  });
  return [
    beside('move', { atMost: 1.5 }),
    beside('copy'),
    {
      name: 'conflict',
      engines: ['sluice'],
      needs: [needsFiles(many)],
      rows: {
        outside: factor(`commit with ${manyLabel} ingested ranges in the window, to none`, { atMost: 2 }),
        within: factor('… of transactions that read within those ranges', { atMost: 2 }),
        outsideUs: us('… with them'),
        withinUs: us('… with them, read within'),
        emptyUs: us('… without'),
      },
      task: (e) => ({ kind: 'conflictCheck', dir: scratch(e), set: many, batch: 100 }),
    },
    {
      name: 'loop',
      engines: ['sluice', 'classic-level', 'rocksdb-node'],
      rows: {
        ownMs: ms(`event loop held at most, ${largeLabel} loaded and compacted, without garbage collection`, {
          atMost: 20,
        }),
        maxMs: ms('… garbage collection included'),
        p99Ms: ms('… p99 of windows of 20 ms'),
      },
      task: (e) => ({
        kind: 'loopDelay',
        dir: scratch(e),
        rows: Math.round(1_000_000 * scale),
        valueBytes: 1000,
      }),
    },
  ];
}
