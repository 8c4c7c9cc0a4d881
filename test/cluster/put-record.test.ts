/** Put transactions as bytes of the cluster's log: what was put in comes out, and what was damaged is told, or is another record. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSluiceError } from '../../src/base/errors.ts';
import { EntryRecords, encodeEntry, entryTimeMs } from '../../src/cluster/record/entry.ts';
import { encodeCheckedPuts, encodePuts, type PutChecks } from '../../src/cluster/record/put-record.ts';
import { keyString, type ReadSet } from '../../src/txn/read-set.ts';
import { visitSections } from '../../src/txn/record.ts';
import { RunSection } from '../../src/txn/run.ts';

const keyspaces = fc.constantFrom('default', 'other', 'über');
const keys = fc.uint8Array({ minLength: 1, maxLength: 12 });
const strings = keys.map((key) => keyString(key, 0, key.length));
const values = fc.option(fc.uint8Array({ maxLength: 200 }), { nil: undefined });
const sections = fc
  .array(fc.tuple(keyspaces, keys, values), { minLength: 1, maxLength: 20 })
  .map((entries) => {
    const made = new Map<string, RunSection>();
    for (const [statement, [keyspace, key, value]] of entries.entries()) {
      const section = made.get(keyspace) ?? new RunSection();
      made.set(keyspace, section);
      section.set({ key, value, statement });
    }
    return made;
  });
const points = fc.array(fc.tuple(keyspaces, fc.uniqueArray(strings, { minLength: 1 })), { maxLength: 3 });
const range = fc.record({ lower: strings, upper: fc.option(strings, { nil: undefined }) });
const ranges = fc.array(fc.tuple(keyspaces, fc.array(range, { minLength: 1, maxLength: 4 })), {
  maxLength: 3,
});
const reads = fc
  .record({ points: points.map((list) => new Map(list)), ranges: ranges.map((list) => new Map(list)) })
  .filter((each) => each.points.size + each.ranges.size > 0);
const records = fc.record({
  sections,
  reads: fc.option(reads, { nil: undefined }),
  snapshot: fc.nat(2 ** 40),
  request: fc.option(fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/), { nil: undefined }),
});

interface Drawn extends PutChecks {
  readonly sections: ReadonlyMap<string, RunSection>;
}

function encode({ sections: of, ...checks }: Drawn): Uint8Array {
  const isPlain = checks.reads === undefined && checks.request === undefined;
  return isPlain ? encodePuts(of) : encodeCheckedPuts(of, checks);
}

/** What a record writes, as text. */
function written(bytes: Uint8Array, start: number, end: number): string[] {
  const lines: string[] = [];
  const key = (from: Uint8Array, at: number, length: number): string =>
    Buffer.from(from.subarray(at, at + length)).toString('hex');
  visitSections(bytes, start, end, {
    section: (keyspace) => lines.push(keyspace),
    put: (from, at, length, valueAt, valueLength) =>
      lines.push(`${key(from, at, length)}=${key(from, valueAt, valueLength)}`),
    del: (from, at, length) => lines.push(`${key(from, at, length)} deleted`),
  });
  return lines;
}

const plain = (set: ReadSet | undefined) =>
  set && { points: new Map([...set.points].map(([name, of]) => [name, [...of]])), ranges: set.ranges };

test('what is read and written comes out as it went in', () => {
  fc.assert(
    fc.property(fc.array(records, { minLength: 1, maxLength: 5 }), fc.nat(), (all, timeMs) => {
      const bytes = encodeEntry(all.map(encode), timeMs);
      expect(entryTimeMs(bytes)).toBe(timeMs);
      const entry = new EntryRecords(bytes);
      expect(entry.count).toBe(all.length);
      for (const [i, { sections: of, reads: read, snapshot, request }] of all.entries()) {
        const seen: string[] = [];
        const record = entry.put(i, (keyspace) => seen.push(keyspace) > 0);
        expect(seen).toEqual([...of.keys()]);
        const lines = [...of].flatMap(([keyspace, section]) => [
          keyspace,
          ...[...section.sorted()].map(({ key, value }) => {
            const hex = Buffer.from(key).toString('hex');
            return value === undefined ? `${hex} deleted` : `${hex}=${Buffer.from(value).toString('hex')}`;
          }),
        ]);
        expect(written(bytes, record.start, record.end)).toEqual(lines);
        expect(record.dataBytes).toBe([...of.values()].reduce((sum, { dataBytes }) => sum + dataBytes, 0));
        expect(plain(record.reads)).toEqual(read);
        expect(record.request).toBe(request);
        if (read !== undefined || request !== undefined) expect(record.snapshot).toBe(snapshot);
        expect(record.reads?.written ?? new Set(of.keys())).toEqual(new Set(of.keys()));
      }
    }),
    { numRuns: 200 },
  );
});

test('of damaged bytes each is a record that can be applied, or CORRUPTION', () => {
  let refused = 0;
  fc.assert(
    fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (record, place, change) => {
      const bytes = encode(record);
      // The first byte tells what it is.
      const at = 1 + (place % (bytes.length - 1));
      bytes[at] = (bytes[at] ?? 0) ^ change;
      const entry = new EntryRecords(encodeEntry([bytes], 0));
      try {
        const { start, end } = entry.put(0, () => true);
        written(entry.bytes, start, end);
      } catch (error) {
        refused++;
        expect(isSluiceError(error, 'CORRUPTION')).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
  expect(refused).toBeGreaterThan(0);
});
