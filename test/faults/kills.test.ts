/** L2, L9: SIGKILL during each job that a database has. Soak: `kills`. */

import { test } from 'vitest';
import { memoryDirectory } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { JOBS, Killed, killMsOf } from './kills.ts';

const LIVES = Math.round(1.2 * LENGTH);

test.each(JOBS)(
  `%s: killed at it, ${LIVES} times`,
  async (job) => {
    const killed = new Killed(memoryDirectory());
    for (let n = 0; n < LIVES; n++) await killed.once(job, killMsOf(job, Math.random()));
    await killed.leftovers();
  },
  900_000,
);
