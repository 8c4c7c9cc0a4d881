/**
 * L5, exactly: of small random histories of concurrent transactions, a commit aborts if and only if something that it
 * read was written by a commit after its snapshot. By version: the same value written again is a change. A scan has read its
 * range up to where it stopped, whatever is in it; a key that the transaction wrote itself was not read by asking for it.
 *
 * Histories that failed once are in test/regressions/exactness/. `npm run soak -- --suite exactness`
 * runs as many as time allows.
 */

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeMemoryDirectory, openText, type TextDb } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { checkArbitrary, TIMEOUT_MS } from '../model/check.ts';
import { type History, history } from './history.ts';
import { Run, type Tally } from './run.ts';

const REGRESSIONS = new URL('../regressions/exactness/', import.meta.url);
const HISTORIES = Math.round(90 * LENGTH);

let dir: string;
let db: TextDb;
let histories = 0;
const tally: Tally = { commits: 0, conflicts: 0 };

beforeAll(async () => {
  dir = makeMemoryDirectory();
  const path = join(dir, 'db');
  db = await openText(path, {
    durability: 'os',
    blockCacheBytes: 1 << 20,
    blockBytes: 64,
    compactionInline: true,
  });
});

afterAll(async () => {
  await db.close();
  rmSync(dir, { recursive: true, force: true });
});

async function play(history: History): Promise<void> {
  await new Run(db, dir, `${histories++}-`, tally).history(history);
}

test('histories that failed once pass', async () => {
  for (const name of readdirSync(REGRESSIONS)) {
    await play(JSON.parse(readFileSync(new URL(name, REGRESSIONS), 'utf8')) as History);
  }
});

test(
  `${HISTORIES} random concurrent histories: false aborts 0, missed conflicts 0`,
  async () => {
    await checkArbitrary(history, HISTORIES, play);
    // Enough of both for the law to be tried.
    expect(tally.commits).toBeGreaterThan(HISTORIES / 2);
    expect(tally.conflicts).toBeGreaterThan(HISTORIES / 8);
  },
  TIMEOUT_MS,
);
