/** Random histories in which every past version that is kept reads as it was, while garbage collection takes the others. */

import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { checkHistories, TIMEOUT_MS } from './check.ts';
import { Run } from './run.ts';

const HISTORIES = 60;

/** Time goes on by a millisecond whenever somebody looks, so the history that is kept moves along within a run. */
function steppingEnv(): typeof nodeEnv {
  let nowMs = 0;
  const clock = { ...nodeEnv.clock, monotonicMs: () => ++nowMs, after: hasty };
  return { ...nodeEnv, clock };
}

function hasty(_: number, task: () => void): () => void {
  return nodeEnv.clock.after(0, task);
}

test.each([0, 100, 1e9])(
  `${HISTORIES} random histories, all versions of them, keepHistoryMs %d`,
  async (keepHistoryMs) => {
    const ran = await checkHistories(HISTORIES, (history) =>
      Run.history(history, { everyVersion: true, open: { keepHistoryMs, env: steppingEnv() } }),
    );
    expect(ran).toBe(HISTORIES);
  },
  TIMEOUT_MS,
);
