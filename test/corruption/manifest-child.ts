/** Opens a database whose manifest is damaged, or will be; in a process of its own, which LMDB may take with it. */

import { copyFileSync, renameSync, statSync, truncateSync, unlinkSync } from 'node:fs';
import { answer } from '../base/child-answers.ts';
import { openText, outcomeOf } from '../base/database.ts';

function damage(path: string, how: 'cut' | 'remove' | 'replace', bytes: number): void {
  if (how === 'cut') truncateSync(path, Math.min(bytes, statSync(path).size - 1));
  else if (how === 'remove') unlinkSync(path);
  else {
    copyFileSync(path, `${path}.copy`);
    renameSync(`${path}.copy`, path);
  }
}

answer({
  /** What comes of calls after something was done to the manifest of the open database. */
  async live(path: string, how: 'cut' | 'remove' | 'replace', bytes: number): Promise<unknown> {
    const db = await openText(path, { durability: 'os' });
    // Many rows, so that LMDB has to go to pages of the tree.
    for (let n = 0; n < 100; n++) db.keyspace(`keyspace ${n} ${'x'.repeat(80)}`);
    await db.put('a', '1');
    await db.flush();
    await db.put('in the log', '1');
    const reader = await openText(path, { readOnly: true });
    damage(`${path}/manifest/data.mdb`, how, bytes);
    const outcomes = [
      await outcomeOf(() => reader.refresh()),
      await outcomeOf(() => db.keyspace('new')),
      await outcomeOf(() => db.flush()),
      await outcomeOf(() => db.put('b', '2')),
    ];
    const values = [await reader.get('a'), await db.get('a')];
    await reader.close();
    await db.close();
    return { outcomes, values };
  },

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
