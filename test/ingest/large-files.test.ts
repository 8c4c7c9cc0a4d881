/** Files of some size are digested and checked by threads that give way to the event loop. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { openDatabase, outcomeOf } from '../base/database.ts';
import { niceOfThreads } from '../base/nice-of-threads.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';

const MIB = 1 << 20;

test('digests of large files are given or made, checked and stored, and stay true', async () => {
  const dir = temporaryDirectory();
  const paths: string[] = [];
  for (let n = 0; n < 3; n++) {
    const entries = numbered(n * 20, n * 20 + 20, 'k', String(n).repeat(MIB));
    const { path } = await writeSst(join(dir, `${n}.sst`), entries, { compression: 'none' });
    paths.push(path);
  }
  const digests = paths.map((path) => createHash('sha256').update(readFileSync(path)).digest('hex'));
  const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
  const before = getPriority();
  await db.ingest(paths, { sha256: digests });
  expect(db.ingests()[0]?.files.map(({ sha256 }) => sha256)).toEqual(digests);
  expect([getPriority(), [...niceOfThreads().values()].includes(Math.min(19, before + 5))]).toEqual([
    before,
    true,
  ]);
  expect(await db.get('k000059')).toBe(`${'2'.repeat(MIB)}59`);
  expect((await db.verify({ full: true })).problems).toEqual([]);
  const held = tableFiles(join(dir, 'db'));
  const wrong = digests.with(1, 'f'.repeat(64));
  expect(await outcomeOf(() => db.ingest(paths, { sha256: wrong }))).toBe('CHECKSUM_MISMATCH');
  const stop = new AbortController();
  const aborted = outcomeOf(() => db.ingest(paths, { sha256: true, mode: 'link', signal: stop.signal }));
  await nodeEnv.clock.turn();
  stop.abort();
  expect(await aborted).toBe('ABORTED');
  expect(tableFiles(join(dir, 'db'))).toEqual(held);
  expect(paths.every((path) => existsSync(path))).toBe(true);
  await db.close();
});
