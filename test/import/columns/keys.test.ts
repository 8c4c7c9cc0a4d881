/** Keys out of columns: as they stand, as templates, and in the order of their types. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Decimal, decodeTuple, encodeTuple, type TupleElement } from '../../../src/base/tuple.ts';
import { DelimitedReader } from '../../../src/import/format/delimited-reader.ts';
import type { ColumnType, KeySpec } from '../../../src/import-options.ts';
import { evenSource, readRows, shown } from '../format/chunks.ts';

interface Options {
  readonly key: KeySpec;
  readonly types?: Record<string, ColumnType>;
}

async function rowsOf(lines: readonly (readonly string[])[], options: Options) {
  const text = lines
    .map((fields) => fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(','))
    .join('\n');
  const names = lines[0]?.map((_, i) => String.fromCharCode(97 + i)) ?? [];
  const reader = new DelimitedReader({ format: 'csv', header: names, value: { as: 'raw' }, ...options });
  return readRows(reader, evenSource(Buffer.from(text), 1000));
}

async function keysOf(lines: readonly (readonly string[])[], options: Options): Promise<Buffer[]> {
  return (await rowsOf(lines, options)).map((row) => {
    if ('bad' in row) throw new Error(row.bad);
    return row.key;
  });
}

const keyOf = async (fields: readonly string[], options: Options) => (await keysOf([fields], options))[0];

/** The order of the keys of two rows is that of their values. */
async function expectOrder<T>(
  values: fc.Arbitrary<T>,
  texts: (value: T) => string[],
  options: Options,
  order: (a: T, b: T) => number,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(values, { minLength: 2, maxLength: 20 }), async (list) => {
      const keys = await keysOf(list.map(texts), options);
      const byKey = list.map((value, i) => ({ value, key: keys[i] as Buffer }));
      byKey.sort((a, b) => Buffer.compare(a.key, b.key));
      for (let i = 1; i < byKey.length; i++) {
        const [before, after] = [byKey[i - 1], byKey[i]];
        if (before === undefined || after === undefined) continue;
        const expected = Math.sign(order(before.value, after.value));
        expect(expected === 0 ? 0 : -1).toBe(Math.sign(Buffer.compare(before.key, after.key)));
        expect(expected).toBeLessThanOrEqual(0);
      }
    }),
    { numRuns: 100 },
  );
}

const compare = <T>(a: T, b: T) => (a < b ? -1 : a > b ? 1 : 0);

describe('keys of typed columns are in the order of', () => {
  test('whole numbers of any size', async () => {
    const values = fc.oneof(
      fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
      fc.integer({ min: -150, max: 150 }).map(BigInt),
    );
    const texts = (value: bigint) => [value >= 0n && value % 2n === 0n ? ` +00${value} ` : `${value}`];
    await expectOrder(values, texts, { key: 'a', types: { a: 'int' } }, compare);
  });

  test('floats', async () => {
    const values = fc.double({ noNaN: true, noDefaultInfinity: true });
    await expectOrder(
      values,
      (value) => [String(value)],
      { key: 'a', types: { a: 'float' } },
      (a, b) => compare(a, b),
    );
  });

  test('decimals, to the last digit', async () => {
    const values = fc.tuple(
      fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
      fc.integer({ min: 0, max: 25 }),
    );
    const text = ([digits, scale]: [bigint, number]) => {
      const plain = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0');
      const at = plain.length - scale;
      return [`${digits < 0n ? '-' : ''}${plain.slice(0, at)}.${plain.slice(at)}`];
    };
    const exact = ([digits, scale]: [bigint, number]) => digits * 10n ** BigInt(25 - scale);
    await expectOrder(values, text, { key: 'a', types: { a: 'decimal' } }, (a, b) =>
      compare(exact(a), exact(b)),
    );
  });

  test('dates and times', async () => {
    const values = fc.date({
      min: new Date('0000-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    });
    const texts = (value: Date) => [value.toISOString()];
    await expectOrder(values, texts, { key: 'a', types: { a: 'date' } }, (a, b) =>
      compare(a.getTime(), b.getTime()),
    );
  });

  test('several columns, one after the other', async () => {
    const values = fc.tuple(
      fc.constantFrom('', 'a', 'a\0', 'ab', 'b'),
      fc.integer({ min: -200, max: 200 }),
      fc.boolean(),
    );
    await expectOrder(
      values,
      ([a, b, c]) => [a, String(b), c ? 'yes' : 'no'],
      { key: ['a', 'b', 'c'], types: { b: 'int', c: 'bool' } },
      (x, y) => compare(x[0], y[0]) || compare(x[1], y[1]) || compare(x[2], y[2]),
    );
  });
});

describe('keys can be read back', () => {
  for (const [type, text, element] of [
    ['int', '42', 42],
    ['int', '-007', -7],
    ['int', '12345678901234567890', 12345678901234567890n],
    ['float', '1e3', 1000],
    ['float', '.5', 0.5],
    ['float', '0.1000000000000000055511151231257827', 0.1],
    ['decimal', '0.1000000000000000055511151231257827', new Decimal('0.1000000000000000055511151231257827')],
    ['decimal', '1.50', 1.5],
    ['bool', 'TRUE', true],
    ['bool', '0', false],
    ['date', '2024-02-29', new Date('2024-02-29T00:00:00Z')],
    ['date', '2000-02-29', new Date('2000-02-29T00:00:00Z')],
    ['date', '0004-02-29', new Date('0004-02-29T00:00:00Z')],
    ['date', '1969-12-31 23:59', new Date('1969-12-31T23:59:00Z')],
    ['date', '2024-01-01T00:30:00.25+05:30', new Date('2023-12-31T19:00:00.250Z')],
    ['date', '2024-01-01T00:00:00.123000Z', new Date('2024-01-01T00:00:00.123Z')],
    ['hex', '00fF', Buffer.from([0, 255])],
    ['base64', 'AP8=', Buffer.from([0, 255])],
    ['base64', 'AP8', Buffer.from([0, 255])],
    ['text', 'é', 'é'],
  ] as [ColumnType, string, TupleElement][]) {
    test(`${type} ${text}`, async () => {
      const key = await keyOf([text, 'x'], { key: ['a', 'b'], types: { a: type } });
      expect(key).toEqual(Buffer.from(encodeTuple([element, 'x'])));
      expect(decodeTuple(key ?? Buffer.alloc(0))[0]).toEqual(
        element instanceof Buffer ? Uint8Array.from(element) : element,
      );
    });
  }

  test('null among columns has its place, before all else', async () => {
    const reader = new DelimitedReader({
      format: 'csv',
      key: ['a', 'b'],
      value: { as: 'raw' },
      types: { b: 'int' },
    });
    const rows = await readRows(reader, evenSource(Buffer.from('a,b\nx,\nx,-5\n'), 100));
    const tuples = rows.map((row) => ('key' in row ? decodeTuple(row.key) : row.bad));
    expect(tuples).toEqual([
      ['x', null],
      ['x', -5],
    ]);
  });
});

describe('text that is not of its type is a bad row', () => {
  for (const [type, text] of [
    ['int', ''],
    ['int', '1.0'],
    ['int', '1e3'],
    ['int', '--1'],
    ['int', '١'],
    ['float', 'NaN'],
    ['float', '1e'],
    ['float', '.'],
    ['float', '1e999'],
    ['decimal', '1,5'],
    ['decimal', '1e999999'],
    ['bool', 'maybe'],
    ['date', '2023-02-29'],
    ['date', '1900-02-29'],
    ['date', '2024-04-31'],
    ['date', '2024-00-01'],
    ['date', '2024-13-01'],
    ['date', '2024-1-1'],
    ['date', '2024-01-01T25:00Z'],
    ['date', '2024-01-01T00:00:00.1234Z'],
    ['date', '20240101'],
    ['hex', 'abc'],
    ['hex', 'xy'],
    ['base64', 'A'],
    ['base64', 'AP8=='],
    ['base64', 'A P8'],
  ] as [ColumnType, string][]) {
    test(`${type} ${JSON.stringify(text)}`, async () => {
      const [row] = await rowsOf([['k', text]], { key: ['a', 'b'], types: { b: type } });
      expect(row).toMatchObject({ bad: expect.stringMatching(/^column b: ".*" (is|has) /u) });
    });
  }

  test('and says the column, and the beginning of what it has', async () => {
    const [row] = await rowsOf([['k', 'x'.repeat(1000)]], { key: 'b', types: { b: 'int' } });
    expect(row).toMatchObject({ bad: `column b: "${'x'.repeat(40)}"… is not an int` });
  });
});

describe('templates', () => {
  test('put columns between text', async () => {
    const lines = [['de', '7']];
    expect(String(await keyOf(lines[0] ?? [], { key: { template: 'user:{a}:{b}' } }))).toBe('user:de:7');
    expect(String(await keyOf(lines[0] ?? [], { key: { template: '{{{1}}}{a}{a}' } }))).toBe('{7}dede');
    expect(String(await keyOf(['00ff'], { key: { template: 'x{a}' }, types: { a: 'hex' } }))).toBe(
      'x\0\ufffd',
    );
  });

  test('are of checked types', async () => {
    const rows = await rowsOf([['x', '7']], { key: { template: '{a}/{b}' }, types: { a: 'int' } });
    expect(shown(rows)).toEqual(['bad: column a: "x" is not an int']);
  });
});

test('keys that are too long are bad rows', async () => {
  const rows = await rowsOf([['x'.repeat(65_536)], ['x'.repeat(65_535)], ['']], { key: 'a' });
  expect(rows.map((row) => ('bad' in row ? row.bad : row.key.length))).toEqual([
    'its key has 65536 bytes, more than 65535',
    65_535,
    'its key is empty',
  ]);
});
