/** Values out of columns: one as it stands, several as JSON or MessagePack, with the types that were given. */

import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { DelimitedReader } from '../../../src/import/format/delimited-reader.ts';
import type { ColumnType, ValueSpec } from '../../../src/import-options.ts';
import { evenSource, readRows } from '../format/chunks.ts';

async function valuesOf(
  text: string,
  value: ValueSpec,
  types: Record<string, ColumnType> = {},
): Promise<(Buffer | string)[]> {
  const reader = new DelimitedReader({ format: 'csv', key: 0, value, types });
  const rows = await readRows(reader, evenSource(Buffer.from(text), 1000));
  return rows.map((row) => ('bad' in row ? row.bad : row.value));
}

const TYPES: Record<string, ColumnType> = {
  i: 'int',
  f: 'float',
  d: 'decimal',
  t: 'date',
  b: 'bool',
  x: 'hex',
  y: 'base64',
};
const TYPED = 'k,i,f,d,t,b,x,y,n\n"a",+007,.5,1.50,2024-02-29,no,00ff,AP8=,\n';

test('a column that stands alone is as it stands; of hex and base64 what they stand for', async () => {
  const one = (column: string) => valuesOf(TYPED, column, TYPES);
  expect(String(await one('i'))).toBe('+007');
  expect(String(await one('d'))).toBe('1.50');
  expect(await one('x')).toEqual([Buffer.from([0, 255])]);
  expect(await one('y')).toEqual([Buffer.from([0, 255])]);
  expect(await one('n')).toEqual([Buffer.alloc(0)]);
  expect(await valuesOf('k,i\n1,x\n', 'i', { i: 'int' })).toEqual(['column i: "x" is not an int']);
});

test('the row as it stands', async () => {
  expect(String(await valuesOf('k,v\r\n"a","b ""c"""\r\n', { as: 'raw' }))).toBe('"a","b ""c"""');
});

describe('JSON', () => {
  test('has numbers and booleans of those types, and keeps digits', async () => {
    expect(String(await valuesOf(TYPED, { as: 'json' }, TYPES))).toBe(
      '{"k":"a","i":7,"f":0.5,"d":"1.50","t":"2024-02-29","b":false,"x":"00ff","y":"AP8=","n":null}',
    );
    const ints = 'k,i\n1,-0012345678901234567890123\n2,-0\n3,000\n';
    expect((await valuesOf(ints, { as: 'json', columns: ['i'] }, { i: 'int' })).map(String)).toEqual([
      '{"i":-12345678901234567890123}',
      '{"i":0}',
      '{"i":0}',
    ]);
  });

  test('of any text is what JSON.parse reads back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), async (name, text) => {
        const quoted = (one: string) => `"${one.replaceAll('"', '""')}"`;
        const csv = `${quoted(`k${name}`)},${quoted(`v${name}`)}\na,${quoted(text)}\n`;
        const [value] = await valuesOf(csv, { as: 'json', columns: [1] });
        expect(JSON.parse(String(value))).toEqual({ [`v${name}`]: text });
      }),
      { numRuns: 300 },
    );
  });
});

describe('MessagePack', () => {
  test('has numbers, booleans and bytes of those types', async () => {
    const [value] = await valuesOf(TYPED, { as: 'msgpack' }, TYPES);
    expect(unpack(value as Buffer)).toEqual({
      k: 'a',
      i: 7,
      f: 0.5,
      d: '1.50',
      t: '2024-02-29',
      b: false,
      x: Buffer.from([0, 255]),
      y: Buffer.from([0, 255]),
      n: null,
    });
  });

  test('of whole numbers and of text of any length is read back by a library', async () => {
    const edges = [
      0n,
      31n,
      32n,
      127n,
      128n,
      255n,
      256n,
      65_535n,
      65_536n,
      2n ** 31n,
      2n ** 32n - 1n,
      2n ** 32n,
    ];
    const large = [
      2n ** 53n - 1n,
      2n ** 53n,
      2n ** 63n - 1n,
      -(2n ** 63n),
      -33n,
      -129n,
      -32_769n,
      -(2n ** 31n) - 1n,
    ];
    const lengths = [0, 31, 32, 255, 256, 65_535, 65_536];
    for (const int of [...edges, ...edges.map((edge) => -edge), ...large]) {
      const csv = `k,i\na,${int}\n`;
      const [value] = await valuesOf(csv, { as: 'msgpack', columns: ['i'] }, { i: 'int' });
      const { i } = unpack(value as Buffer) as { i: number | bigint };
      expect(BigInt(i)).toBe(int);
      expect(typeof i).toBe(Number.isSafeInteger(Number(int)) ? 'number' : 'bigint');
    }
    for (const length of lengths) {
      const csv = `k,s,x\na,${'s'.repeat(length)}-,${'00'.repeat(length)}ff\n`;
      const [value] = await valuesOf(csv, { as: 'msgpack', columns: ['s', 'x'] }, { x: 'hex' });
      const { s, x } = unpack(value as Buffer) as { s: string; x: Buffer };
      expect([s.length, x.length]).toEqual([length + 1, length + 1]);
    }
    expect(await valuesOf('k,i\na,18446744073709551616\n', { as: 'msgpack' }, { i: 'int' })).toEqual([
      'column i: "18446744073709551616" has more than 64 bits',
    ]);
  });

  test('of many columns', async () => {
    for (const columns of [15, 16, 6000]) {
      const names = Array.from({ length: columns }, (_, i) => `c${i}`);
      const [value] = await valuesOf(`${names}\n${names}\n`, { as: 'msgpack' });
      expect(Object.keys(unpack(value as Buffer) as object)).toEqual(names);
    }
  });
});
