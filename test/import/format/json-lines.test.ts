/** JSON Lines: held against JSON.parse, at every border of chunks, with all digits. */

import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { decodeTuple } from '../../../src/base/tuple.ts';
import type { JsonLinesSpec } from '../../../src/import/format/format-spec.ts';
import { JsonLinesReader } from '../../../src/import/format/json-lines-reader.ts';
import { chunkedSource, evenSource, readRows, shown } from './chunks.ts';

type Spec = Omit<JsonLinesSpec, 'format'>;
const reader = (spec: Spec) => new JsonLinesReader({ format: 'jsonl', ...spec });
const rowsOf = (text: string | Uint8Array, spec: Spec, chunkBytes = 7) =>
  readRows(reader(spec), evenSource(Buffer.from(text), chunkBytes));
const read = async (text: string, spec: Spec) => shown(await rowsOf(text, spec));

/** What JSON.parse makes of a line; undefined: it is no JSON. */
function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

describe('a line', () => {
  test('is JSON where JSON.parse says so, and has the same values', async () => {
    const spaced = fc.json({ maxDepth: 3 }).map((text) => text.replaceAll(',', ' , ').replaceAll(':', '\t:'));
    const broken = fc
      .tuple(
        fc.json({ maxDepth: 2 }),
        fc.nat(),
        fc.constantFrom(
          '',
          '"',
          '\\',
          '\\u12',
          '0',
          '-',
          '.',
          'e',
          ',',
          ':',
          '{',
          ']',
          'tru',
          '\x01',
          'é',
          ' ',
        ),
      )
      .map(
        ([text, at, part]) =>
          text.slice(0, at % (text.length + 1)) + part + text.slice((at % (text.length + 1)) + 1),
      );
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), spaced, broken), async (inner) => {
        const line = `{"k":1,"v":${inner}}`;
        const [row] = await rowsOf(line, { key: 'k', value: { as: 'json', columns: ['v'] } }, 1000);
        const oracle = parsed(line);
        if (oracle === undefined)
          expect(row).toMatchObject({ bad: expect.stringMatching(/^it is no JSON: /) });
        else if (row === undefined || 'bad' in row) throw new Error(`${line}: ${row?.bad}`);
        else expect(JSON.parse(row.value.toString())).toEqual({ v: (oracle.value as { v: unknown }).v });
      }),
      { numRuns: 800 },
    );
  });

  test('is judged as JSON.parse judges it, at the edges of the grammar', async () => {
    const numbers = [
      '0',
      '-0',
      '01',
      '-01',
      '-',
      '1.',
      '.5',
      '1.5',
      '1e',
      '1e+',
      '1E+2',
      '1e-02',
      '+1',
      '0x1',
      'NaN',
    ];
    const strings = [
      '"\\x"',
      '"\\u12"',
      '"\\u12G4"',
      '"\\uD800"',
      '"\\/"',
      '"\x7f"',
      '"\x1f"',
      '"',
      '"\\"',
      "'a'",
    ];
    const others = [
      'true1',
      'tru',
      'nul',
      'True',
      '[1,]',
      '[,1]',
      '[1 2]',
      '{"a"}',
      '{"a":1,}',
      '{a:1}',
      '{"a":1 "b":2}',
    ];
    for (const inner of [...numbers, ...strings, ...others, '', '1\u00a0', '\ufeff1', '/**/1']) {
      const line = `{"k":1,"v":${inner}}`;
      const [row] = await rowsOf(line, { key: 'k' }, 1000);
      expect({ line, good: row !== undefined && 'key' in row }).toEqual({
        line,
        good: parsed(line) !== undefined,
      });
    }
  });

  test('as MessagePack is the same value', async () => {
    // The reader of the test gives members called __proto__ another name.
    const json = fc.json({ maxDepth: 4 }).filter((text) => !text.includes('__proto__'));
    await fc.assert(
      fc.asyncProperty(json, async (inner) => {
        const line = `{ "k" : 1, "v": ${inner}}`;
        const [row] = await rowsOf(line, { key: 'k', value: { as: 'msgpack' } });
        if (row === undefined || 'bad' in row) throw new Error(`${line}: ${row?.bad}`);
        const plain = (value: unknown): unknown =>
          JSON.parse(
            JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one)),
          );
        expect(plain(unpack(row.value))).toEqual(plain(JSON.parse(line)));
      }),
      { numRuns: 300 },
    );
  });

  test('reads the same wherever chunks end, and from each position', async () => {
    const text = Buffer.from(
      '\ufeff{"k":"a","v":"é\\n"}\r\n\n  \t\n{"k":"b"\n{"k":"ü","v":[1,\t2]}\n{"k":"d","v":null}\r\n{"k":"e","v":{}}',
    );
    const whole = await readRows(reader({ key: 'k', value: 'v' }), chunkedSource(text, []));
    expect(shown(whole)).toEqual([
      'a → é\n',
      'bad: it is no JSON: it ends too early at byte 8 of the row',
      'ü → [1,\t2]',
      'd → ',
      'e → {}',
    ]);
    for (let cut = 1; cut < text.length; cut++) {
      const rows = await readRows(reader({ key: 'k', value: 'v' }), chunkedSource(text, [cut]));
      expect(rows).toEqual(whole);
    }
    expect(await readRows(reader({ key: 'k', value: 'v' }), evenSource(text, 1))).toEqual(whole);
    for (const [i, row] of whole.entries()) {
      const rest = await readRows(reader({ key: 'k', value: 'v' }), evenSource(text, 5), row.position);
      expect(rest).toEqual(whole.slice(i));
    }
  });
});

describe('paths', () => {
  const line = '{"user":{"id":"u1","a.b":2},"items":[{"sku":"s0"},{"sku":"s1"}],"tags":["x","y"],"0":"zero"}';

  for (const [path, found] of [
    ['user.id', 'u1'],
    ['items[1].sku', 's1'],
    ['items.0.sku', 's0'],
    ['tags[0]', 'x'],
    ['tags.1', 'y'],
    ['user.a\\.b', '2'],
    [0, 'zero'],
    ['user', '{"id":"u1","a.b":2}'],
  ] as [string | number, string][]) {
    test(`${path} is ${found}`, async () => {
      expect(await read(line, { key: 'user.id', value: path })).toEqual([`u1 → ${found}`]);
    });
  }

  test('that lead nowhere are bad rows; among members of a value they are left out', async () => {
    expect(await read(line, { key: 'user.no', value: 'user' })).toEqual([
      'bad: it has no user.no, which its key is made of',
    ]);
    expect(await read(line, { key: 'user.id', value: 'tags[2]' })).toEqual(['bad: it has no tags[2]']);
    const value = { as: 'json' as const, columns: ['tags.1', 'no'] };
    expect(await read(line, { key: 'user.id', value })).toEqual(['u1 → {"tags.1":"y"}']);
  });

  test('into lists as rows', async () => {
    expect(await read('["a",1]\n["b"]\n', { key: 0 })).toEqual(['a → ["a",1]', 'b → ["b"]']);
  });

  test('of members that come twice have the last, as in JSON.parse', async () => {
    const twice = '{"k":1,"u":{"v":2},"u":{"w":3},"k":4}';
    expect(await read(twice, { key: 'k', value: { as: 'json', columns: ['u.v', 'u.w'] } })).toEqual([
      '4 → {"u.w":3}',
    ]);
  });

  test('find names that are written with escapes', async () => {
    expect(await read('{"\\u006bey":"\\u0041\\n\\ud83d\\ude00"}', { key: 'key' })).toEqual([
      'A\n\u{1f600} → {"\\u006bey":"\\u0041\\n\\ud83d\\ude00"}',
    ]);
  });

  test('that are none are refused', () => {
    for (const path of ['a..b', 'a[', 'a[x]', '.a', 'a.', 'a]']) {
      expect(() => reader({ key: path })).toThrow(TypeError);
    }
    expect(() => reader({})).toThrow(/options\.key/);
    expect(() => reader({ key: 'a', types: { b: 'int' } })).toThrow(/options\.types\.b/);
  });
});

describe('digits', () => {
  const big = '12345678901234567890123';

  test('of keys and values are all kept', async () => {
    expect(await read(`{"k":${big},"v":0.10000000000000000001}`, { key: 'k', value: 'v' })).toEqual([
      `${big} → 0.10000000000000000001`,
    ]);
    const [row] = await rowsOf(`{"k":${big}}`, { key: ['k'] });
    expect(row !== undefined && 'key' in row && decodeTuple(row.key)).toEqual([BigInt(big)]);
    const value = { as: 'json' as const, columns: ['k'] };
    expect(await read(`{"k":${big}}`, { key: 'k', value })).toEqual([`${big} → {"k":${big}}`]);
  });

  test('of whole numbers of 64 bits are kept in MessagePack', async () => {
    const [row] = await rowsOf('{"k":1,"v":[9007199254740993,-9223372036854775808]}', {
      key: 'k',
      value: { as: 'msgpack' },
    });
    expect(row !== undefined && 'key' in row && unpack(row.value)).toEqual({
      k: 1,
      v: [9007199254740993n, -(2n ** 63n)],
    });
    const [beyond] = await rowsOf('{"k":1,"v":[1e400,36893488147419103232]}', {
      key: 'k',
      value: { as: 'msgpack' },
    });
    expect(beyond !== undefined && 'key' in beyond && unpack(beyond.value)).toEqual({
      k: 1,
      v: JSON.parse('[1e400,36893488147419103232]'),
    });
  });
});

describe('bad rows', () => {
  test('say what is wrong', async () => {
    const deep = `{"k":1,"v":${'['.repeat(5000)}${']'.repeat(5000)}}`;
    const lines = ['{"k":}', '{"k":1} x', '{"k":"a\tb"}', 'nul', '{"k":null}', '{"k":{}}', '{"k":""}', deep];
    expect(await read(lines.join('\n'), { key: 'k' })).toEqual([
      'bad: it is no JSON: unexpected } at byte 5 of the row',
      'bad: it is no JSON: unexpected x at byte 8 of the row',
      'bad: it is no JSON: unexpected byte 0x09 at byte 7 of the row',
      'bad: it is no JSON: it ends too early at byte 3 of the row',
      'bad: column k of its key is null',
      'bad: column k: an object or a list cannot be a key',
      'bad: its key is empty',
      'bad: it is no JSON: unexpected [ at byte 1010 of the row',
    ]);
  });

  test('that are not UTF-8, or too long, leave the rows behind them', async () => {
    const text = Buffer.concat([
      Buffer.from('{"k":"a'),
      Buffer.from([0xc3]),
      Buffer.from(`"}\n{"k":"${'x'.repeat(500)}"}\n{"k":"b"}\n`),
    ]);
    for (const chunkBytes of [1, 50, 5000]) {
      const rows = await rowsOf(text, { key: 'k', value: 'k', rowBytesMax: 100 }, chunkBytes);
      expect(shown(rows)).toEqual([
        'bad: it is not UTF-8',
        'bad: it has 508 bytes, more than rowBytesMax, which is 100',
        'b → b',
      ]);
    }
  });
});
