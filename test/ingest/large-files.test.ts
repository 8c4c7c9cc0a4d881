/** Files of some size are digested and checked by threads that give way to all that wakes. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { openDatabase, outcomeOf } from '../base/database.ts';
import { niceOfThreads } from '../base/nice-of-threads.ts';
import { numbered, tableFiles, writeSst } from '../base/sst-files.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';

const MIB = 1 << 20;

test('large files are copied, digested and checked by threads, and their digests stay true', async () => {
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
  const copies = vi.spyOn(nodeEnv.fs, 'copy');
  await db.ingest(paths, { sha256: digests, mode: 'copy' });
  expect(copies).not.toHaveBeenCalled();
  expect(db.ingests()[0]?.files.map(({ sha256 }) => sha256)).toEqual(digests);
  expect([getPriority(), [...niceOfThreads().values()].includes(Math.min(19, before + 15))]).toEqual([
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
  const stopCopy = new AbortController();
  const copying = outcomeOf(() => db.ingest(paths, { mode: 'copy', signal: stopCopy.signal }));
  await nodeEnv.clock.turn();
  stopCopy.abort();
  expect(await copying).toBe('ABORTED');
  expect(tableFiles(join(dir, 'db'))).toEqual(held);
  expect(paths.every((path) => existsSync(path))).toBe(true);
  await db.close();
});

test('many small files are checked several at a time by a thread, and each answers for itself', async () => {
  const dir = temporaryDirectory();
  const paths: string[] = [];
  for (let n = 0; n < 20; n++) {
    const entries = numbered(n * 10, n * 10 + 10, 'k', String(n).repeat(MIB >> 5));
    const { path } = await writeSst(join(dir, `${n}.sst`), entries, { compression: 'none' });
    paths.push(path);
  }
  const db = await openDatabase(join(dir, 'db'), { durability: 'os' });
  for (const broken of [3, 11]) {
    const path = paths[broken] ?? '';
    const good = readFileSync(path);
    const bad = Uint8Array.from(good);
    bad[5000] = (bad[5000] ?? 0) ^ 1;
    writeFileSync(path, bad);
    for (const verify of ['checksums', 'blocks'] as const) {
      const refused = db.ingest(paths, { verify });
      await expect(refused).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
      await expect(refused).rejects.toThrow(path);
      expect(tableFiles(join(dir, 'db'))).toEqual([]);
    }
    writeFileSync(path, good);
  }
  const stopped = db.ingest(paths, {
    onProgress: () => {
      throw new RangeError('enough');
    },
  });
  await expect(stopped).rejects.toThrow('enough');
  let last = { bytesDone: 0, bytesTotal: 1 };
  await db.ingest(paths, { onProgress: (progress) => (last = progress) });
  expect(last.bytesDone).toBe(last.bytesTotal);
  expect(await db.get('k000199')).toBe(`${'19'.repeat(MIB >> 5)}199`);
  expect((await db.verify({ full: true })).problems).toEqual([]);
  await db.close();
});
