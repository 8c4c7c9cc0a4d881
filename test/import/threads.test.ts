/** Threads of an import are kept for the next one, but not those that were ended. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { Feeding } from '../../src/import/feeding.ts';
import { newLane } from '../../src/import/import-state.ts';
import { importThreads } from '../../src/import/import-threads.ts';
import { planFeeding } from '../../src/import/memory-plan.ts';
import { CONTROL_WORDS } from '../../src/import/thread/control.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';

test('one that is ended while its last run becomes durable is given to nobody', async () => {
  const dir = temporaryDirectory();
  const path = join(dir, 'rows.csv');
  writeFileSync(path, 'id,value\n1,one\n');
  const format = { format: 'csv' } as const;
  const spec = { memoryLimitBytes: 64 << 20, threads: 1, presorted: false, format };
  let becomeDurable: () => void = () => undefined;
  const isDurable = new Promise<void>((resolve) => {
    becomeDurable = resolve;
  });
  let tell: () => void = () => undefined;
  const isTold = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const feeding = new Feeding({
    env: nodeEnv,
    plan: planFeeding(spec, 1, undefined, undefined),
    sources: [{ kind: 'file', path, compression: 'none' }],
    laneEnds: [1],
    lanes: [newLane(0)],
    format,
    rules: { order: 'last', keepsRows: false, duplicates: 'drop', presorted: false },
    before: undefined,
    skipsBadRows: false,
    badRowsMax: 0,
    dir,
    builder: { external: true },
    targetFileBytes: 1 << 20,
    control: new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4)),
    feed: undefined,
    onRun: () => {
      tell();
      return isDurable;
    },
  });
  const outcome = feeding.run().catch(() => undefined);
  await isTold;
  await feeding.stop();
  becomeDurable();
  await outcome;
  await setImmediate();
  const worker = importThreads.take();
  onTestFinished(async () => void (await worker.terminate()));
  // One that has ended has none any more.
  expect(worker.threadId).toBeGreaterThan(0);
});
