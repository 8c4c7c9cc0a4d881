/** test/faults: SIGKILL at random moments of every job of a database, one database after the other. */

import { rmSync } from 'node:fs';
import { makeMemoryDirectory } from '../../base/database.ts';
import { SeededRandom } from '../../base/seeded-random.ts';
import { JOBS, Killed, killMsOf } from '../../faults/kills.ts';
import type { Suite } from '../suite.ts';

/** Of one database, at any of the jobs. */
const LIVES = 20;

export const suite: Suite = {
  shows:
    'a database that is killed at any job has all that it acknowledged, is sound, and leaves nothing over',

  async run({ seed, timeIsUp, progress }) {
    const random = new SeededRandom(seed);
    const figures: Record<string, number> = Object.fromEntries(JOBS.map((job) => [job, 0]));
    for (let kills = 0; !timeIsUp(); ) {
      const dir = makeMemoryDirectory();
      const killed = new Killed(dir);
      for (let n = 0; n < LIVES && !timeIsUp(); n++) {
        const job = random.pick(JOBS);
        await killed.once(job, killMsOf(job, random.float()));
        figures[job] = (figures[job] ?? 0) + 1;
        progress(`${++kills} kills`);
      }
      await killed.leftovers();
      rmSync(dir, { recursive: true, force: true });
    }
    return figures;
  },
};
