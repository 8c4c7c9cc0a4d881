/**
 * What is measured. A case is run once per engine and round, each time in a fresh process; `task` is what child.mjs
 * and the C++ program are told.
 */

import { join } from 'node:path';

const ALL = ['sluice', 'lmdb', 'classic-level', 'rocksdb'];
const WITH_TABLES = ['sluice', 'rocksdb'];

const COMMITTERS = [1, 16, 256];
const WIDE_VALUE_BYTES = 4000; // halved by LZ4

function fileSet(root, label, files, entries, valueBytes) {
  const dir = join(root, 'files', label.replaceAll(' ', '-'));
  return {
    label,
    valueBytes,
    entries: Math.max(1, Math.round(entries)),
    files: Array.from({ length: files }, (_, n) => join(dir, `${String(n).padStart(3, '0')}.sst`)),
  };
}

export function makeCases({ root, scale }) {
  const count = Math.round(2_000_000 * scale);
  const store = (engine) => join(root, 'store', engine);
  const scratch = (engine) => join(root, 'scratch', engine);
  const common = { data: join(root, 'data'), count, cacheBytes: 768 << 20 };
  const reads = Math.round(count / 2);
  const measureMs = Math.max(400, Math.round(2000 * scale));

  const cases = [
    { name: 'build', engines: WITH_TABLES, task: (e) => ({ kind: 'build', ...common, dir: scratch(e) }) },
    { name: 'load', engines: ALL, task: (e) => ({ kind: 'load', ...common, dir: store(e) }) },
    ...[false, true].map((missing) => ({
      name: missing ? 'miss' : 'get',
      engines: ALL,
      loaded: true,
      task: (e) => ({ kind: 'get', ...common, dir: store(e), reads, missing }),
    })),
    { name: 'scan', engines: ALL, loaded: true, task: (e) => ({ kind: 'scan', ...common, dir: store(e) }) },
    ...COMMITTERS.map((committers) => ({
      name: `commit-${committers}`,
      engines: ALL,
      task: (e) => ({ kind: 'commit', dir: scratch(e), committers, measureMs }),
    })),
  ];
  const sets = [
    ...[1, 10, 100].map((n) => fileSet(root, n === 1 ? '1 file' : `${n} files`, n, count / n, 100)),
    ...[1, Math.max(2, Math.round(500 * scale))].map((mb) =>
      fileSet(root, `${mb} MB`, 1, mb * 500, WIDE_VALUE_BYTES),
    ),
  ];
  for (const set of sets) {
    cases.push({
      name: `ingest-${set.label.replaceAll(' ', '-')}`,
      engines: WITH_TABLES,
      set,
      task: (e) => ({ kind: 'ingest', dir: scratch(e), ...set, repeats: 5 }),
    });
  }
  return { count, cases };
}
