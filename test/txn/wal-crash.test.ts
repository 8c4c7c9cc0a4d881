/** kill -9 and losses of power: what was acknowledged is there, in order, without holes. */

import fs from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { LogBatch } from '../../src/txn/wal/log-batch.ts';
import { type LogPosition, readSegments } from '../../src/txn/wal/recovery.ts';
import { Child } from '../base/child.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { PowerLossFileSystem } from '../base/power-loss.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { collect, DATABASE, fill, reopen } from './wal-batch.ts';

const numbered = (n: number, bytes: number): string => `${n} `.padEnd(Math.max(bytes, 8), '.');

type Step =
  | { readonly kind: 'append'; readonly records: number; readonly bytes: number; readonly sync: boolean }
  | { readonly kind: 'sync' | 'rotate' | 'unlink' | 'crash' | 'close' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      records: fc.integer({ min: 1, max: 4 }),
      bytes: fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 2500 })),
      sync: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'crash' as const }) },
  fc
    .constantFrom('sync' as const, 'rotate' as const, 'unlink' as const, 'close' as const)
    .map((kind) => ({ kind })),
);

test('loss of power at any point: all that was synced, then a prefix of what was not', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      async (steps, chance) => {
        const root = fs.mkdtempSync('/tmp/sluice-power-');
        const random = (): number => chance.next().value ?? 0;
        try {
          await run(root, steps, random);
        } finally {
          fs.rmSync(root, { recursive: true });
        }
      },
    ),
    { numRuns: 150 },
  );
});

async function run(root: string, steps: readonly Step[], random: () => number): Promise<void> {
  let life = 0;
  let dir = `${root}/0`;
  fs.mkdirSync(dir);
  let system = new PowerLossFileSystem(nodeEnv.fs);
  const open = (): ReturnType<typeof reopen> =>
    reopen(dir, { env: { ...nodeEnv, fs: system }, segmentBytes: 4096 });
  let { wal } = open();
  const batch = new LogBatch();
  let next = 0; // records ever given to the log
  let durable = 0; // records that must be there
  let first = 0; // records before may have been unlinked
  const segmentEnds = new Map<number, number>();

  for (const action of steps) {
    if (action.kind === 'append') {
      const texts = Array.from({ length: action.records }, () => numbered(next++, action.bytes));
      await wal.append(fill(batch, ...texts), action.sync);
      if (action.sync) durable = next;
      segmentEnds.set(wal.segmentId, next);
    } else if (action.kind === 'sync') {
      await wal.sync();
      durable = next;
    } else if (action.kind === 'rotate') {
      wal.rotate();
      durable = next;
    } else if (action.kind === 'unlink') {
      const oldest = wal.segments()[0]?.id ?? 0;
      await wal.unlinkThrough(oldest);
      // After a rotation all segments are sealed, and the last one may go too.
      if (!wal.segments().some(({ id }) => id === oldest)) first = segmentEnds.get(oldest) ?? first;
    } else {
      if (action.kind === 'close') {
        await wal.close();
        durable = next;
      }
      const lose = (): void => {
        dir = `${root}/${++life}`;
        system.lose(`${root}/${life - 1}`, dir, random);
        system = new PowerLossFileSystem(nodeEnv.fs);
        system.adopt(dir);
      };
      lose();
      if (random() < 0.5) {
        dieDuringRecovery(dir, system, Math.floor(random() * 16));
        lose();
      }
      const again = open();
      const numbers = again.seen.map((text) => Number.parseInt(text, 10));
      const from = numbers[0] ?? first;
      expect(from).toBeLessThanOrEqual(first); // an unlinked segment may come back, none may be missing
      expect(numbers).toEqual(Array.from(numbers, (_, i) => from + i));
      expect(from + numbers.length).toBeGreaterThanOrEqual(durable);
      wal = again.wal;
      next = Math.max(first, from + numbers.length);
      durable = next; // L9: recovery makes durable what it replays
      for (const { id } of wal.segments()) if (!segmentEnds.has(id)) segmentEnds.set(id, next);
      for (const [id, end] of segmentEnds) if (end > next) segmentEnds.set(id, next);
    }
  }
  await wal.close();
}

/** A recovery that ends at its nth change of the disk. */
function dieDuringRecovery(dir: string, system: PowerLossFileSystem, calls: number): void {
  const faulty = new FaultyFileSystem(system);
  const op = ['write', 'datasync', 'truncate', 'unlink', 'syncDirectory'] as const;
  faulty.fail({ op, errno: 'EIO', after: calls, times: Number.POSITIVE_INFINITY });
  try {
    reopen(dir, { env: { ...nodeEnv, fs: faulty }, segmentBytes: 4096 });
  } catch (error) {
    expect(error).toMatchObject({ code: 'IO' });
  }
}

test('kill -9 under load, six times: every acknowledged record is there, and none twice', async () => {
  const dir = `${temporaryDirectory()}/wal`;
  const path = `${dir}/../acknowledged`;
  const lastAcknowledged = (): number =>
    fs.existsSync(path) ? Number(fs.readFileSync(path, 'utf8').trim().split('\n').at(-1)) : 0;
  let acknowledged = 0;
  for (let round = 0; round < 6; round++) {
    const child = new Child(new URL('./wal-child.ts', import.meta.url));
    const start = (await child.ask('open', dir)) as number;
    expect(start).toBeGreaterThanOrEqual(acknowledged);
    const running = child.ask('run').catch(() => undefined);
    await expect.poll(lastAcknowledged).toBeGreaterThan(start);
    await new Promise((resolve) => setTimeout(resolve, 20 * round));
    await child.kill();
    await running;
    acknowledged = lastAcknowledged();
  }
  const { wal, seen } = reopen(dir);
  expect(seen.length).toBeGreaterThanOrEqual(acknowledged);
  expect(seen.every((text, i) => text.startsWith(`${i} `))).toBe(true);
  await wal.close();
});

test('a second process follows a live log, and never changes it', async () => {
  const dir = `${temporaryDirectory()}/wal`;
  const child = new Child(new URL('./wal-child.ts', import.meta.url));
  await child.ask('open', dir);
  const running = child.ask('run').catch(() => undefined);
  const seen: string[] = [];
  let position: LogPosition | undefined;
  let reads = 0;
  while (reads <= 100 || (position?.segmentId ?? 0) <= 1) {
    position = readSegments(nodeEnv.fs, dir, DATABASE, collect(seen), position);
    reads++;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await child.kill();
  await running;
  readSegments(nodeEnv.fs, dir, DATABASE, collect(seen), position);
  const { wal, seen: recovered } = reopen(dir);
  expect(position?.segmentId).toBeGreaterThan(1);
  expect(seen).toEqual(recovered);
  await wal.close();
});

test('a reader skips segments that the writer removes under it', async () => {
  const dir = temporaryDirectory();
  const { wal } = reopen(dir);
  for (const text of ['1', '2', '3']) {
    await wal.append(fill(new LogBatch(), text), true);
    wal.rotate();
  }
  const fsys = new PowerLossFileSystem(nodeEnv.fs);
  const list = fsys.readdirSync.bind(fsys);
  fsys.readdirSync = (path) => {
    const names = list(path);
    fs.unlinkSync(`${dir}/000001.wal`);
    return names;
  };
  const seen: string[] = [];
  readSegments(fsys, dir, DATABASE, collect(seen));
  expect(seen).toEqual(['2', '3']);
  expect(readSegments(nodeEnv.fs, `${dir}/none`, DATABASE, collect(seen)).segmentId).toBe(0);
  await wal.close();
});
