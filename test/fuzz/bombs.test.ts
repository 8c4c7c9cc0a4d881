/**
 * Compression bombs: blocks that claim, or hold, far more than they should, signed. Each is refused, in a process of its own
 * whose memory is looked at, before much is allocated. What is large and honest is read.
 */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { open, SstWriter } from '../../src/index.ts';
import { OtherProcess } from '../base/child.ts';
import { memoryDirectory } from '../base/database.ts';
import type { Tried } from './bomb-child.ts';
import { varint } from './hostile-table.ts';
import { STREAMS } from './streams.ts';

const MEBI = 2 ** 20;
/** Of one input. */
const GROWN_BYTES_MAX = 256 * MEBI;
/** Of what takes a second here: bounded it is also where the machine is slow, or busy. */
const MS_MAX = 60_000;
const CODES = ['CORRUPTION', 'UNSUPPORTED_FORMAT'];

let child: OtherProcess;
beforeAll(() => {
  child = new OtherProcess(new URL('./bomb-child.ts', import.meta.url));
});
afterAll(() => child.kill());

/** What comes of reading a table with the block in the place of another. */
async function tried(where: string, type: number, ...parts: Uint8Array[]): Promise<Tried> {
  const block = Buffer.concat(parts);
  return (await child.ask('try', where, type, block.toString('base64'))) as Tried;
}

const kinds = Object.entries(STREAMS).map(([name, stream]) => ({ name, ...stream }));

describe.each(kinds)('$name', ({ type, compress }) => {
  const raw = 4 * MEBI;
  const claims = [2 ** 32 - 1, 2 ** 31, 2 ** 30 + 2 ** 27, 2 ** 30, raw + 1, raw, raw - 1, 1000, 0];

  test.each(['data', 'index', 'filter', 'properties', 'metaindex'])('in place of %s', async (where) => {
    const stream = compress(Buffer.alloc(raw));
    for (const claimed of claims) {
      const what = `${claimed} bytes claimed`;
      const { code, grownBytes, ms } = await tried(where, type, varint(claimed), stream);
      // A filter that we do not know is left alone.
      const allowed = where === 'filter' && claimed === raw ? [...CODES, 'ok'] : CODES;
      expect(allowed, what).toContain(code);
      expect(grownBytes, what).toBeLessThan(GROWN_BYTES_MAX);
      expect(ms, what).toBeLessThan(MS_MAX);
    }
  });

  test('that holds what it claims, a quarter of a gigabyte', async () => {
    const stream = compress(Buffer.alloc(256 * MEBI));
    const { code, grownBytes, ms } = await tried('data', type, varint(256 * MEBI), stream);
    expect(code).toBe('UNSUPPORTED_FORMAT');
    expect(grownBytes).toBeLessThan(GROWN_BYTES_MAX);
    expect(ms).toBeLessThan(MS_MAX);
  });
});

test.each(['lz4', 'snappy', 'zstd'] as const)(
  'our own writer makes none of a large value that %s would shrink away',
  async (compression) => {
    const dir = memoryDirectory();
    const path = join(dir, 'large.sst');
    const value = Buffer.alloc(40 * MEBI, 'x');
    const writer = new SstWriter(path, { compression });
    writer.put(Buffer.from('k'), value);
    expect((await writer.finish()).bytes).toBeGreaterThan(value.length);
    await using db = await open(join(dir, 'db'));
    await db.ingest(path);
    expect(value.equals((await db.get(Buffer.from('k'))) ?? Buffer.of())).toBe(true);
  },
);
