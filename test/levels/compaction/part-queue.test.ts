/** How many parts of compactions are merged at a time. */

import { expect, test } from 'vitest';
import { SluiceError } from '../../../src/base/errors.ts';
import type { CompactionResult } from '../../../src/levels/compaction/job.ts';
import { PartQueue } from '../../../src/levels/compaction/part-queue.ts';
import type { RunningJob } from '../../../src/levels/compaction/parts.ts';
import { outcomeOf } from '../../base/database.ts';

const RESULT: CompactionResult = {
  outputs: [],
  entriesRead: 0,
  entriesWritten: 0,
  heldBack: 0,
  bytesRead: 0,
  bytesWritten: 0,
};

/** Parts that are done when they are told so. */
class Parts {
  /** What was done to them, in order. */
  readonly log: string[] = [];
  max: number;
  readonly #queue = new PartQueue(() => this.max);
  readonly #ends = new Map<string, { resolve: () => void; reject: (error: unknown) => void }>();

  constructor(max: number) {
    this.max = max;
  }

  run(name: string): RunningJob {
    return this.#queue.run(() => {
      this.log.push(`${name} starts`);
      if (name === 'broken') throw new SluiceError('IO', 'no thread can be had');
      const done = new Promise<CompactionResult>((resolve, reject) => {
        this.#ends.set(name, { resolve: () => resolve(RESULT), reject });
      });
      return {
        done,
        cancel: () => this.fail(name, 'ABORTED'),
        pause: (wanted) => this.log.push(`${name} ${wanted ? 'rests' : 'goes on'}`),
      };
    });
  }

  end(name: string): void {
    this.#ends.get(name)?.resolve();
  }

  fail(name: string, code: 'IO' | 'ABORTED'): void {
    this.#ends.get(name)?.reject(new SluiceError(code, 'it was told to'));
  }
}

test('so many at a time, the others in their order as those are done or fail', async () => {
  const parts = new Parts(2);
  const [a, b, c, d, broken, e] = ['a', 'b', 'c', 'd', 'broken', 'e'].map((name) => parts.run(name));
  expect(parts.log).toEqual(['a starts', 'b starts']);
  parts.fail('b', 'IO');
  expect(await outcomeOf(async () => b?.done)).toBe('IO');
  expect(parts.log).toEqual(['a starts', 'b starts', 'c starts']);
  parts.end('a');
  expect(await a?.done).toEqual(RESULT);
  parts.end('c');
  await c?.done;
  // One that cannot even start is in nobody's way.
  expect(await outcomeOf(async () => broken?.done)).toBe('IO');
  expect(parts.log.slice(3)).toEqual(['d starts', 'broken starts', 'e starts']);
  parts.end('d');
  parts.end('e');
  expect(await Promise.all([d?.done, e?.done])).toEqual([RESULT, RESULT]);
});

test('one that waits is cancelled at once and never starts; it rests from its start if it was told to before', async () => {
  const parts = new Parts(1);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => parts.run(name));
  c?.pause(true);
  b?.cancel();
  expect(await outcomeOf(async () => b?.done)).toBe('ABORTED');
  a?.cancel();
  expect(await outcomeOf(async () => a?.done)).toBe('ABORTED');
  await expect.poll(() => parts.log).toEqual(['a starts', 'c starts', 'c rests']);
  c?.pause(false);
  parts.end('c');
  await c?.done;
  expect(parts.log.at(-1)).toBe('c goes on');
  b?.cancel();
});

test('how many there may be is asked each time; one is always let run', async () => {
  const parts = new Parts(0);
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => parts.run(name));
  expect(parts.log).toEqual(['a starts']);
  parts.max = 3;
  parts.end('a');
  await a?.done;
  expect(parts.log.slice(1)).toEqual(['b starts', 'c starts', 'd starts']);
  parts.max = 1;
  const e = parts.run('e');
  parts.end('b');
  parts.end('c');
  await Promise.all([b?.done, c?.done]);
  expect(parts.log.length).toBe(4);
  parts.end('d');
  await d?.done;
  expect(parts.log.at(-1)).toBe('e starts');
  parts.end('e');
  await e.done;
});
