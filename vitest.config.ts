import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The engine's worker threads are TypeScript here, like all that they import. */
const hooks = new URL('./test/base/typescript-hooks.mjs', import.meta.url).href;

/** Begun first, the longest before the others: one that comes last is waited for alone. */
const LONGEST = [
  'history/workload',
  'crash/kill',
  'scenarios/',
  'rocksdb/interop',
  'model/model',
  'faults/',
  'simulation/',
  'corruption/',
  'exactness/',
  'model/',
  'interleavings/',
  'cli/process',
  'cluster/',
  'examples/',
  'datasets/kill',
  'txn/wal-damage',
  'contract/reads',
  'import/task',
  'levels/compaction/throttle',
];

/** Of the long form alone, of the test command: they wait for long, or go through every place of one kind. */
const LONG_ONLY = [
  'test/cluster/etcd-access.test.ts',
  'test/cluster/etcd-faults.test.ts',
  'test/cluster/etcd-restored.test.ts',
  'test/cluster/etcd-tokens.test.ts',
  'test/cluster/import-kill.test.ts',
  'test/cluster/paused-node.test.ts',
  'test/corruption/manifest.test.ts',
  'test/datasets/kill.test.ts',
  'test/faults/one-call.test.ts',
  'test/fuzz/bombs.test.ts',
  'test/model/past.test.ts',
  'test/model/threads.test.ts',
  'test/simulation/crash-points.test.ts',
];
const isLong = Number(process.env['SLUICE_TEST_LENGTH'] ?? 1) > 1;

function place({ moduleId }: TestSpecification): number {
  const at = LONGEST.findIndex((part) => moduleId.includes(`/test/${part}`));
  return at < 0 ? LONGEST.length : at;
}

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: isLong ? [] : LONG_ONLY,
    // Of what hangs: no test is to fail because the machine is slow, or busy.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // What comes in a moment may take its time on a busy machine.
    expect: { poll: { timeout: 60_000 } },
    pool: 'forks',
    // More than cores, of which Vitest would leave one out: tests that kill, sync and connect wait a good part of their time.
    maxWorkers: availableParallelism() + 1,
    // Loading the engine for each file again would take a tenth of the time.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    setupFiles: ['test/base/poison.ts', 'test/base/seed.ts'],
    execArgv: ['--import', hooks],
  },
});
