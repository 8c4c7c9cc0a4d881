/** Random histories with compaction where it runs in earnest: in threads, while the main thread goes on. */

import { test } from 'vitest';
import { LENGTH } from '../base/length.ts';
import { checkHistories, TIMEOUT_MS } from './check.ts';
import { Run } from './run.ts';

/** Few: a thread is started for most of them. */
const HISTORIES = LENGTH > 1 ? 60 : 20;

test(
  `${HISTORIES} random histories, compacted in threads`,
  async () => {
    await checkHistories(HISTORIES, (history) => Run.history(history, { open: { compactionInline: false } }));
  },
  TIMEOUT_MS,
);
