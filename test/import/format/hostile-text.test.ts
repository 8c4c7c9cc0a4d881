/** Text made to hurt: rows without end, bombs and noise cost bounded memory, and what can be read is read. */

import { createGzip, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DelimitedReader } from '../../../src/import/format/delimited-reader.ts';
import { JsonLinesReader } from '../../../src/import/format/json-lines-reader.ts';
import type { RowReader } from '../../../src/import/format/row-reader.ts';
import { ByteSource } from '../../../src/import/source/byte-source.ts';
import { FedBytes } from '../../../src/import/source/fed-bytes.ts';
import type { Source } from '../../../src/import/source/source.ts';
import { chunkedSource, readRows, shown } from './chunks.ts';

const MIB = 1 << 20;
const ROW_BYTES_MAX = 4 * MIB;

/** `head`, so many times a mebibyte, and `tail`. */
function fed(name: string, head: string, filler: string, mebibytes: number, tail: string): Source {
  const block = Buffer.from(filler.repeat(MIB / filler.length));
  const chunks = async function* (): AsyncIterable<Uint8Array> {
    yield Buffer.from(head);
    for (let i = 0; i < mebibytes; i++) yield block;
    yield Buffer.from(tail);
  };
  return new ByteSource(new FedBytes(name, chunks()), 'auto');
}

/** The rows, and how much the memory of the process grew while they were read. */
async function readBounded(
  reader: RowReader,
  source: Source,
): Promise<{ rows: string[]; grownBytes: number }> {
  const before = process.memoryUsage().rss;
  let most = before;
  const watched: Source = {
    ...source,
    name: source.name,
    async *read(from, signal) {
      for await (const chunk of source.read(from, signal)) {
        most = Math.max(most, process.memoryUsage().rss);
        yield chunk;
      }
    },
  };
  const rows = shown(await readRows(reader, watched));
  return { rows, grownBytes: most - before };
}

const csv = () => new DelimitedReader({ format: 'csv', rowBytesMax: ROW_BYTES_MAX });
const jsonl = () =>
  new JsonLinesReader({ format: 'jsonl', key: 'k', value: 'k', rowBytesMax: ROW_BYTES_MAX });

describe('a row without end is one bad row, in bounded memory', () => {
  for (const [what, reader, source, bytes, rows] of [
    [
      'of a gibibyte',
      csv,
      () => fed('x', 'a,b\n1,2\n', 'x', 1024, '\n3,4\n'),
      1024 * MIB,
      ['1 → 2', '3 → 4'],
    ],
    [
      'in quotes',
      csv,
      () => fed('x', 'a,b\n1,2\n"', 'x,\n"",\r ', 128, '",\n3,4\n'),
      128 * MIB + 3,
      ['1 → 2', '3 → 4'],
    ],
    ['of fields', csv, () => fed('x', 'a,b\n1,2\n', ',', 128, '\n3,4\n'), 128 * MIB, ['1 → 2', '3 → 4']],
    ['of JSON', jsonl, () => fed('x', '{"k":1}\n', '[', 128, '\n{"k":3}'), 128 * MIB, ['1 → 1', '3 → 3']],
  ] as const) {
    test(what, async () => {
      const { rows: found, grownBytes } = await readBounded(reader(), source());
      const bad = `bad: it has ${bytes} bytes, more than rowBytesMax, which is ${ROW_BYTES_MAX}`;
      expect(found).toEqual([rows[0], bad, rows[1]]);
      expect(grownBytes).toBeLessThan(80 * MIB);
    });
  }

  test('that is a bomb', async () => {
    const gzip = createGzip();
    const packed: Buffer[] = [];
    gzip.on('data', (chunk: Buffer) => packed.push(chunk));
    gzip.write('a,b\n1,2\n3,');
    for (let i = 0; i < 128; i++) await new Promise((resolve) => gzip.write(Buffer.alloc(MIB, 'x'), resolve));
    await new Promise<void>((resolve) => gzip.end('\n5,6\n', resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const source = new ByteSource(new FedBytes('bomb', feedOf(packed)), 'auto');
    const { rows, grownBytes } = await readBounded(csv(), source);
    expect(rows).toEqual(['1 → 2', expect.stringMatching(/^bad: it has 134217730 bytes/), '5 → 6']);
    expect(grownBytes).toBeLessThan(80 * MIB);
  });
});

async function* feedOf(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

test('a quote that is never closed takes no memory either, and is told by its place', async () => {
  const { rows, grownBytes } = await readBounded(csv(), fed('x', 'a,b\n1,2\n3,"', 'x\n', 128, ''));
  expect(rows).toEqual(['1 → 2', 'bad: the quote at byte 10 is not closed before the source ends']);
  expect(grownBytes).toBeLessThan(80 * MIB);
});

test('a stream that is cut short hands out the rows before the cut, then names itself', async () => {
  const packed = gzipSync(Buffer.from(`a,b\n${'1,2\n'.repeat(100_000)}`));
  const source = new ByteSource(
    new FedBytes('cut.csv.gz', feedOf([packed.subarray(0, packed.length - 9)])),
    'auto',
  );
  const rows: string[] = [];
  const sink = { row: () => void rows.push('row'), bad: (reason: string) => void rows.push(reason) };
  const reading = csv().read(source, sink, undefined, new AbortController().signal);
  await expect(reading).rejects.toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringMatching(/^cut\.csv\.gz is cut short/),
  });
  expect(rows.length).toBeGreaterThan(50_000);
  expect(new Set(rows)).toEqual(new Set(['row']));
});

describe('noise', () => {
  const noise = fc
    .array(
      fc.oneof(
        fc.constantFrom(...'",\n\r\0{}[]:\\ak1\xff'),
        fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
      ),
      { maxLength: 60 },
    )
    .map((parts) => Buffer.from(parts.join(''), 'latin1'));

  test('is rows, bad rows or a typed error, whatever the chunks, and each byte that is reported is of it', async () => {
    await fc.assert(
      fc.asyncProperty(noise, fc.array(fc.nat({ max: 60 }), { maxLength: 4 }), async (bytes, cuts) => {
        for (const make of [
          () => new DelimitedReader({ format: 'csv', header: false, value: { as: 'raw' }, rowBytesMax: 20 }),
          () => new DelimitedReader({ format: 'text', separator: ',,', comment: 'ak' }),
          () => new DelimitedReader({ format: 'csv', header: ['a'], quote: '', skipLines: 1 }),
          () => new JsonLinesReader({ format: 'jsonl', key: 'k', rowBytesMax: 20 }),
        ]) {
          const outcome = (sorted: readonly number[]) =>
            readRows(make(), chunkedSource(bytes, sorted)).catch((error: unknown) => String(error));
          const whole = await outcome([]);
          expect(await outcome([...cuts].sort((a, b) => a - b))).toEqual(whole);
          if (typeof whole === 'string')
            expect(whole).toMatch(/^SluiceError: .*(UTF-16|has no column|header)/);
          else for (const row of whole) if ('bad' in row) expect(bytes.includes(row.raw)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});
