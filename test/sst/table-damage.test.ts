/** A damaged or hostile file gives a typed error or right data: never a crash, a hang or a wrong answer. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { putFixed32 } from '../../src/base/codec.ts';
import { type ErrorCode, isSluiceError, SluiceError } from '../../src/base/errors.ts';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { MAX_VERSION, versionOf } from '../../src/mvcc/version.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { checkTable } from '../../src/sst/check-table.ts';
import { heapOf } from '../../src/sst/heap.ts';
import type { Table } from '../../src/sst/table.ts';
import { ensureZstd } from '../../src/sst/zstd.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { compareEntries, type Entry, show, showCursor } from '../mvcc/entries.ts';
import { tableAt, writeTable } from './written-table.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/rocksdb/', import.meta.url));

beforeAll(() => ensureZstd());

function smallEntries(): Entry[] {
  const entries: Entry[] = [];
  for (let i = 0; i < 24; i++) {
    const key = Buffer.from(`key${String(i * 3).padStart(4, '0')}`);
    entries.push({
      key,
      version: versionOf(0),
      type: i % 7 === 0 ? 0 : 1,
      value: Buffer.from(i % 7 ? 'v'.repeat(i) : ''),
    });
  }
  return entries.sort(compareEntries);
}

/** All entries both ways and by get; throws what the reader throws. */
function readAll(table: Table, keys: readonly Uint8Array[]): string[] {
  const cursor = table.cursor(undefined);
  const all: string[] = [];
  try {
    while (cursor.first() === PENDING) cursor.loadSync();
    for (let n = 0; cursor.valid; n++) {
      if (n > 100_000) throw new Error('endless');
      all.push(showCursor(cursor));
      while (cursor.next() === PENDING) cursor.loadSync();
    }
    while (cursor.last() === PENDING) cursor.loadSync();
    let left = all.length;
    while (cursor.valid) {
      if (showCursor(cursor) !== all[--left]) throw new Error('backward differs');
      while (cursor.prev() === PENDING) cursor.loadSync();
    }
  } finally {
    cursor.close();
  }
  const probe = new Probe();
  for (const key of keys) {
    probe.reset(key, 0, key.length, MAX_VERSION);
    while (table.get(probe, undefined) === PENDING) table.loadSync(probe);
    if (!probe.found) throw new Error('a key is lost');
  }
  return all;
}

const cache = new BlockCache(1 << 20);

function attempt(path: string, entries: readonly Entry[]): string[] | SluiceError {
  const table = tableAt(path, cache);
  try {
    return readAll(
      table,
      entries.map((e) => e.key),
    );
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  } finally {
    table.dispose();
  }
}

describe('a small table', () => {
  test.each(['none', 'lz4', 'snappy', 'zstd'] as const)('with any byte changed (%s)', async (compression) => {
    const directory = temporaryDirectory();
    const path = join(directory, 'a.sst');
    const entries = smallEntries();
    writeTable(path, entries, { compression, blockBytes: 200, external: true });
    const original = readFileSync(path);
    const right = entries.map(show);
    expect(attempt(path, entries)).toEqual(right);
    let errors = 0;
    for (let at = 0; at < original.length; at++) {
      const damaged = Buffer.from(original);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      writeFileSync(path, damaged);
      const outcome = attempt(path, entries);
      if (outcome instanceof SluiceError) errors++;
      else expect(outcome).toEqual(right);
    }
    // All but the padding of the footer is covered by a checksum or has one value only.
    expect(errors).toBeGreaterThan(original.length - 45);
    // Failed or not, nothing is left counted or held.
    expect(cache.stats()).toMatchObject({ metadataBytes: 0, heldBytes: 0, heldBlocks: 0 });
  });

  test('cut off at any length', () => {
    const path = join(temporaryDirectory(), 'a.sst');
    const entries = smallEntries();
    writeTable(path, entries, { compression: 'none', blockBytes: 200 });
    const original = readFileSync(path);
    for (let length = 0; length < original.length; length++) {
      writeFileSync(path, original.subarray(0, length));
      expect(isSluiceError(attempt(path, entries), 'CORRUPTION')).toBe(true);
    }
  });

  test('without checksums: any bytes changed never crash nor hang', async () => {
    const path = join(temporaryDirectory(), 'a.sst');
    const entries = smallEntries();
    for (const compression of ['none', 'lz4', 'snappy', 'zstd'] as const) {
      writeTable(path, entries, { compression, blockBytes: 200, checksum: 'none' });
      const original = readFileSync(path);
      const change = fc.tuple(fc.nat(original.length - 1), fc.integer({ min: 0, max: 255 }));
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
          const damaged = Buffer.from(original);
          for (const [at, byte] of changes) damaged[at] = byte;
          writeFileSync(path, damaged);
          const table = tableAt(path, cache);
          try {
            readAll(table, []);
            await checkTable(table, { verify: 'blocks', external: false });
          } catch (error) {
            if (!(error instanceof SluiceError)) throw error;
          } finally {
            table.dispose();
          }
        }),
        { numRuns: 400 },
      );
    }
  });
});

describe('files that are no tables we read', () => {
  const refused: [string, (bytes: Buffer) => Buffer, ErrorCode, RegExp][] = [
    ['empty', () => Buffer.alloc(0), 'CORRUPTION', /not an SST file/],
    [
      'text',
      () => Buffer.from('hello, world, this is a text file\n'.repeat(9)),
      'CORRUPTION',
      /not an SST file/,
    ],
    [
      'a plain table',
      (b) => Buffer.concat([b.subarray(0, -8), Buffer.from('2ad5d5f5f0ab7a8a', 'hex')]),
      'CORRUPTION',
      /not an SST file/,
    ],
    [
      'the legacy magic',
      (b) => Buffer.concat([b.subarray(0, -8), Buffer.from('57fb808b247547db', 'hex')]),
      'UNSUPPORTED_FORMAT',
      /legacy/,
    ],
    [
      'a newer format version',
      (b) => {
        const c = Buffer.from(b);
        putFixed32(c, c.length - 12, 8);
        return c;
      },
      'UNSUPPORTED_FORMAT',
      /format_version 8/,
    ],
    [
      'an unknown checksum type',
      (b) => {
        const c = Buffer.from(b);
        c[c.length - 53] = 9;
        return c;
      },
      'UNSUPPORTED_FORMAT',
      /checksum type 9/,
    ],
  ];
  test.each(refused)('%s', (_name, change, code, message) => {
    const path = join(temporaryDirectory(), 'a.sst');
    writeFileSync(path, change(readFileSync(`${FIXTURES}v7.8/v_base.sst`)));
    const outcome = attempt(path, []);
    expect(isSluiceError(outcome, code)).toBe(true);
    expect(String(outcome)).toMatch(message);
  });

  test('unknown feature bits in the footer', () => {
    const path = join(temporaryDirectory(), 'a.sst');
    const bytes = Buffer.from(readFileSync(`${FIXTURES}v11.8/v_fv6_crc32c.sst`));
    const footer = bytes.subarray(-53);
    footer[20] = 1;
    expect(isSluiceError(write(path, bytes), 'CHECKSUM_MISMATCH')).toBe(true);
    footer[0] = 0;
    const outcome = write(path, bytes);
    expect(isSluiceError(outcome, 'UNSUPPORTED_FORMAT')).toBe(true);
    expect(String(outcome)).toMatch(/feature bits/);
  });

  function write(path: string, bytes: Buffer): string[] | SluiceError {
    writeFileSync(path, bytes);
    return attempt(path, []);
  }
});

/** Replaces bytes in the properties block and mends its checksum (XXH3 files). */
function patchProperties(path: string, from: Uint8Array, to: Uint8Array): void {
  const bytes = readFileSync(path);
  const table = tableAt(path);
  const handle = table.openSync().metaBlocks.get('rocksdb.properties');
  table.dispose();
  if (handle === undefined) throw new Error('no properties');
  const block = bytes.subarray(handle.offset, handle.offset + handle.bytes + 5);
  const at = block.indexOf(from);
  if (at < 0 || from.length !== to.length) throw new Error('nothing to patch');
  block.set(to, at);
  putFixed32(
    block,
    handle.bytes + 1,
    heapOf(Uint8Array.from(block)).kernels.blockChecksum(4, 0, handle.bytes),
  );
  writeFileSync(path, bytes);
}

describe('properties that would be read wrongly', () => {
  test.each([
    ['leveldb.BytewiseComparator', 'leveldb.XytewiseComparator', 'COMPARATOR_MISMATCH', /XytewiseComparator/],
    ['leveldb.BytewiseComparator', 'rocksdb.ReverseBytewise123', 'COMPARATOR_MISMATCH', /ReverseBytewise/],
  ] as const)('%s → %s', (from, to, code, message) => {
    const path = join(temporaryDirectory(), 'a.sst');
    writeTable(path, smallEntries());
    patchProperties(path, Buffer.from(from), Buffer.from(to));
    const outcome = attempt(path, []);
    expect(isSluiceError(outcome, code)).toBe(true);
    expect(String(outcome)).toMatch(message);
  });

  test('an unknown index type', () => {
    const path = join(temporaryDirectory(), 'a.sst');
    writeTable(path, smallEntries());
    const name = Buffer.from('rocksdb.block.based.table.index.type');
    patchProperties(
      path,
      Buffer.concat([name, Buffer.alloc(4)]),
      Buffer.concat([name, Buffer.of(9, 0, 0, 0)]),
    );
    const outcome = attempt(path, []);
    expect(isSluiceError(outcome, 'UNSUPPORTED_FORMAT')).toBe(true);
    expect(String(outcome)).toMatch(/index type 9/);
  });

  test('a global seqno that RocksDB wrote in place, without mending the checksum, is read', () => {
    const path = join(temporaryDirectory(), 'a.sst');
    const entries = smallEntries();
    writeTable(path, entries, { external: true });
    const bytes = readFileSync(path);
    // Shared prefix: the key is cut, its end and value are there.
    const at = bytes.indexOf('global_seqno') + 'global_seqno'.length;
    bytes[at] = 42;
    writeFileSync(path, bytes);
    const table = tableAt(path);
    expect(table.openSync().facts.globalSeqno).toBe(42);
    table.dispose();
    bytes[at + 60] = (bytes[at + 60] as number) ^ 1;
    writeFileSync(path, bytes);
    expect(isSluiceError(attempt(path, entries), 'CHECKSUM_MISMATCH')).toBe(true);
  });
});
