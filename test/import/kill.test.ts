/** `kill -9` at random moments of an import, again and again: what comes in the end is what comes without. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OtherProcess } from '../base/child.ts';
import { memoryDirectory, openDatabase } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { KILLED_IMPORT } from './killed-import.ts';
import { contents, expected, randomRows, writeCsv } from './rows.ts';

const KILLS = Number(process.env['SLUICE_IMPORT_KILLS'] ?? 3);
/** About what the import takes. */
const SPAN_MS = 1500;

test('an import goes on from wherever a kill has left it', async () => {
  const dir = memoryDirectory();
  const seed = Number(process.env['SLUICE_IMPORT_SEED'] ?? 1);
  const random = new SeededRandom(seed);
  const rows = randomRows(random, 12_000, 9000);
  const files = writeCsv(dir, rows.rows, 3);
  // One bad row at the end of each.
  for (const file of files) writeFileSync(file, `${readFileSync(file, 'utf8')},no key\n`);
  const path = join(dir, 'db');
  const states: (string | undefined)[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const child = new OtherProcess(new URL('./kill-child.ts', import.meta.url), path, ...files);
    await child.ask('begin');
    await new Promise((resolve) => setTimeout(resolve, random.below(SPAN_MS)));
    await child.kill();
    const db = await openDatabase(path);
    // Nothing of it is seen before all of it is.
    const [task] = db.tasks();
    const loaded = (await contents(db)).size;
    expect(loaded, `seed ${seed}, after kill ${kill}`).toBe(
      db.ingests().length === 0 ? 0 : new Map(rows.rows).size,
    );
    states.push(task?.state);
    await db.close();
  }
  const db = await openDatabase(path);
  const result = await db.import(files, KILLED_IMPORT).done;
  expect(result, states.join()).toMatchObject({
    rowsRead: rows.rows.length + 3,
    rowsBad: 3,
    rowsDuplicate: rows.duplicates,
    rowsLoaded: rows.rows.length - rows.duplicates,
  });
  expect(await contents(db)).toEqual(expected(rows, 'last'));
  expect(db.ingests()).toHaveLength(1);
  expect(await db.verify({ full: true })).toMatchObject({ ok: true });
  expect(existsSync(join(path, 'imports')) ? readdirSync(join(path, 'imports')) : []).toEqual([]);
});
