/** Plain rows that are handed out many at a time, as records, are those that come one by one, by both kernels. */

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { DelimitedReader } from '../../../src/import/format/delimited-reader.ts';
import type { DelimitedSpec } from '../../../src/import/format/format-spec.ts';
import type { RecordLimits, RowSink } from '../../../src/import/format/row-reader.ts';
import { trailerVersion } from '../../../src/mvcc/internal-key.ts';
import { versionOf } from '../../../src/mvcc/version.ts';
import { evenSource, readRows, shown } from './chunks.ts';

interface Taken {
  readonly rows: string[];
  /** How many of them came as records. */
  readonly batched: number;
}

type Limits = Pick<RecordLimits, 'chunkBytes' | 'runBytes' | 'descends'> & { readonly ordered: boolean };

/** Rows as a sink with batches has them; a run begins anew where one is full, and a key out of order is marked. */
async function taken(spec: DelimitedSpec, text: Buffer, chunkBytes: number, how: Limits): Promise<Taken> {
  const reader = new DelimitedReader(spec);
  const rows: string[] = [];
  let batched = 0;
  let runBytes = how.runBytes;
  let last = Buffer.alloc(0);
  const sink: RowSink = {
    row(key, keyFrom, keyTo, value, valueFrom, valueTo) {
      const own = Buffer.from(key.subarray(keyFrom, keyTo));
      expect(reader.position().row).toBe(rows.length);
      rows.push(`${own} → ${Buffer.from(value.subarray(valueFrom, valueTo))}`);
      runBytes = how.runBytes;
      last = own;
    },
    bad(reason) {
      rows.push(`bad: ${reason}`);
    },
    batches: {
      limits: () => ({
        chunkBytes: how.chunkBytes,
        runBytes,
        sortBytes: 24,
        version: versionOf(1e6 + (how.descends ? -rows.length : rows.length)),
        descends: how.descends,
        lastKey: how.ordered ? last : undefined,
        lastKeyLength: last.length,
      }),
      records(bytes, from, to, count, lastKey, lastKeyLength) {
        const all = Buffer.from(bytes.subarray(from, to));
        const before = rows.length;
        expect(all.length).toBeLessThanOrEqual(how.chunkBytes);
        for (let at = 0; at < all.length; ) {
          const keyTo = at + 8 + all.readUInt32LE(at);
          const end = keyTo + 8 + all.readUInt32LE(at + 4);
          const key = all.subarray(at + 8, keyTo);
          expect(trailerVersion(all, keyTo)).toBe(1e6 + (how.descends ? -rows.length : rows.length));
          if (how.ordered) expect(Buffer.compare(last, key)).toBeLessThanOrEqual(0);
          rows.push(`${key} → ${all.subarray(keyTo + 8, end)}`);
          last = Buffer.from(key);
          at = end;
        }
        expect(rows.length - before).toBe(count);
        expect(Buffer.from(bytes.subarray(lastKey, lastKey + lastKeyLength))).toEqual(last);
        batched += count;
        runBytes -= all.length + count * 24;
        expect(runBytes).toBeGreaterThanOrEqual(0);
      },
    },
  };
  await reader.read(evenSource(text, chunkBytes), sink, undefined, new AbortController().signal);
  return { rows, batched };
}

const field = fc.oneof(
  { weight: 8, arbitrary: fc.stringMatching(/^[a-z0-9 .]{1,9}$/) },
  fc.constantFrom('', '"quoted, or not"', 'a"b', '"', 'é', 'x'.repeat(40), 'y'.repeat(700)),
);
const line = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(field, field, field).map((fields) => fields.join(',')) },
  fc.constantFrom('', 'one', 'a,b', 'a,b,c,d'),
);
const ending = fc.constantFrom('\n', '\n', '\n', '\r\n', '\r', '\n\n');
const limits = fc.record({
  chunkBytes: fc.constantFrom(60, 400, 1 << 20),
  runBytes: fc.constantFrom(100, 1000, 1 << 20),
  descends: fc.boolean(),
  ordered: fc.boolean(),
});
const columns = fc.constantFrom<Pick<DelimitedSpec, 'key' | 'value'>>(
  { key: 0, value: 1 },
  { key: 2, value: 0 },
  { key: 1, value: 1 },
  { key: 1, value: { as: 'raw' } },
);

test.each(['wasm', 'js'])('any text, in any chunks, whatever the sink takes: %s', async (kernels) => {
  vi.stubEnv('SLUICE_KERNELS', kernels);
  let batched = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(line, ending), { maxLength: 30 }),
      columns,
      limits,
      fc.integer({ min: 1, max: 2000 }),
      async (lines, taking, how, chunkBytes) => {
        const text = Buffer.from(lines.map((parts) => parts.join('')).join(''));
        const spec: DelimitedSpec = { format: 'csv', header: ['a', 'b', 'c'], rowBytesMax: 600, ...taking };
        const expected = shown(await readRows(new DelimitedReader(spec), evenSource(text, chunkBytes)));
        const found = await taken(spec, text, chunkBytes, how);
        expect(found.rows).toEqual(expected);
        batched += found.batched;
      },
    ),
    { numRuns: 150 },
  );
  expect(batched).toBeGreaterThan(100);
});

test('thousands of rows beyond the borders of chunks and of the heap', async () => {
  const lines = Array.from(
    { length: 30_000 },
    (_, i) => `k${i},${'v'.repeat(i % 60)}x,${i === 20_000 ? '"q"' : 'z'}`,
  );
  const spec: DelimitedSpec = { format: 'csv', header: false, key: 0, value: 1 };
  const how = { chunkBytes: 1 << 20, runBytes: 0xffffffff, descends: false, ordered: false };
  const { rows, batched } = await taken(spec, Buffer.from(lines.join('\n')), 800_000, how);
  expect(rows).toEqual(lines.map((text) => text.split(',').slice(0, 2).join(' → ')));
  // The first row, what is not whole at the end of a chunk, and some around the row with quotes come one by one.
  expect(batched).toBeGreaterThan(lines.length - 200);
});
