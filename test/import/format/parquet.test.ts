/** Rows of Parquet files: of other writers, and of one that we drive ourselves. */

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type BasicType, parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { isSluiceError } from '../../../src/base/errors.ts';
import { checkedFormat } from '../../../src/import/format/check-format.ts';
import type { ParquetSpec } from '../../../src/import/format/format-spec.ts';
import { checkRuns } from '../../../src/import/format/parquet/page-runs.ts';
import { ParquetReader } from '../../../src/import/format/parquet/parquet-reader.ts';
import { makeSource } from '../../../src/import/source/make-source.ts';
import { SeededRandom } from '../../base/seeded-random.ts';
import { temporaryDirectory } from '../../base/temporary-directory.ts';
import { bytesSource, collectRows, type Read } from './collect-rows.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/parquet/', import.meta.url));
const utf8 = (latin1: string | undefined) => Buffer.from(latin1 ?? '', 'latin1').toString('utf8');

function read(path: string, spec: Partial<ParquetSpec> = {}, from?: Read['end']): Promise<Read> {
  const reader = new ParquetReader({ format: 'parquet', ...spec });
  return collectRows(reader, bytesSource(Buffer.alloc(0), 1, path), from);
}

describe.each(['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw'])('DuckDB, %s', (codec) => {
  test('two columns are key and value', async () => {
    const { rows, bad, error } = await read(`${fixtures}${codec}.parquet`);
    expect([error, bad]).toEqual([undefined, []]);
    expect(rows).toEqual(
      Array.from({ length: 300 }, (_, i) => [
        `k${String(i).padStart(5, '0')}`,
        `${'value '.repeat(i % 9)}${i}`,
      ]),
    );
  });
});

describe.each(['types', 'types-v2'])('DuckDB, %s', (name) => {
  test('every type, with all its digits', async () => {
    const { rows, bad, error } = await read(`${fixtures}${name}.parquet`);
    expect([error, bad, rows.length]).toEqual([undefined, [], 120]);
    const text = (i: number) => utf8(rows[i]?.[1]);
    expect(rows[3]?.[0]).toBe('3');
    expect(JSON.parse(text(7))).toMatchObject({ name: 'name 7 "é\n"' });
    for (const part of [
      '"name":"name 3"',
      '"price":-3049382.6883',
      '"big":-703703697370370369737011.0123456789',
      '"at":"1970-01-04T00:00:00.000368"',
      '"zoned":"2026-01-01T00:00:03.000000Z"',
      '"nanos":"2023-11-14T22:13:20.000000003"',
      '"day":"1960-03-02"',
      '"ok":true',
      '"f":0.3,',
      '"x":"NaN"',
      '"u64":18446744073709551612',
      '"u32":4294967292',
      '"tiny":-3',
      `"bytes":"${Buffer.concat([Buffer.from([0, 255]), Buffer.from('3')]).toString('base64')}"`,
      '"uuid":"00000000-0000-0000-0000-000000000003"',
      '"tags":["a3",null,"c"]',
      '"st":{"a":3,"b":"x3"}',
      '"j":{"n":3}',
    ]) {
      expect(text(3)).toContain(part);
    }
    expect(text(5)).toContain('"price":null');
  });

  test('columns chosen, typed, and as keys in their order', async () => {
    const plain = await read(`${fixtures}${name}.parquet`, { key: 'name', value: 'bytes' });
    expect(plain.rows[7]?.map(utf8)[0]).toBe('name 7 "é\n"');
    expect(Buffer.from(plain.rows[7]?.[1] ?? '', 'latin1')).toEqual(Buffer.from([0, 255, 0x37]));
    const ordered = await read(`${fixtures}${name}.parquet`, {
      key: ['price', 'id'],
      value: { as: 'json', columns: ['id', 'price'] },
    });
    const byKey = [...ordered.rows].sort(([a], [b]) => (a < b ? -1 : 1));
    const prices = byKey.map(([, value]) => (JSON.parse(value) as { price: number | null }).price);
    const numbers = prices.filter((price) => price !== null);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(prices.slice(0, 24)).toEqual(Array(24).fill(null));
    const template = await read(`${fixtures}${name}.parquet`, {
      key: { template: '{day}/{id}' },
      value: 'uuid',
    });
    expect(template.rows[1]).toEqual(['1960-02-29/1', '00000000-0000-0000-0000-000000000001']);
  });

  test('a null key is a bad row, told by its columns', async () => {
    const { rows, bad } = await read(`${fixtures}${name}.parquet`, { key: 'price', value: 'id' });
    expect([rows.length, bad.length]).toEqual([96, 24]);
    expect(bad[1]).toMatchObject({ reason: expect.stringMatching(/price.*null/) });
    expect(JSON.parse(bad[1]?.raw.toString() ?? '')).toEqual({ price: null, id: '5' });
  });
});

test.each(['groups', 'delta'])('%s: reading goes on at any row, in any row group', async (name) => {
  const path = `${fixtures}${name}.parquet`;
  const whole = await read(path);
  const { rows, error, end } = whole;
  expect([error, whole.bad]).toEqual([undefined, []]);
  if (name === 'groups') expect(rows).toEqual(Array.from({ length: 6000 }, (_, i) => [String(i), `v${i}`]));
  else {
    expect(rows).toHaveLength(5000);
    expect(rows[4321]).toEqual(['key-004321', `{"number":${4321 ** 2},"ratio":432.1}`]);
  }
  expect(end.row).toBe(rows.length);
  for (const at of [0, 1, 1999, 2000, 2047, 2048, 4500, rows.length - 1]) {
    const from = JSON.parse(JSON.stringify(whole.positions[at])) as Read['end'];
    expect(from.row).toBe(at);
    const rest = await read(path, {}, from);
    expect(rest.rows).toEqual(rows.slice(at));
    expect(rest.end).toEqual(end);
  }
  expect((await read(path, {}, end)).rows).toEqual([]);
});

test('a row group that is too large is read in parts', async () => {
  const rows = 150_000;
  const column = (name: string, type: BasicType) => ({
    name,
    type,
    data: Array.from({ length: rows }, (_, i) => (type === 'STRING' ? `${name}-${i}` : i)),
  });
  const path = join(temporaryDirectory(), 'large.parquet');
  const buffer = parquetWriteBuffer({
    columnData: [column('a', 'STRING'), column('b', 'STRING'), column('c', 'INT32')],
    rowGroupSize: rows,
  });
  writeFileSync(path, Buffer.from(buffer));
  const { rows: found, error, positions } = await read(path);
  expect(error).toBeUndefined();
  expect(found).toHaveLength(rows);
  for (const i of [0, 99_999, 120_000, 149_999])
    expect(found[i]).toEqual([`a-${i}`, `{"b":"b-${i}","c":${i}}`]);
  const rest = await read(path, {}, positions[130_001]);
  expect([rest.rows.length, rest.rows[0]]).toEqual([19_999, found[130_001]]);
});

test('a URL is read in ranges', async () => {
  const bytes = readFileSync(`${fixtures}groups.parquet`);
  const ranges: (string | undefined)[] = [];
  const server = createServer(({ headers: { range } }, response) => {
    ranges.push(range);
    const from = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    const headers = { 'content-length': bytes.length - from, etag: '"1"' };
    const part = { ...headers, 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(range === undefined ? 200 : 206, range === undefined ? headers : part);
    response.end(bytes.subarray(from));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const source = makeSource(
    { kind: 'url', url: `http://127.0.0.1:${port}/groups.parquet`, compression: 'auto' },
    nodeEnv,
  );
  const { rows, error } = await collectRows(new ParquetReader({ format: 'parquet', value: 'v' }), source);
  expect([error, rows.length]).toEqual([undefined, 6000]);
  expect(ranges.filter((range) => range !== undefined).length).toBeGreaterThan(3);
});

test('a source that has no path is read in ranges, if its length is known', async () => {
  const bytes = readFileSync(`${fixtures}groups.parquet`);
  const source = bytesSource(bytes, 1000);
  const ranged = await collectRows(new ParquetReader({ format: 'parquet' }), source);
  expect([ranged.error, ranged.rows.length]).toEqual([undefined, 6000]);
  const endless = await collectRows(new ParquetReader({ format: 'parquet' }), {
    ...source,
    storedBytes: undefined,
  });
  expect(endless.error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringMatching(/local file/) });
});

test('what cannot be read is said', async () => {
  const wrong = async (path: string, spec: Partial<ParquetSpec> = {}) => (await read(path, spec)).error;
  expect(await wrong(`${fixtures}README.md`)).toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringMatching(/PAR1/),
  });
  expect(await wrong(`${fixtures}none.parquet`)).toMatchObject({ code: 'FILE_NOT_FOUND' });
  expect(await wrong(`${fixtures}zstd.parquet`, { key: 'no' })).toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringMatching(/no column no; its columns are k, v/),
  });
  const unsigned = `${fixtures}unsigned-in-struct.parquet`;
  expect(await wrong(unsigned)).toMatchObject({
    code: 'UNSUPPORTED_FORMAT',
    message: expect.stringMatching(/unsigned-in-struct.*s\.u, cannot be read/),
  });
  expect((await read(unsigned, { value: { as: 'json', columns: ['id'] } })).rows).toHaveLength(50);
  expect(() => checkedFormat({ format: 'parquet', value: { as: 'raw' } })).toThrow(TypeError);
});

describe('a run that claims more values than its page has is refused, not written out', () => {
  const RUN = 200_000_000;
  /** The varint of a run of so many, and its value. */
  const HOSTILE = Uint8Array.of(
    ...[0, 7, 14, 21].map((bits) => ((RUN * 2) >>> bits) | 128),
    (RUN * 2) >>> 28,
    0,
  );

  test.each(['UNCOMPRESSED', 'GZIP'] as const)('of indices, %s', async (codec) => {
    const path = join(temporaryDirectory(), 'hostile.parquet');
    let pages = 0;
    const compress = (page: Uint8Array): Uint8Array => {
      // The dictionary comes first.
      if (++pages === 2) page.fill(0).set([1, ...HOSTILE]);
      return codec === 'GZIP' ? gzipSync(page) : page;
    };
    const data = Array.from({ length: 3000 }, (_, i) => `v${(i * i) % 7 === 0}`);
    const columnData = [{ name: 'k', data, type: 'STRING' as const, nullable: false }];
    writeFileSync(
      path,
      Buffer.from(parquetWriteBuffer({ codec, compressors: { [codec]: compress }, columnData })),
    );
    const { error } = await read(path, { key: 'k', value: { as: 'json', columns: ['k'] } });
    expect(pages).toBeGreaterThan(1);
    expect(error).toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/has a run of 200000000/),
    });
  });

  const shape = {
    values: 3000,
    nulls: undefined,
    repetition: 0,
    definition: 0,
    encoding: 'PLAIN',
    isBoolean: false,
  };
  const length = [6, 0, 0, 0];
  const sound = [3, 0, 0, 0, 0xf0, 0x2e, 1];
  test.each([
    ['of definition levels', { ...shape, definition: 1 }, [...length, ...HOSTILE]],
    ['of repetition levels', { ...shape, repetition: 1 }, [...length, ...HOSTILE]],
    ['of both, the second', { ...shape, repetition: 1, definition: 1 }, [...sound, ...length, ...HOSTILE]],
    ['of booleans', { ...shape, encoding: 'RLE', isBoolean: true }, [...length, ...HOSTILE]],
    [
      'of indices behind levels',
      { ...shape, definition: 1, encoding: 'PLAIN_DICTIONARY' },
      [...sound, 1, ...HOSTILE],
    ],
    ['of packed values without bits', { ...shape, encoding: 'RLE_DICTIONARY' }, [0, ...HOSTILE.with(0, 129)]],
  ])('%s', (_, page, bytes) => {
    expect(() => checkRuns(Uint8Array.from(bytes), page)).toThrow(/a page of 3000 values has a run of \d{9}/);
    expect(() => checkRuns(Uint8Array.from([...sound, ...sound, 1, 0xf0, 0x2e, 1]), page)).not.toThrow();
  });
});

test('a file that was changed or cut short anywhere is read, or refused, in bounded time', async () => {
  const dir = temporaryDirectory();
  const random = new SeededRandom(3);
  const path = join(dir, 'changed.parquet');
  for (const name of ['types', 'zstd', 'uncompressed', 'delta']) {
    const whole = readFileSync(`${fixtures}${name}.parquet`);
    for (let i = 0; i < 25; i++) {
      const changed = Buffer.from(whole);
      // Most of what can go wrong is in the footer, and in page headers.
      const at = random.chance(0.5) ? whole.length - 1 - random.below(2000) : random.below(whole.length);
      changed[Math.max(0, at)] = random.below(256);
      writeFileSync(path, random.chance(0.1) ? changed.subarray(0, random.below(whole.length)) : changed);
      const { error } = await read(path);
      if (error !== undefined && !isSluiceError(error, 'BAD_INPUT')) throw error;
    }
  }
});
