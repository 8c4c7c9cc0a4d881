/** CSV, TSV and plain text: held against csv-parse, at every border of chunks, and what is done with rows that are none. */

import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DelimitedReader } from '../../../src/import/format/delimited-reader.ts';
import type { DelimitedSpec } from '../../../src/import/format/format-spec.ts';
import { chunkedSource, evenSource, type Row, readRows, shown } from './chunks.ts';

const csv = (spec: Omit<DelimitedSpec, 'format'> = {}) => new DelimitedReader({ format: 'csv', ...spec });
const read = async (text: string, spec: Omit<DelimitedSpec, 'format'> = {}) =>
  shown(await readRows(csv(spec), evenSource(Buffer.from(text), 7)));

/** Every field of every row, by way of values that are JSON. */
function fieldsOf(rows: readonly Row[]): unknown[][] {
  return rows.map((row) => {
    if ('bad' in row) throw new Error(row.bad);
    const members: unknown = JSON.parse(row.value.toString());
    return Object.values(members as object);
  });
}

const field = fc.oneof(
  { weight: 3, arbitrary: fc.stringMatching(/^[a-z0-9 .]{0,6}$/) },
  fc
    .array(fc.constantFrom('a', '"', '""', ',', '\n', '\r\n', '\r', '\t', 'é', '\u{1f600}', '\0'), {
      maxLength: 6,
    })
    .map((parts) => parts.join('')),
);
const table = fc.integer({ min: 1, max: 4 }).chain((columns) =>
  fc.record({
    rows: fc.array(fc.array(field, { minLength: columns, maxLength: columns }), {
      minLength: 1,
      maxLength: 6,
    }),
    lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
    lastLineEnd: fc.boolean(),
    separator: fc.constantFrom(',', ';', '\t', '||'),
    allQuoted: fc.boolean(),
  }),
);

function written({
  rows,
  lineEnd,
  lastLineEnd,
  separator,
  allQuoted,
}: {
  rows: readonly (readonly string[])[];
  lineEnd: string;
  lastLineEnd: boolean;
  separator: string;
  allQuoted: boolean;
}): string {
  const lines = rows.map((fields) =>
    fields
      .map((text, i) =>
        // A row of one empty field would be an empty line; a key may not be empty.
        allQuoted || /["\r\n]/.test(text) || text.includes(separator[0] as string) || i === 0
          ? `"${text.replaceAll('"', '""')}"`
          : text,
      )
      .join(separator),
  );
  return lines.join(lineEnd) + (lastLineEnd ? lineEnd : '');
}

describe('valid CSV', () => {
  test('has the fields that csv-parse finds, wherever chunks end', async () => {
    await fc.assert(
      fc.asyncProperty(table, fc.integer({ min: 1, max: 9 }), async (made, chunkBytes) => {
        const text = written(made);
        const expected: string[][] = parse(text, {
          delimiter: made.separator,
          record_delimiter: ['\r\n', '\n', '\r'],
          skip_empty_lines: true,
        });
        const spec = {
          separator: made.separator,
          header: false,
          key: { template: 'k{0}' },
          value: { as: 'json' as const },
        };
        const rows = fieldsOf(await readRows(csv(spec), evenSource(Buffer.from(text), chunkBytes)));
        // An empty field without quotes is null here.
        expect(rows.map((fields) => fields.map((value) => value ?? ''))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test('reads the same with one border at each place', async () => {
    const text = Buffer.from('\ufeffid,name\r\n1,"a ""b"" c"\r\n"2","x\r\n,y"\r\n\r\n3,\r4,"é"');
    const whole = shown(await readRows(csv({ key: 'id' }), chunkedSource(text, [])));
    expect(whole).toEqual(['1 → a "b" c', '2 → x\r\n,y', '3 → ', '4 → é']);
    for (let cut = 1; cut < text.length; cut++) {
      expect(shown(await readRows(csv({ key: 'id' }), chunkedSource(text, [cut])))).toEqual(whole);
    }
    expect(shown(await readRows(csv({ key: 'id' }), evenSource(text, 1)))).toEqual(whole);
  });

  test('goes on from the position of each row', async () => {
    await fc.assert(
      fc.asyncProperty(table, fc.boolean(), async (made, header) => {
        const text = Buffer.from(written(made));
        const spec: Omit<DelimitedSpec, 'format'> = {
          separator: made.separator,
          header: header ? (made.rows[0]?.map((_, i) => `c${i}`) ?? []) : false,
          key: { template: 'k{0}' },
          value: { as: 'raw' },
        };
        const all = await readRows(csv(spec), evenSource(text, 5));
        for (const [i, row] of all.entries()) {
          expect(await readRows(csv(spec), evenSource(text, 3), row.position)).toEqual(all.slice(i));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('is empty without rows', async () => {
    expect(await read('')).toEqual([]);
    expect(await read('id,name\n')).toEqual([]);
    expect(await read('\n\r\n\r')).toEqual([]);
  });
});

describe('options', () => {
  test('header, names, places', async () => {
    expect(await read('a,b\n1,2\n', { key: 'b', value: 'a' })).toEqual(['2 → 1']);
    expect(await read('a,b\n1,2\n', { header: false, key: 1, value: 0 })).toEqual(['b → a', '2 → 1']);
    expect(await read('1,2\n', { header: ['x', 'y'], key: 'y', value: 'x' })).toEqual(['2 → 1']);
    expect(await read('a,b,c\n1,2,3\n')).toEqual(['1 → {"b":"2","c":"3"}']);
    expect(await read('a\n1\n')).toEqual(['1 → ']);
  });

  test('comments and lines before the header', async () => {
    const text = 'made by x\n"unbalanced\na,b\n#c,d\n1,#2\n##\n';
    expect(await read(text, { skipLines: 2, comment: '#' })).toEqual(['1 → #2']);
    expect(await read('a,b\n//x\n/,2\n', { comment: '//' })).toEqual(['/ → 2']);
  });

  test('an escape character', async () => {
    const text = 'a,b\n1,"x \\"y\\" \\\\ \\n ""z"""\n2,"\\\\"\n';
    expect(await read(text, { escape: '\\' })).toEqual(['1 → x "y" \\ \\n "z"', '2 → \\']);
    for (let chunk = 1; chunk < 9; chunk++) {
      const rows = await readRows(csv({ escape: '\\' }), evenSource(Buffer.from(text), chunk));
      expect(shown(rows)).toEqual(['1 → x "y" \\ \\n "z"', '2 → \\']);
    }
  });

  test('null is an empty field without quotes, and the text chosen', async () => {
    const value = { as: 'json' as const };
    expect(await read('a,b,c,d\n1,,"",NULL\n', { value, nullText: 'NULL' })).toEqual([
      '1 → {"a":"1","b":null,"c":"","d":null}',
    ]);
  });

  test('tabs, and plain text of keys and values', async () => {
    const tsv = new DelimitedReader({ format: 'tsv', key: 'k' });
    expect(shown(await readRows(tsv, evenSource(Buffer.from('k\tv\n1\t"x"\n'), 3)))).toEqual(['1 → "x"']);
    const text = new DelimitedReader({ format: 'text', separator: ' = ' });
    expect(shown(await readRows(text, evenSource(Buffer.from('a = 1,2\nb =  = 3\nc = \n'), 2)))).toEqual([
      'a → 1,2',
      'b →  = 3',
      'c → ',
    ]);
    const named = new DelimitedReader({ format: 'text', header: true, key: 'b', value: 'c' });
    expect(shown(await readRows(named, evenSource(Buffer.from('a\tb\tc\n1\t2\t3\t4\n5\t6\n'), 2)))).toEqual([
      '2 → 3\t4',
      'bad: it has 2 columns, not 3',
    ]);
  });

  test('that cannot be are refused', () => {
    for (const [spec, message] of [
      [{ separator: '' }, /separator/],
      [{ separator: '"' }, /separator/],
      [{ quote: 'ab' }, /quote/],
      [{ header: [] }, /header/],
      [{ rowBytesMax: 0 }, /rowBytesMax/],
      [{ key: { template: 'a' } }, /template/],
      [{ key: { template: 'a{' } }, /template/],
      [{ key: [] }, /key/],
    ] as [Omit<DelimitedSpec, 'format'>, RegExp][]) {
      expect(() => csv(spec)).toThrow(message);
    }
  });

  test('columns that a source lacks are told with those it has', async () => {
    await expect(read('a,b\n1,2\n', { key: 'c' })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: 'memory has no column c; its columns are a, b',
    });
    await expect(read('a,a\n1,2\n', { key: 'a' })).rejects.toThrow(/two columns a/);
    await expect(read('k,a,a\n1,2,3\n', {})).rejects.toThrow(/two columns a, which cannot be members of one/);
    expect(await read('constructor,toString,__proto__\n1,2,3\n')).toEqual([
      '1 → {"toString":"2","__proto__":"3"}',
    ]);
    await expect(read('a,b\n1,2\n', { types: { c: 'int' } })).rejects.toThrow(/no column c/);
  });
});

describe('bad rows', () => {
  test('have a reason, and the rows behind them are read', async () => {
    expect(await read('a,b\n1,2,3\n"4"x,5\n6\n,7\n8,9\n')).toEqual([
      'bad: it has 3 columns, not 2',
      'bad: text follows the quoted field that begins at byte 10',
      'bad: it has 1 columns, not 2',
      'bad: column a of its key is null',
      '8 → 9',
    ]);
  });

  test('a quote that is not closed is told by its place', async () => {
    const rows = await readRows(csv(), evenSource(Buffer.from('a,b\n1,2\n3,"4\n5,6\n'), 4));
    expect(shown(rows)).toEqual(['1 → 2', 'bad: the quote at byte 10 is not closed before the source ends']);
    expect(rows[1]).toMatchObject({ raw: Buffer.from('3,"4\n5,6\n'), position: { row: 1, offset: 8 } });
  });

  test('a first row that is broken does not say how many columns there are', async () => {
    const options = { header: false, rowBytesMax: 20 };
    for (const [first, reason] of [
      ['"a"x,1,2', /text follows/],
      ['a,,,,,,,,,,,,,,,,,,,,,,,', /more than rowBytesMax/],
    ] as const) {
      const rows = await read(`${first}\nb,2\n`, options);
      expect(rows).toEqual([expect.stringMatching(reason), 'b → 2']);
    }
    await expect(read('"a"x,1\nb,2\n')).rejects.toThrow(/^The header of memory: text follows/);
  });

  test('a row that is too long is left out, and those behind it are read', async () => {
    for (const long of ['x'.repeat(5000), `"${'x\n'.repeat(2500)}"`]) {
      const text = Buffer.from(`a,b\n1,2\n3,${long}\n5,6\n`);
      for (const chunkBytes of [1, 100, 10_000]) {
        const rows = await readRows(csv({ rowBytesMax: 1000 }), evenSource(text, chunkBytes));
        expect(shown(rows)).toEqual([
          '1 → 2',
          `bad: it has ${long.length + 2} bytes, more than rowBytesMax, which is 1000`,
          '5 → 6',
        ]);
      }
    }
  });

  test('NULs and what is not UTF-8 are data of columns that stand alone, and no JSON', async () => {
    const bytes = Buffer.concat([Buffer.from('a,b\n\0,'), Buffer.from([0xff, 0]), Buffer.from('\n')]);
    const [row] = await readRows(csv(), evenSource(bytes, 3));
    expect(row).toMatchObject({ key: Buffer.from([0]), value: Buffer.from([0xff, 0]) });
    const json = await readRows(csv({ value: { as: 'json' } }), evenSource(bytes, 3));
    expect(shown(json)).toEqual([expect.stringMatching(/^bad: column b: .* is not UTF-8$/)]);
  });

  test('UTF-16 is told at once', async () => {
    const utf16 = Buffer.from('\ufeffa,b\n1,2\n', 'utf16le');
    await expect(readRows(csv(), evenSource(utf16, 5))).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });
});
