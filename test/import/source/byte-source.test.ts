/** Sources of files: whole, from any offset, compressed and damaged. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../../src/base/env/node-env.ts';
import { makeSource } from '../../../src/import/source/make-source.ts';
import type { SourceCompression } from '../../../src/import-options.ts';
import { SeededRandom } from '../../base/seeded-random.ts';
import { temporaryDirectory } from '../../base/temporary-directory.ts';

const { gzipSync } = zlib;
const signal = new AbortController().signal;

function fileOf(name: string, bytes: Uint8Array, compression: SourceCompression = 'auto') {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, bytes);
  return makeSource({ kind: 'file', path, compression }, nodeEnv);
}

async function all(source: ReturnType<typeof fileOf>, from = 0): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source.read(from, signal)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Of several chunks, and not to be compressed to nothing. */
const random = new SeededRandom(7);
const bytes = Buffer.from(Array.from({ length: 40_000 }, () => `${random.hex(16)}\n`).join(''));

describe('a plain file', () => {
  test('is read from any offset', async () => {
    const source = fileOf('a.csv', bytes);
    expect(source.file?.path).toBe(source.name);
    expect(source.storedBytes).toBe(bytes.length);
    for (const from of [0, 1, 524_287, 524_288, 524_289, bytes.length - 1, bytes.length, bytes.length + 5]) {
      expect((await all(source, from)).equals(bytes.subarray(from))).toBe(true);
    }
    expect(source.takenBytes).toBe(bytes.length + 5);
  });

  test('that is not there is told', () => {
    const spec = { kind: 'file', path: join(temporaryDirectory(), 'no.csv'), compression: 'auto' } as const;
    expect(() => makeSource(spec, nodeEnv)).toThrow(expect.objectContaining({ code: 'FILE_NOT_FOUND' }));
  });

  test('stops at an abort', async () => {
    const ending = new AbortController();
    const source = fileOf('a.csv', bytes);
    const reading = async () => {
      for await (const chunk of source.read(0, ending.signal)) if (chunk.length > 0) ending.abort();
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('a gzip file', () => {
  const members = Buffer.concat([
    gzipSync(bytes.subarray(0, 300_000)),
    gzipSync(bytes.subarray(300_000, 300_000)),
    gzipSync(bytes.subarray(300_000)),
  ]);

  test('is told by its content and has as many members as it likes', async () => {
    for (const name of ['a.csv.gz', 'a.csv']) {
      const source = fileOf(name, members);
      expect(source.file).toBe(undefined);
      for (const from of [0, 1, 299_999, 300_000, 300_001, bytes.length]) {
        expect((await all(source, from)).equals(bytes.subarray(from))).toBe(true);
      }
      expect(source.takenBytes).toBe(members.length);
    }
  });

  test('has members that end where a chunk does, and zeros behind them', async () => {
    const small = bytes.subarray(0, 1000);
    const packed = gzipSync(small);
    const stream = (...chunks: Uint8Array[]) => {
      const feed = async function* (): AsyncIterable<Uint8Array> {
        yield* chunks;
      };
      return makeSource({ kind: 'fed', name: 'fed', compression: 'auto' }, nodeEnv, { fed: feed() });
    };
    const zeros = new Uint8Array(700);
    expect(await all(stream(packed, packed))).toEqual(Buffer.concat([small, small]));
    for (let cut = 1; cut < packed.length + 5; cut += 11) {
      const twice = Buffer.concat([packed, packed]);
      const cuts = stream(twice.subarray(0, cut), twice.subarray(cut));
      expect(await all(cuts)).toEqual(Buffer.concat([small, small]));
    }
    expect(await all(stream(packed, zeros, zeros))).toEqual(small);
    expect(await all(stream(Buffer.concat([packed, zeros]), zeros))).toEqual(small);
    for (const garbage of [Buffer.from('garbage'), Buffer.concat([zeros, Buffer.from('garbage')])]) {
      await expect(all(stream(packed, garbage))).rejects.toMatchObject({ code: 'BAD_INPUT' });
      await expect(all(stream(Buffer.concat([packed, garbage])))).rejects.toMatchObject({
        code: 'BAD_INPUT',
      });
    }
  });

  test('cut short anywhere names itself and how far it was good', async () => {
    const small = gzipSync(bytes.subarray(0, 2000));
    for (let length = 2; length < small.length; length += 13) {
      const source = fileOf('cut.gz', small.subarray(0, length));
      await expect(all(source)).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringMatching(/cut\.gz is cut short: .* good for \d+ bytes, of the first \d+ bytes/),
      });
    }
  });

  test('with a flipped bit is damaged, or its bytes are the same', async () => {
    const small = gzipSync(bytes.subarray(0, 2000));
    let damaged = 0;
    for (let at = 0; at < small.length; at += 7) {
      const copy = Buffer.from(small);
      copy[at] = (copy[at] as number) ^ 4;
      const source = fileOf('bad.gz', copy, 'gzip');
      const outcome = await all(source).catch((error: unknown) => error);
      if (Buffer.isBuffer(outcome)) expect(outcome.equals(bytes.subarray(0, 2000))).toBe(true);
      else {
        expect(outcome).toMatchObject({ code: 'BAD_INPUT' });
        damaged++;
      }
    }
    expect(damaged).toBeGreaterThan(100);
  });

  test('that is none is told, unless it is said to be none', async () => {
    const path = /x\.gz does not begin as a \.gz file does/;
    expect(() => fileOf('x.gz', bytes)).toThrow(path);
    expect(() => fileOf('x.gz', Buffer.alloc(0))).toThrow(path);
    expect((await all(fileOf('x.gz', bytes, 'none'))).equals(bytes)).toBe(true);
  });

  test('that changed behind a position is told', async () => {
    await expect(all(fileOf('a.gz', members), bytes.length + 1)).rejects.toThrow(/has changed/);
  });

  test('whose reader goes away is let go', async () => {
    for await (const chunk of fileOf('a.gz', members).read(0, signal)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  });

  test('of a thousand times its size takes no more memory than another', async () => {
    const bomb = gzipSync(Buffer.alloc(256 << 20));
    expect(bomb.length).toBeLessThan(400_000);
    const before = process.memoryUsage().rss;
    let [total, most] = [0, 0];
    for await (const chunk of fileOf('bomb.gz', bomb).read(0, signal)) {
      total += chunk.length;
      most = Math.max(most, process.memoryUsage().rss - before);
    }
    expect(total).toBe(256 << 20);
    expect(most).toBeLessThan(192 << 20);
  });
});

interface NativeZstd {
  zstdCompressSync?(bytes: Uint8Array): Buffer;
}

test('a zstd file is read where Node has zstd, frame by frame, and is told as unsupported elsewhere', async () => {
  const { zstdCompressSync } = zlib as NativeZstd;
  if (zstdCompressSync === undefined) {
    const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]);
    await expect(all(fileOf('a.csv.zst', magic))).rejects.toMatchObject({
      code: 'UNSUPPORTED_FORMAT',
      message: expect.stringMatching(/a\.csv\.zst is compressed with zstd, which Node reads from 22\.15 on/),
    });
    return;
  }
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
  const frames = [bytes.subarray(0, 300_000), bytes.subarray(300_000)].map((part) => zstdCompressSync(part));
  const file = Buffer.concat([skippable, ...frames, skippable]);
  const source = fileOf('a.csv.zst', file);
  for (const from of [0, 299_999, 300_000, bytes.length]) {
    expect((await all(source, from)).equals(bytes.subarray(from))).toBe(true);
  }
  const fed = async function* (): AsyncIterable<Uint8Array> {
    yield* frames;
  };
  const stream = makeSource({ kind: 'fed', name: 'fed', compression: 'auto' }, nodeEnv, { fed: fed() });
  expect((await all(stream)).equals(bytes)).toBe(true);
  await expect(all(fileOf('cut.zst', file.subarray(0, file.length - 20)))).rejects.toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringMatching(/cut\.zst is cut short/),
  });
});
