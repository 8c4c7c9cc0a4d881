/** Tuples as keys: the order of the bytes is that of the values, and nothing is lost. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Decimal, decodeTuple, encodeTuple, type TupleElement } from '../../src/base/tuple.ts';

const sign = (order: number) => Math.sign(order);
const bytesOrder = (a: readonly TupleElement[], b: readonly TupleElement[]) =>
  sign(Buffer.compare(encodeTuple(a), encodeTuple(b)));

/** A decimal as the integer that it is of its smallest digit, so that decimals are compared exactly. */
function scaled(literal: string): { digits: bigint; exponent: number } {
  const [, minus = '', whole = '', fraction = '', exponent = '0'] =
    /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(literal) ?? [];
  const digits = BigInt(`${whole}${fraction}` || '0') * (minus === '-' ? -1n : 1n);
  return { digits, exponent: Number(exponent) - fraction.length };
}

function decimalOrder(a: string, b: string): number {
  const [left, right] = [scaled(a), scaled(b)];
  const least = Math.min(left.exponent, right.exponent);
  const l = left.digits * 10n ** BigInt(left.exponent - least);
  const r = right.digits * 10n ** BigInt(right.exponent - least);
  return l < r ? -1 : l > r ? 1 : 0;
}

const literal = fc
  .tuple(
    fc.constantFrom('', '-', '+'),
    fc.constantFrom('', '0', '00', '7', '10', '99', '100', '12345', '900719925474099267', '9'.repeat(40)),
    fc.constantFrom('', '.', '.0', '.5', '.05', '.050', '.10', '.099', `.${'1'.repeat(30)}`),
    fc.constantFrom('', 'e0', 'e1', 'E-1', 'e+19', 'e-20', 'e21', 'e-150', 'e308'),
  )
  .filter(([, whole, fraction]) => /\d/.test(whole + fraction))
  .map((parts) => parts.join(''));

const number = fc
  .oneof(
    fc.double({ noNaN: true }),
    fc.integer().map(Number),
    fc.constantFrom(0.1, 2 ** 53, 2 ** 60, 1e21, 5e-324),
  )
  .map((value) => (value === 0 ? 0 : value));

describe('order', () => {
  test('of numbers is that of their values', () => {
    fc.assert(
      fc.property(number, number, (a, b) => {
        expect(bytesOrder([a], [b])).toBe(sign(a < b ? -1 : a > b ? 1 : 0));
      }),
      { numRuns: 1000 },
    );
  });

  test('of decimals is exact', () => {
    fc.assert(
      fc.property(literal, literal, (a, b) => {
        expect(bytesOrder([new Decimal(a)], [new Decimal(b)])).toBe(decimalOrder(a, b));
      }),
      { numRuns: 1000 },
    );
  });

  test('of bigints is theirs, and among numbers too', () => {
    const big = fc.oneof(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.maxSafeInteger().map(BigInt));
    fc.assert(
      fc.property(big, big, number.filter(Number.isFinite), (a, b, c) => {
        expect(bytesOrder([a], [b])).toBe(a < b ? -1 : a > b ? 1 : 0);
        expect(bytesOrder([a], [c])).toBe(a < c ? -1 : a > c ? 1 : 0);
      }),
      { numRuns: 1000 },
    );
  });

  test('of strings is that of their code points, of bytes theirs, of dates that of time', () => {
    const text = fc
      .array(fc.constantFrom('', '\0', '\x01', 'a', 'b', 'é', '\uffff', '\u{10000}'))
      .map((a) => a.join(''));
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(bytesOrder([a], [b])).toBe(sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
      }),
    );
    const bytes = fc.uint8Array({ maxLength: 6, max: 2 });
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(bytesOrder([a], [b])).toBe(sign(Buffer.compare(a, b)));
      }),
    );
    const date = fc.date({ noInvalidDate: true });
    fc.assert(
      fc.property(date, date, (a, b) => {
        expect(bytesOrder([a], [b])).toBe(sign(a.getTime() - b.getTime()));
      }),
    );
  });

  test('of types is null, false, true, numbers, dates, strings, bytes', () => {
    const ranks: (readonly [number, fc.Arbitrary<TupleElement>])[] = [
      [0, fc.constant(null)],
      [1, fc.constant(false)],
      [2, fc.constant(true)],
      [3, fc.oneof(number, fc.bigInt())],
      [4, fc.date({ noInvalidDate: true })],
      [5, fc.string()],
      [6, fc.uint8Array()],
    ];
    const ranked = fc.oneof(...ranks.map(([rank, values]) => fc.tuple(fc.constant(rank), values)));
    fc.assert(
      fc.property(ranked, ranked, ([rankA, a], [rankB, b]) => {
        if (rankA !== rankB) expect(bytesOrder([a], [b])).toBe(sign(rankA - rankB));
      }),
      { numRuns: 1000 },
    );
  });

  test('of tuples is that of the first element that differs; a beginning is before what goes on', () => {
    const element: fc.Arbitrary<TupleElement> = fc.oneof(
      fc.constantFrom<TupleElement>(null, true, -1, 0, 1, 100, 1.5, '', 'a', 'a\0', 'b', '\0'),
      fc.uint8Array({ maxLength: 2, max: 1 }),
    );
    const tuple = fc.array(element, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(tuple, tuple, (a, b) => {
        let expected = sign(a.length - b.length);
        for (let i = Math.min(a.length, b.length) - 1; i >= 0; i--) {
          const one = bytesOrder([a[i] as TupleElement], [b[i] as TupleElement]);
          if (one !== 0) expected = one;
        }
        expect(bytesOrder(a, b)).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('reading back', () => {
  test('gives the elements', () => {
    const element: fc.Arbitrary<TupleElement> = fc.oneof(
      fc.constantFrom(null, true, false),
      fc
        .double({ noNaN: true, noDefaultInfinity: true, max: 2 ** 53 - 1, min: 1 - 2 ** 53 })
        .map((n) => (n === 0 ? 0 : n)),
      fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 0.1, -1e-300),
      fc.bigInt({ min: 2n ** 53n, max: 10n ** 40n }),
      fc.bigInt({ min: -(10n ** 40n), max: -(2n ** 53n) }),
      fc.string({ unit: 'binary' }),
      fc.uint8Array(),
      fc.date({ noInvalidDate: true }),
    );
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 5 }), (tuple) => {
        expect(decodeTuple(encodeTuple(tuple))).toEqual(tuple);
      }),
      { numRuns: 500 },
    );
  });

  test('keeps every digit of a decimal', () => {
    fc.assert(
      fc.property(literal, (text) => {
        const [back] = decodeTuple(encodeTuple([new Decimal(text)]));
        expect(decimalOrder(String(back), text)).toBe(0);
        expect(encodeTuple([back as TupleElement])).toEqual(encodeTuple([new Decimal(text)]));
      }),
      { numRuns: 500 },
    );
    expect(decodeTuple(encodeTuple([new Decimal('0.10000000000000000001')]))).toEqual([
      new Decimal('0.10000000000000000001'),
    ]);
  });

  test('numbers of equal value are the same key', () => {
    const forms = [42, 42n, new Decimal('42.0'), new Decimal('4.2e1'), new Decimal('0042')];
    for (const form of forms) expect(encodeTuple([form])).toEqual(encodeTuple([42]));
    expect(encodeTuple([2 ** 60])).toEqual(encodeTuple([2n ** 60n]));
    expect(encodeTuple([-0])).toEqual(encodeTuple([0]));
  });

  test('of anything else is corruption or a tuple, and never hangs', () => {
    const type = fc.oneof(
      fc.integer({ min: 0x21, max: 0x3e }),
      fc.constantFrom(2, 4, 5, 0x48, 0x50, 0x58, 0),
    );
    const rest = fc.array(fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 2, 127, 128, 254, 255)), {
      maxLength: 10,
    });
    const noise = fc.tuple(type, rest).map(([first, others]) => Uint8Array.from([first, ...others]));
    fc.assert(
      fc.property(noise, (bytes) => {
        let tuple: TupleElement[];
        try {
          tuple = decodeTuple(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPTION' });
          return;
        }
        // Of each tuple there is one form.
        expect(encodeTuple(tuple)).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

test('the bytes are those of the description', () => {
  const hex = (...tuple: TupleElement[]) => Buffer.from(encodeTuple(tuple)).toString('hex');
  expect(hex(null, false, true)).toBe('020405');
  expect(hex(0, 1, 10, 100, 1234, -1)).toBe('30' + '3302' + '3314' + '3402' + '341944' + '2cfd');
  expect(hex(0.5, 0.005, -0.005)).toBe('3264' + '317fff64' + '2e80009b');
  expect(hex(new Decimal('1e30'))).toBe('3d801002');
  expect(hex(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)).toBe('3e21');
  expect(hex(new Date(1))).toBe('488000000000000001');
  expect(hex('a\0b', '')).toBe('506100ff620050' + '00');
  expect(hex(new Uint8Array([0, 1]))).toBe('5800ff0100');
});

test('what has no place in the order is refused', () => {
  const wrong: unknown[] = [Number.NaN, undefined, {}, [], '\ud800', new Date(Number.NaN), 10n ** 70_000n];
  for (const element of wrong) {
    expect(() => encodeTuple([element as TupleElement])).toThrow(TypeError);
  }
  for (const text of ['', 'x', '1e', '.', '1 ', '0x1', '1e99999999']) {
    expect(() => new Decimal(text)).toThrow(TypeError);
  }
});
