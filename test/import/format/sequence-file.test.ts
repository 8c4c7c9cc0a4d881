/** Hadoop's SequenceFiles: real ones, and all their forms there and back. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SequenceFileSpec } from '../../../src/import/format/format-spec.ts';
import { SequenceFileReader } from '../../../src/import/format/sequencefile/sequence-file-reader.ts';
import { ensureZstd } from '../../../src/sst/zstd.ts';
import { bytesSource, collectRows, type Read } from './collect-rows.ts';
import {
  bytesWritable,
  CODECS,
  type CodecName,
  i32,
  type SequenceFileForm,
  text,
  vintOf,
  writeSequenceFile,
} from './write-sequence-file.ts';

await ensureZstd();

const codecs = Object.keys(CODECS) as CodecName[];

function read(
  bytes: Uint8Array,
  chunkBytes = 65536,
  spec: Partial<SequenceFileSpec> = {},
  from?: Read['end'],
): Promise<Read> {
  const reader = new SequenceFileReader({ format: 'sequencefile', ...spec });
  return collectRows(reader, bytesSource(bytes, chunkBytes), from);
}

describe('files that Hadoop and others wrote', () => {
  const folder = fileURLToPath(new URL('../../fixtures/sequencefile/', import.meta.url));
  const names = readdirSync(folder).filter((name) => name.endsWith('.sequencefile'));
  test('are all there', () => expect(names).toHaveLength(12));
  for (const name of names) {
    test(name, async () => {
      const bytes = readFileSync(folder + name);
      for (const chunkBytes of [1, 7, 100_000]) {
        const { rows, bad, error, end } = await read(bytes, chunkBytes);
        expect([error, bad]).toEqual([undefined, []]);
        expect(rows).toEqual([
          ['Alice', 'Practice'],
          ['Bob', 'Hope'],
        ]);
        expect(end).toEqual({ row: 2, offset: bytes.length });
      }
    });
  }
});

const forms: SequenceFileForm[] = [
  ...[1, 2, 3, 4, 5, 6].map((version) => ({ version })),
  ...codecs.flatMap((codec) => [
    { codec, layout: 'records' as const },
    { codec, layout: 'blocks' as const },
  ]),
  { version: 3, codec: 'zlib' },
  { version: 4, codec: 'zlib', layout: 'blocks' },
  { version: 5, codec: 'gzip', layout: 'blocks' },
];

/** Bytes that compress and bytes that do not. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 3 }), fc.nat(3000)).map(([bytes, times]) => {
    return new Uint8Array(Buffer.concat(Array.from({ length: times }, () => bytes)));
  }),
);

describe('there and back', () => {
  for (const form of forms) {
    test(JSON.stringify(form), async () => {
      const row = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), content);
      await fc.assert(
        fc.asyncProperty(
          fc.array(row, { maxLength: 8 }),
          fc.integer({ min: 1, max: 400 }),
          fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
          fc.nat(),
          async (rows, chunkBytes, metadata, cut) => {
            const stored = rows.map(([key, value]) => [bytesWritable(key), bytesWritable(value)] as const);
            const bytes = writeSequenceFile(stored, { ...form, metadata });
            const whole = await read(bytes, chunkBytes);
            expect([whole.error, whole.bad]).toEqual([undefined, []]);
            const latin1 = (of: Uint8Array) => Buffer.from(of).toString('latin1');
            expect(whole.rows).toEqual(rows.map(([key, value]) => [latin1(key), latin1(value)]));
            // Reading goes on at any row, and behind the last.
            const at = cut % (rows.length + 1);
            const from = JSON.parse(JSON.stringify(whole.positions[at] ?? whole.end)) as Read['end'];
            expect(from.row).toBe(at);
            const rest = await read(bytes, chunkBytes, {}, from);
            expect([rest.error, rest.rows]).toEqual([undefined, whole.rows.slice(at)]);
            expect(rest.positions).toEqual(whole.positions.slice(at));
            expect(rest.end).toEqual(whole.end);
          },
        ),
        { numRuns: 25 },
      );
    });
  }
});

describe('keys and values of other classes', () => {
  const long = (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(value);
    return bytes;
  };
  const double = (value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return bytes;
  };
  const float = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatBE(value);
    return bytes;
  };
  const utf8 = (value: string) => Buffer.concat([i32(value.length).subarray(2), Buffer.from(value)]);
  for (const [valueClass, serialised, asText, asBytes] of [
    ['Text', text('déjà vu'.repeat(40)), 'déjà vu'.repeat(40), Buffer.from('déjà vu'.repeat(40))],
    ['UTF8', utf8('old'), 'old', Buffer.from('old')],
    ['NullWritable', Buffer.alloc(0), '', Buffer.alloc(0)],
    ['ByteWritable', Buffer.from([0xff]), '-1', Buffer.from([0xff])],
    ['BooleanWritable', Buffer.from([1]), 'true', Buffer.from([1])],
    ['ShortWritable', Buffer.from([0x80, 1]), '-32767', Buffer.from([0x80, 1])],
    ['IntWritable', i32(-2), '-2', i32(-2)],
    ['LongWritable', long(-(2n ** 62n) - 1n), String(-(2n ** 62n) - 1n), long(-(2n ** 62n) - 1n)],
    ['VIntWritable', vintOf(-70000), '-70000', i32(-70000)],
    ['VIntWritable', vintOf(5), '5', i32(5)],
    ['VLongWritable', vintOf(2 ** 40), String(2 ** 40), long(2n ** 40n)],
    ['FloatWritable', float(0.1), '0.1', float(0.1)],
    ['DoubleWritable', double(-1.5e300), '-1.5e+300', double(-1.5e300)],
  ] as const) {
    test(`${valueClass} ${asText.slice(0, 30)}`, async () => {
      const bytes = writeSequenceFile([[text('k'), serialised]], { keyClass: 'Text', valueClass });
      const latin1 = (of: Uint8Array) => Buffer.from(of).toString('latin1');
      expect(await read(bytes)).toMatchObject({ rows: [['k', latin1(Buffer.from(asText))]], bad: [] });
      const inBytes = await read(bytes, 100, { writables: 'bytes' });
      expect(inBytes.rows).toEqual([['k', latin1(asBytes)]]);
      const asIs = await read(bytes, 100, { writables: 'serialized' });
      expect(asIs.rows).toEqual([['\x01k', latin1(serialised)]]);
      const cutShort = writeSequenceFile([[text('k'), Buffer.concat([serialised, Buffer.from('x')])]], {
        keyClass: 'Text',
        valueClass,
      });
      expect(await read(cutShort)).toMatchObject({
        rows: [],
        bad: [{ reason: expect.stringContaining(valueClass) }],
        end: { row: 1 },
      });
    });
  }

  test('of a class whose content is not known are taken as they are, or refused by name', async () => {
    const bytes = writeSequenceFile([[text('k'), Buffer.from('abc')]], {
      keyClass: 'Text',
      valueClass: 'MapWritable',
    });
    expect((await read(bytes)).error).toMatchObject({
      code: 'UNSUPPORTED_FORMAT',
      message: expect.stringContaining('MapWritable'),
    });
    expect((await read(bytes, 10, { writables: 'serialized' })).rows).toEqual([['\x01k', 'abc']]);
  });

  test('that can be no key are bad rows', async () => {
    const bytes = writeSequenceFile([
      [bytesWritable(''), bytesWritable('v')],
      [bytesWritable('k'.repeat(65_536)), bytesWritable('v')],
      [bytesWritable('k'), bytesWritable('v')],
    ]);
    const { rows, bad } = await read(bytes);
    expect(rows).toEqual([['k', 'v']]);
    expect(bad.map(({ reason }) => reason)).toEqual([
      'the key has 0 bytes; keys have 1 to 65535',
      'the key has 65536 bytes; keys have 1 to 65535',
    ]);
    expect(bad[1]?.raw).toHaveLength(65_536);
  });
});
