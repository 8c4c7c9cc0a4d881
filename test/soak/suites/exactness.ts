/** test/exactness: random concurrent histories, each commit against the exact rule of conflicts. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeMemoryDirectory, openText } from '../../base/database.ts';
import { history } from '../../exactness/history.ts';
import { Run, type Tally } from '../../exactness/run.ts';
import { checkArbitrary } from '../../model/check.ts';
import type { Suite } from '../suite.ts';

/** Of one seed and one database; a failing one is shrunk. */
const CHUNK = 500;

export const suite: Suite = {
  shows: 'a commit aborts if and only if something that it read was written after its snapshot',

  async run({ seed, timeIsUp, progress }) {
    const tally: Tally = { commits: 0, conflicts: 0 };
    let histories = 0;
    for (let chunk = 0; !timeIsUp(); chunk++) {
      const dir = makeMemoryDirectory();
      const db = await openText(join(dir, 'db'), {
        durability: 'os',
        blockCacheBytes: 1 << 20,
        blockBytes: 64,
        compactionInline: true,
      });
      try {
        await checkArbitrary(
          history,
          CHUNK,
          (one) => new Run(db, dir, `${histories++}-`, tally).history(one),
          seed + chunk,
        );
      } finally {
        await db.close();
        rmSync(dir, { recursive: true, force: true });
      }
      progress(`${histories.toLocaleString('en')} histories`);
    }
    return { histories, ...tally };
  },
};
