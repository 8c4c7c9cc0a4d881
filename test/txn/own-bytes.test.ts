import { expect, test } from 'vitest';
import { keyString, ownBytes } from '../../src/txn/read-set.ts';

test('what a caller may change is copied, small pieces of it not to memory of their own', () => {
  const inputs = Array.from({ length: 1000 }, (_, i) => Buffer.alloc(i % 2 === 0 ? 16 : 500, i));
  const copies = inputs.map((bytes) => ownBytes(bytes, bytes));
  for (const bytes of inputs) bytes.fill(255);
  expect(copies.every((copy, i) => copy.every((byte) => byte === (i & 255)))).toBe(true);
  // Four allocations outside V8's heap for each put held the event loop for 10 ms when they were all freed.
  expect(new Set(copies.map(({ buffer }) => buffer)).size).toBeLessThan(100);
  const encoded = Buffer.from('made by an encoder');
  expect(ownBytes(encoded, 'made by an encoder')).toBe(encoded);
});

test('keys as strings, one character a byte, whatever array they are in', () => {
  const bytes = Uint8Array.from([0, 1, 127, 128, 255, 65]);
  const arrays = [bytes, Buffer.from(bytes), Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)];
  for (const array of arrays) {
    expect(keyString(array, 0, 6)).toBe('\0\x01\x7f\x80\xffA');
    expect(keyString(array, 2, 3)).toBe('\x7f\x80\xff');
    expect(keyString(array, 6, 0)).toBe('');
  }
});
