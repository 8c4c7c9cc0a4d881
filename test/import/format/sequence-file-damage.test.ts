/** SequenceFiles that are damaged, or made to do harm: a bad row or BAD_INPUT, in bounded memory, and never another row. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { isSluiceError } from '../../../src/base/errors.ts';
import { SequenceFileReader } from '../../../src/import/format/sequencefile/sequence-file-reader.ts';
import { ensureZstd } from '../../../src/sst/zstd.ts';
import { SeededRandom } from '../../base/seeded-random.ts';
import { bytesSource, collectRows, type Read } from './collect-rows.ts';
import { noise, runs, words } from './compressed-content.ts';
import {
  bytesWritable,
  CODECS,
  type CodecName,
  i32,
  type SequenceFileForm,
  SYNC,
  vintOf,
  writeSequenceFile,
} from './write-sequence-file.ts';

await ensureZstd();

function read(bytes: Uint8Array, rowBytesMax?: number, chunkBytes = 4096): Promise<Read> {
  const reader = new SequenceFileReader({
    format: 'sequencefile',
    ...(rowBytesMax !== undefined && { rowBytesMax }),
  });
  return collectRows(reader, bytesSource(bytes, chunkBytes, 'in.seq'));
}

const rows = ['a', 'bb', 'ccc', 'dddd'].map(
  (key) => [bytesWritable(key), bytesWritable(key.repeat(20))] as const,
);
const plain = ['a', 'bb', 'ccc', 'dddd'].map((key) => [key, key.repeat(20)]);
const codecs = Object.keys(CODECS) as CodecName[];
const forms: SequenceFileForm[] = [
  {},
  ...codecs.flatMap((codec) => [{ codec }, { codec, layout: 'blocks' as const }]),
];

describe.each(forms)('%j', (form) => {
  const whole = writeSequenceFile(rows, { ...form, every: 2 });

  test('cut short anywhere, it has the rows before the cut', async () => {
    for (let length = 0; length < whole.length; length++) {
      const { rows: found, bad, error } = await read(whole.subarray(0, length));
      expect(bad).toEqual([]);
      expect(found).toEqual(plain.slice(0, found.length));
      if (error !== undefined) expect(error).toMatchObject({ code: 'BAD_INPUT' });
      // Between records, blocks and sync markers nobody can tell that there was more.
      else expect(length).toBeGreaterThanOrEqual(writeSequenceFile([], form).length);
    }
  });

  test('changed anywhere, it is read, has bad rows or is refused', async () => {
    const random = new SeededRandom(5);
    for (let i = 0; i < 150; i++) {
      const changed = Uint8Array.from(whole);
      changed[random.below(whole.length)] = random.below(256);
      const { error, rows: found } = await read(changed);
      expect(found.length).toBeLessThanOrEqual(whole.length);
      if (error === undefined) continue;
      if (!isSluiceError(error)) throw error;
      expect(['BAD_INPUT', 'UNSUPPORTED_FORMAT']).toContain(error.code);
    }
  });
});

const header = writeSequenceFile([], {});
const ofBlocks = (codec: CodecName) => writeSequenceFile([], { codec, layout: 'blocks' });

test('lengths that cannot be', async () => {
  for (const [record, message] of [
    [i32(-2), /claims -2 bytes/],
    [Buffer.concat([i32(10), i32(-1)]), /claims a key of -1/],
    [Buffer.concat([i32(10), i32(11)]), /a key of 11/],
    [Buffer.concat([i32(0x7fffffff), i32(5), Buffer.from('abcde')]), /of 2147483647 bytes is cut short/],
    [Buffer.concat([i32(1000), i32(5), Buffer.from('abcde')]), /of 1000 bytes is cut short/],
    [Buffer.from('abc'), /3 bytes are left over/],
    [Buffer.concat([i32(-1), Buffer.from('0123456789abcdeX')]), /not that of the header/],
    [Buffer.concat([i32(-1), Buffer.from('0123')]), /sync marker is cut short/],
  ] as const) {
    const { error } = await read(Buffer.concat([header, record]));
    expect(error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringMatching(message) });
    expect(error).toMatchObject({ message: expect.stringMatching(/^in\.seq: at byte \d+, behind row 0: /) });
  }
  for (const [block, message] of [
    [Buffer.from('abcd'), /does not begin with a sync marker/],
    [Buffer.concat([i32(-1), SYNC, vintOf(-3)]), /number of its records is -3/],
    [Buffer.concat([i32(-1), SYNC, vintOf(1), vintOf(-3)]), /a length is -3/],
    [
      Buffer.concat([i32(-1), SYNC, vintOf(1), vintOf(2 ** 40)]),
      /claims 1099511627776 bytes, over the limit/,
    ],
    [Buffer.concat([i32(-1), SYNC, vintOf(1), vintOf(5000)]), /cut short/],
    [
      Buffer.concat([i32(-1), SYNC, vintOf(2 ** 40), vintOf(0), vintOf(0), vintOf(0), vintOf(0)]),
      /lengths of keys/,
    ],
  ] as const) {
    const { error } = await read(Buffer.concat([ofBlocks('zlib'), block]));
    expect(error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringMatching(message) });
  }
});

test('headers that cannot be', async () => {
  for (const [bytes, code, message] of [
    [Buffer.from('PK\x03\x04'), 'BAD_INPUT', /does not begin with SEQ/],
    [Buffer.from('SEQ\x07abc'), 'UNSUPPORTED_FORMAT', /version 7/],
    [Buffer.from('SEQ\x00abc'), 'UNSUPPORTED_FORMAT', /version 0/],
    [Buffer.concat([Buffer.from('SEQ\x06'), vintOf(-5)]), 'BAD_INPUT', /claims -5 bytes/],
    [Buffer.concat([Buffer.from('SEQ\x06'), vintOf(2 ** 50)]), 'BAD_INPUT', /claims 1125899906842624 bytes/],
    [Buffer.concat([header.subarray(0, 76), i32(-1)]), 'BAD_INPUT', /-1 entries of metadata/],
    [
      Buffer.from(ofBlocks('snappy').toString('latin1').replace('Snappy', 'Lzo999'), 'latin1'),
      'UNSUPPORTED_FORMAT',
      /Lzo999Codec/,
    ],
  ] as const) {
    expect((await read(bytes)).error).toMatchObject({ code, message: expect.stringMatching(message) });
  }
});

describe('bombs', () => {
  const bomb = Buffer.alloc(8 << 20);
  const small = [bytesWritable('k'), bytesWritable('v')] as const;

  test.each(['zlib', 'gzip', 'zstd'] as const)(
    '%s: a record is a bad row, a block ends it',
    async (codec) => {
      const big = [bytesWritable('big'), bytesWritable(bomb)] as const;
      const records = await read(writeSequenceFile([small, big, small], { codec }), 1 << 20);
      expect(records).toMatchObject({
        error: undefined,
        rows: [
          ['k', 'v'],
          ['k', 'v'],
        ],
        end: { row: 3 },
      });
      expect(records.bad).toHaveLength(1);
      const blocks = await read(
        writeSequenceFile([small, big], { codec, layout: 'blocks', every: 1 }),
        1 << 20,
      );
      expect(blocks.rows).toEqual([['k', 'v']]);
      expect(blocks.error).toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringMatching(/a block is damaged/),
      });
    },
  );

  test('a record that is too long is a bad row, and is not held', async () => {
    const long = [bytesWritable('long'), bytesWritable(Buffer.alloc(3 << 20, 'x'))] as const;
    const { rows: found, bad, end } = await read(writeSequenceFile([small, long, small]), 1 << 20);
    expect(found).toHaveLength(2);
    expect(bad).toHaveLength(1);
    expect(bad[0]?.reason).toBe(`the record has ${(3 << 20) + 12} bytes, over the limit of ${1 << 20}`);
    expect(bad[0]?.raw.subarray(4, 8).toString()).toBe('long');
    expect(bad[0]?.raw).toHaveLength(65_536);
    expect(end.row).toBe(3);
    const inBlock = await read(
      writeSequenceFile([small, long, small], { codec: 'zlib', layout: 'blocks' }),
      1 << 20,
    );
    expect(inBlock).toMatchObject({
      rows: [
        ['k', 'v'],
        ['k', 'v'],
      ],
      bad: [{ reason: bad[0]?.reason }],
    });
  });

  test('Snappy that claims more than it is', async () => {
    const value = Buffer.concat([i32(900_000), i32(3), vintOf(100), Buffer.from('ab')]);
    const key = bytesWritable('k');
    const record = Buffer.concat([i32(key.length + value.length), i32(key.length), key, value]);
    const { bad, error } = await read(Buffer.concat([writeSequenceFile([], { codec: 'snappy' }), record]));
    expect(error).toBeUndefined();
    expect(bad[0]?.reason).toMatch(/Snappy/);
  });
});

test('a stored value whose compression is damaged is a bad row, and the next is read', async () => {
  const [first, second] = rows.map(([key, value]) => [key, deflateSync(value)] as const);
  if (first === undefined || second === undefined) throw new Error('rows');
  first[1].fill(0, 5);
  const record = ([key, value]: readonly [Buffer, Buffer]) =>
    Buffer.concat([i32(key.length + value.length), i32(key.length), key, value]);
  const bytes = [writeSequenceFile([], { codec: 'zlib' }), record(first), record(second)];
  const { rows: found, bad, error } = await read(Buffer.concat(bytes));
  expect([error, found]).toEqual([undefined, [plain[1]]]);
  expect(bad[0]?.reason).toMatch(/^zlib: /);
});

test('ZSTD frames without content sizes, several after each other, as the program writes them', async () => {
  const folder = fileURLToPath(new URL('../../fixtures/compressed/', import.meta.url));
  const frames = ['words.zst', 'empty.zst', 'runs.zst', 'noise.zst'].map((name) =>
    readFileSync(folder + name),
  );
  const stored = Buffer.concat(frames);
  const content = Buffer.concat([words(), runs(), noise()]);
  const key = bytesWritable('k');
  const record = Buffer.concat([i32(key.length + stored.length), i32(key.length), key, stored]);
  const head = writeSequenceFile([], { codec: 'zstd', valueClass: 'Custom' });
  const reader = (rowBytesMax: number) =>
    new SequenceFileReader({ format: 'sequencefile', writables: 'serialized', rowBytesMax });
  const source = bytesSource(Buffer.concat([head, record]), 5000);
  const found = await collectRows(reader(content.length), source);
  expect(found.error).toBeUndefined();
  expect(found.rows[0]?.[1] === content.toString('latin1')).toBe(true);
  expect((await collectRows(reader(content.length - 1), source)).bad).toHaveLength(1);
});

test('a file that was changed since is not gone on with', async () => {
  const bytes = writeSequenceFile(rows, { codec: 'zlib', layout: 'blocks' });
  const { positions } = await read(bytes);
  const from = { row: 7, offset: positions[0]?.offset ?? 0, state: '7' };
  const reader = new SequenceFileReader({ format: 'sequencefile' });
  const { error } = await collectRows(reader, bytesSource(bytes, 50), from);
  expect(error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringMatching(/was changed/) });
});
