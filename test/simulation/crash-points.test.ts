/** L2, L9: after a crash at any call, what was acknowledged is there, and what was not is there whole or not at all. */

import { expect, test, vi } from 'vitest';
import { LENGTH } from '../base/length.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import { allowedAt, type CrashPoint, FATES, type FateName, recoverFrom, tellStory } from './crash-points.ts';
import { withMachine } from './machine.ts';

vi.setConfig({ testTimeout: 1_200_000 });

/** Of recoveries that are crashed again, at each of their calls. */
const DOUBLE_CRASHES = Math.round(LENGTH > 1 ? 3 * LENGTH : 2);

async function crashAt(point: CrashPoint, crash: () => Promise<unknown>, what: string): Promise<void> {
  try {
    await crash();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`crash during ${point.where} (${what}): ${cause}`, { cause: error });
  }
}

/** Of each point: all that there are with the test command; else every second point has one, one after the other. */
const FATES_EACH = LENGTH > 1 ? Math.min(FATES.length, Math.floor(LENGTH)) : 0.5;

// Without waiting for the disk at each commit less is at stake: one crash at each call will do.
test.each([
  ['fsync', FATES_EACH],
  ['os', Math.min(1, FATES_EACH)],
] as const)('a crash at every call, durability %s', async (durability, fates) => {
  await withMachine(async (machine) => {
    const points = await tellStory(machine, { durability });
    expect(points.length).toBeGreaterThan(200);
    let crashes = 0;
    for (const [i, point] of points.entries()) {
      for (const [n, fate] of FATES.entries()) {
        if ((i + n) % FATES.length >= fates || (fates < 1 && i % 2 === 1)) continue;
        const allowed = allowedAt(point, fate, durability === 'fsync');
        await crashAt(point, () => recoverFrom(machine, point.image, fate, i, allowed), `${i}, ${fate}`);
        crashes++;
      }
    }
    process.stdout.write(`${points.length} crash points, ${crashes} crashes, durability ${durability}\n`);
  });
});

/** Without these in it the story would not be worth telling. */
const CALLS: readonly RegExp[] = [
  /open: before mkdir db/,
  /by link: before link in/,
  /by move: before unlink in/,
  /by copy: before copy in/,
  /log segments: before (open|write|truncate|datasync) db.wal/,
  /flush: before datasync db.tables/,
  /flush: before unlink db.wal/,
  /compaction: before syncDirectory db.tables/,
  /compaction: before unlink db.tables/,
  /range deletion: before freeBytes db.manifest/,
  /checkpoint: before link db.tables/,
  /checkpoint: before rename checkpoint/,
  /drop of a keyspace.*: before freeBytes db.manifest/,
  /publication of a base: before link db.tables/,
  /publication of a delta: before syncDirectory db.tables/,
  /rollback to a version.*: before link db.tables/,
  /activation of a version: before freeBytes db.manifest/,
  /retaining of one version: before freeBytes db.manifest/,
  /release of an ingest: before freeBytes db.manifest/,
  /watched directory: before copy in.nightly/,
  // What its end lets go of is removed while the story goes on.
  /last flush: before unlink db.tables/,
];

test('the story comes to calls of every kind', async () => {
  await withMachine(async (machine) => {
    const points = await tellStory(machine, { durability: 'fsync' });
    for (const call of CALLS)
      expect(points.map(({ where }) => where)).toContainEqual(expect.stringMatching(call));
  });
});

test('a crash at every call of the recovery from a crash', async () => {
  await withMachine(async (machine) => {
    const points = await tellStory(machine, { durability: 'fsync' });
    const random = new SeededRandom(2);
    let crashes = 0;
    for (let n = 0; n < DOUBLE_CRASHES; n++) {
      const point = random.pick(points);
      const fate: FateName = random.pick(FATES);
      const first = await recoverFrom(machine, point.image, fate, n, allowedAt(point, fate, true), true);
      for (const [i, { image, allowed, where }] of first.entries()) {
        const again = random.pick(FATES);
        const what = `then at ${i}: ${where}, ${again}`;
        await crashAt(point, () => recoverFrom(machine, image, again, i, allowed), what);
        crashes++;
      }
    }
    expect(crashes).toBeGreaterThan(30 * LENGTH);
    process.stdout.write(`${crashes} crashes during recoveries\n`);
  });
});
