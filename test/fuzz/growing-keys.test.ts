/** Keys that repeat the one before let a file of some hundred kilobytes name gigabytes of them: told, not decoded. */

import { expect, test } from 'vitest';
import { putFixed32 } from '../../src/base/codec.ts';
import { Dice } from './dice.ts';
import { varint, writeHostile } from './hostile-table.ts';
import { suiteOf } from './suites.ts';

/** Each entry's key is the one before and a byte. `values`: handles of empty blocks, one behind the other. */
function growing(count: number, values: boolean): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const key = Buffer.alloc(i === 0 ? 9 : 1, 97);
    const value = values ? varint(i * 5, 0) : new Uint8Array(0);
    parts.push(varint(i === 0 ? 0 : i + 8, key.length, value.length), key, value);
  }
  const tail = new Uint8Array(8);
  putFixed32(tail, 4, 1);
  return Buffer.concat([...parts, tail]);
}

const table = {
  entries: [{ key: Buffer.from('a'), version: 0, type: 1, value: Buffer.alloc(200_000) }],
  ranges: [],
};

test.each([
  ['an index', 'index', growing(100_000, true)],
  ['properties', 'properties', growing(100_000, false)],
  ['a metaindex', 'metaindex', growing(100_000, false)],
])('in %s', async (_, name, bytes) => {
  const lies = {
    stored(block: { readonly name: string; bytes: Uint8Array; type: number }) {
      if (block.name !== name) return;
      block.bytes = bytes;
      block.type = 0;
    },
  };
  const file = writeHostile(table, lies, new Dice(3));
  const started = process.cpuUsage().user;
  expect(await suiteOf('table').attempt(file)).toBe('CORRUPTION');
  // To decode all of it takes minutes, and what may be decoded of it a second or two.
  expect((process.cpuUsage().user - started) / 1e6).toBeLessThan(60);
});
