/** Opens a database whose manifest is damaged; in a process of its own, which LMDB may take with it. */

import { answer } from '../base/child-answers.ts';
import { openText } from '../base/database.ts';

answer({
  /** Everything it shows before and after a write to log and manifest. */
  async show(path: string, readOnly: boolean): Promise<unknown> {
    const db = await openText(path, { readOnly, durability: 'os', memtableBytes: 1 << 12 });
    try {
      const shown = await db.iterator().all();
      if (!readOnly) {
        await db.put('new', 'entry');
        db.keyspace('new keyspace');
        await db.flush();
        await db.del('new');
      }
      return [shown, await db.iterator().all(), (await db.verify({ full: true })).problems];
    } finally {
      await db.close();
    }
  },
});
