/** Every single call of the file system fails once, or from then on, during commits of every kind. */

import { expect, test, vi } from 'vitest';
import type { Operation } from '../base/faulty-file-system.ts';
import { LENGTH } from '../base/length.ts';
import { type Told, tell } from './story.ts';

vi.setConfig({ testTimeout: 600_000 });

const SPACE: readonly Operation[] = ['open', 'mkdir', 'link', 'copy', 'write', 'truncate', 'freeBytes'];
const SYNC: readonly Operation[] = ['datasync', 'syncDirectory'];
const READ: readonly Operation[] = ['read', 'open', 'stat'];
const REMOVAL: readonly Operation[] = ['unlink'];

/** A call that fails from then on is much like the next: all of them with the test command. */
const LASTING_STEP = LENGTH > 1 ? 1 : 2;

async function everyCall(
  ops: readonly Operation[],
  errno: 'ENOSPC' | 'EIO',
  lasting: boolean,
  check: (told: Told, at: number) => void,
): Promise<void> {
  const { calls, failed } = await tell({ ops, at: Number.POSITIVE_INFINITY, errno, lasting });
  expect(failed).toEqual({});
  expect(calls).toBeGreaterThan(0);
  for (let at = 0; at < calls; at += lasting ? LASTING_STEP : 1) {
    const told = await tell({ ops, at, errno, lasting }).catch((error: unknown) => {
      throw new Error(`call ${at} of ${ops.join(', ')}`, { cause: error });
    });
    check(told, at);
  }
}

const codes = ({ failed }: Told): string[] => Object.values(failed).map(({ code }) => code);

test.each([false, true])('a full disk costs what met it, with NO_SPACE (lasting: %s)', async (lasting) => {
  let met = 0;
  await everyCall(SPACE, 'ENOSPC', lasting, (told, at) => {
    for (const [step, { code, message }] of Object.entries(told.failed)) {
      const allowed = told.poisoned ? ['NO_SPACE', 'OUTCOME_UNKNOWN', 'POISONED'] : ['NO_SPACE'];
      expect(allowed, `call ${at}, ${step}: ${message}`).toContain(code);
    }
    if (codes(told).includes('NO_SPACE')) met++;
  });
  // Which calls come in what order depends on the machine: how many of them are met, too.
  expect(met).toBeGreaterThan(0);
});

test.each([false, true])('a failed sync is never acknowledged (lasting: %s)', async (lasting) => {
  let poisoned = 0;
  await everyCall(SYNC, 'EIO', lasting, (told, at) => {
    const what = `call ${at}: ${told.met.join(', ')}; ${JSON.stringify(codes(told))}`;
    expect(['IO', 'OUTCOME_UNKNOWN', 'POISONED'], what).toEqual(expect.arrayContaining(codes(told)));
    // L9: of the log. A table whose sync failed is thrown away and written anew, which may happen unseen.
    if (told.met.some((call) => call.startsWith('datasync wal/'))) {
      expect(told.poisoned, what).toBe(true);
      expect(codes(told), what).not.toEqual([]);
      poisoned++;
    }
    if (told.poisoned) expect(told.met, what).toContainEqual(expect.stringMatching(/ wal/));
  });
  expect(poisoned).toBeGreaterThan(0);
});

test.each([false, true])(
  'a failed read is an error of its own, and costs nothing else (lasting: %s)',
  async (lasting) => {
    await everyCall(READ, 'EIO', lasting, (told, at) => {
      expect(['IO'], `call ${at}`).toEqual(expect.arrayContaining(codes(told)));
      expect(told.poisoned, `call ${at}`).toBe(false);
    });
  },
);

test('a file that cannot be removed is left for the next open', async () => {
  await everyCall(REMOVAL, 'EIO', true, (told, at) => {
    expect(told.failed, `call ${at}`).toEqual({});
    expect(told.poisoned).toBe(false);
  });
});
