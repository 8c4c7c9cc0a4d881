/** What recent put transactions wrote is found as in a list of all of it, whatever is in flight, fails, is absorbed, or forgotten. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Version, versionOf } from '../../src/mvcc/version.ts';
import { inRange, keyString } from '../../src/txn/read-set.ts';
import { CommitEncoder } from '../../src/txn/record.ts';
import { LogBatch } from '../../src/txn/wal/log-batch.ts';
import { type PendingRun, WrittenRuns } from '../../src/txn/written-runs.ts';

interface Write {
  readonly keyspace: string;
  readonly key: string;
  readonly version: Version;
}

const KEYSPACES = ['default', 'other'];
const keyOf = (n: number): string => `k${String(n).padStart(2, '0')}`;

/** A run of the pipeline: its batch grows, and is used again once it is absorbed. */
class Run implements PendingRun {
  readonly first: Version;
  last: Version;
  readonly payloads: number[] = [];
  readonly writes: Write[] = [];
  readonly #batch = new LogBatch();

  constructor(first: Version) {
    this.first = first;
    this.last = first;
  }

  get bytes(): Uint8Array {
    return this.#batch.bytes;
  }

  commit(version: Version, keyspace: string, numbers: readonly number[], valueBytes: number): void {
    const encoder = new CommitEncoder();
    const keys = [...new Set(numbers)].sort((a, b) => a - b).map(keyOf);
    const dataBytes = keys.length * (3 + valueBytes);
    encoder.begin(this.#batch, version, CommitEncoder.bytesMax(keys.length, dataBytes, [keyspace]));
    encoder.section(keyspace, keys.length, dataBytes);
    for (const key of keys) {
      encoder.op(Buffer.from(key), new Uint8Array(valueBytes));
      const bytes = Buffer.from(key);
      this.writes.push({ keyspace, key: keyString(bytes, 0, bytes.length), version });
    }
    const start = encoder.payloadStart;
    this.payloads.push(start, encoder.end());
    this.last = version;
  }

  reuse(): void {
    this.bytes.fill(0xff);
  }
}

const commits = fc.record({
  kind: fc.constant('commits' as const),
  grows: fc.boolean(),
  count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 64, max: 300 })),
  keyspace: fc.constantFrom(...KEYSPACES),
  keys: fc.array(fc.nat(20), { minLength: 1, maxLength: 3 }),
  valueBytes: fc.constantFrom(0, 100, 400),
});
const step = fc.oneof(
  { weight: 4, arbitrary: commits },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('absorb' as const), isNeeded: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), back: fc.nat(400) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ask' as const), back: fc.nat(400) }) },
);

test('as in a list of all writes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const runs = new WrittenRuns();
      let all: Write[] = [];
      let flying: Run[] = [];
      let [version, visible, trimmed] = [0, 0, 0];
      for (const one of steps) {
        if (one.kind === 'commits') {
          const newest = flying.at(-1);
          const run = one.grows && newest !== undefined ? newest : new Run(versionOf(version + 1));
          const before = run.writes.length;
          for (let i = 0; i < one.count; i++)
            run.commit(
              versionOf(++version),
              one.keyspace,
              one.keys.map((key) => (key + i) % 21),
              one.valueBytes,
            );
          if (run !== newest) {
            flying.push(run);
            runs.enter(run);
          }
          all.push(...run.writes.slice(before));
        } else if (one.kind === 'absorb') {
          const run = flying.shift();
          if (run === undefined) continue;
          visible = run.last;
          if (one.isNeeded === 0) trimmed = Math.max(trimmed, run.last);
          runs.absorb(run, versionOf(one.isNeeded === 0 ? run.last : run.first - 1));
          run.reuse();
        } else if (one.kind === 'fail') {
          const failed = new Set(flying.flatMap(({ writes }) => writes));
          for (const run of flying) runs.remove(run);
          flying = [];
          all = all.filter((write) => !failed.has(write));
        } else if (one.kind === 'trim') {
          trimmed = Math.max(trimmed, Math.max(0, visible - one.back));
          runs.trim(versionOf(trimmed));
        } else ask(runs, all, versionOf(Math.max(trimmed, version - one.back)));
      }
      ask(runs, all, versionOf(trimmed));
      if (flying.length > 0) return;
      runs.trim(versionOf(version));
      expect(runs.bytes).toBe(0);
    }),
    { numRuns: 150 },
  );
});

function ask(runs: WrittenRuns, all: readonly Write[], after: Version): void {
  for (const keyspace of KEYSPACES) {
    const later = all.filter((write) => write.keyspace === keyspace && write.version > after);
    for (const point of [...new Set(all.map(({ key }) => key)), 'none']) {
      const last = later.findLast(({ key }) => key === point);
      expect(runs.findPoint(keyspace, new Set([point]), after)).toEqual(last);
    }
    for (const [from, to] of [
      [0, 4],
      [3, 9],
      [18, 30],
    ] as const) {
      const range = { lower: text(keyOf(from)), upper: text(keyOf(to)) };
      const within = later.filter(({ key }) => inRange(key, range));
      const found = runs.findInRanges(keyspace, [range], after);
      expect(found?.version).toBe(within.at(-1)?.version);
      const seen: Write[] = [];
      runs.forEachIn(keyspace, range, after, (write) => seen.push(write));
      const inOrder = (a: Write, b: Write): number => a.version - b.version || (a.key < b.key ? -1 : 1);
      expect(seen.sort(inOrder)).toEqual([...within].sort(inOrder));
    }
  }
}

function text(key: string): string {
  const bytes = Buffer.from(key);
  return keyString(bytes, 0, bytes.length);
}
