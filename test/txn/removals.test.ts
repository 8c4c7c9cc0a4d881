/** Files that nobody needs any more are removed off the event loop, one at a time, and by nobody once the database is closed. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { envOf, memoryDirectory, openDatabase, openText } from '../base/database.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';

/** Each removal begins when it is asked for, and is done when it is let go. */
class HeldRemovals extends FaultyFileSystem {
  readonly begun: string[] = [];
  readonly #letGo: (() => void)[] = [];

  override unlinkSync(path: string): void {
    expect(path).not.toContain('/tables/');
    super.unlinkSync(path);
  }

  override async unlink(path: string): Promise<void> {
    if (path.includes('/tables/')) {
      this.begun.push(path);
      await new Promise<void>((resolve) => this.#letGo.push(resolve));
    }
    await super.unlink(path);
  }

  letOneGo(): void {
    this.#letGo.shift()?.();
  }

  /** One more each time that it is looked. */
  untilGone<T>(look: () => T) {
    const lookAgain = (): T => {
      this.letOneGo();
      return look();
    };
    return expect.poll(lookAgain, { timeout: 60_000 });
  }
}

/** A database whose three tables were merged into one. */
async function place() {
  const dir = memoryDirectory();
  const fs = new HeldRemovals(nodeEnv.fs);
  const db = await openText(dir, { durability: 'os', compaction: 'off', env: envOf(fs) });
  for (let i = 0; i < 3; i++) {
    await db.put('a', String(i));
    await db.flush();
  }
  await db.compactRange();
  const tables = () => readdirSync(join(dir, 'tables'));
  return { dir, fs, db, tables };
}

test('one after the other, while the database goes on', async () => {
  const { fs, db, tables } = await place();
  await expect.poll(() => fs.begun.length, { timeout: 60_000 }).toBe(1);
  await db.put('b', '1');
  await db.flush();
  // A thread of Node's pool for each would leave none to sync the log.
  expect(fs.begun.length).toBe(1);
  expect(db.stats().removalsWaiting).toBe(3);
  expect(tables()).toHaveLength(5);
  fs.letOneGo();
  await expect.poll(() => fs.begun.length, { timeout: 60_000 }).toBe(2);
  expect(tables()).toHaveLength(4);
  await fs.untilGone(() => db.stats().removalsWaiting).toBe(0);
  expect(tables()).toHaveLength(2);
  await db.close();
});

test('what has not begun when the database is closed is left to the sweep of the next', async () => {
  const { dir, fs, db, tables } = await place();
  await expect.poll(() => fs.begun.length, { timeout: 60_000 }).toBe(1);
  let isClosed = false;
  const closing = db.close().then(() => {
    isClosed = true;
  });
  await db.get('a').catch(() => undefined);
  expect(isClosed).toBe(false);
  await fs.untilGone(() => isClosed).toBe(true);
  await closing;
  // L2: ids that no row names are given again, so after this nothing may go.
  expect(fs.begun.length).toBe(1);
  expect(tables()).toHaveLength(3);
  const next = await openDatabase(dir, { durability: 'os', compaction: 'off' });
  expect(tables()).toHaveLength(1);
  await next.close();
});
