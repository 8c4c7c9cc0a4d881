/**
 * What every engine stores: keys `user` + 12 digits, sorted, random and even; values of 100 bytes, 50 random ones
 * twice, so that they compress to about half. Two flat files, the same for JavaScript and for the C++ program.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const KEY_BYTES = 16;
export const VALUE_BYTES = 100;

/** A seeded generator (mulberry32): 32 random bits a call. rocksdb/data.h has the same. */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

export function writeDigits(target, at, number) {
  let rest = number;
  for (let i = KEY_BYTES - 1; i >= 4; i--) {
    target[at + i] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

const PREFIX = Buffer.from('user');

/** `user` and 12 digits of `number`. Of Node's pool: `fill` would give each an ArrayBuffer, for the meters of memory and of the loop to find. */
export function keyOf(number) {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  for (let i = 0; i < PREFIX.length; i++) key[i] = PREFIX[i];
  writeDigits(key, 0, number);
  return key;
}

function makeKeys(count) {
  const random = generator(1);
  const numbers = new Float64Array(count);
  // Even numbers only: a key plus one is surely missing and lies amid the others.
  for (let i = 0; i < count; i++)
    numbers[i] = 2 * Math.floor(((random() * 2 ** 21 + (random() >>> 11)) / 2 ** 53) * 5e11);
  numbers.sort();
  for (let i = 1; i < count; i++) if (numbers[i] <= numbers[i - 1]) numbers[i] = numbers[i - 1] + 2;
  const keys = Buffer.alloc(count * KEY_BYTES, 'user');
  for (let i = 0; i < count; i++) writeDigits(keys, i * KEY_BYTES, numbers[i]);
  return keys;
}

export function makeValues(count, valueBytes = VALUE_BYTES) {
  const random = generator(2);
  const half = valueBytes / 2;
  const values = Buffer.alloc(count * valueBytes);
  for (let at = 0; at < values.length; at += valueBytes) {
    for (let i = 0; i < half; i++) values[at + i] = random();
    values.copyWithin(at + half, at, at + half);
  }
  return values;
}

/** Writes DIR/keys.bin and DIR/values.bin unless they are there. */
export function writeData(dir, count) {
  if (existsSync(join(dir, 'values.bin'))) return;
  writeFileSync(join(dir, 'keys.bin'), makeKeys(count));
  writeFileSync(join(dir, 'values.bin'), makeValues(count));
}

export const readKeys = (dir) => readFileSync(join(dir, 'keys.bin'));
export const readValues = (dir) => readFileSync(join(dir, 'values.bin'));

/** Entry i of a flat file. */
export const slices = (bytes, width) => (i) => bytes.subarray(i * width, (i + 1) * width);
