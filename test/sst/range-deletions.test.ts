/** The block of range deletions: what RocksDB wrote is read; what nobody could have meant is refused by name. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { putFixed32 } from '../../src/base/codec.ts';
import { SluiceError } from '../../src/base/errors.ts';
import { checkTable } from '../../src/sst/check-table.ts';
import { heapOf } from '../../src/sst/heap.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { tableAt } from './written-table.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/rocksdb/ranges/', import.meta.url));

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

async function spansOf(path: string): Promise<string[]> {
  const table = tableAt(path);
  try {
    const { rangeTombstones } = await checkTable(table, { verify: 'blocks', external: true });
    for (const { from, to } of rangeTombstones) {
      if (to === undefined || compareBytes(from, to) > 0) throw new Error('a range ends before it begins');
    }
    return rangeTombstones.map(({ from, to, version }) => `${text(from)}-${text(to)}@${version}`);
  } finally {
    table.dispose();
  }
}

test('bounds and counts of a file include them', () => {
  const both = tableAt(`${FIXTURES}ranges.sst`);
  expect(both.facts).toMatchObject({ entries: 7, deletes: 1, rangeDeletes: 5 });
  expect([text(both.facts.smallest), text(both.facts.largest)]).toEqual(['key00050', 'key00500']);
  both.dispose();
  const only = tableAt(`${FIXTURES}ranges-only.sst`);
  expect(only.facts).toMatchObject({ entries: 0, deletes: 0, rangeDeletes: 1, blocks: 0 });
  expect([text(only.facts.smallest), text(only.facts.largest)]).toEqual(['key00600', 'key00650']);
  only.dispose();
});

test('they are read as RocksDB wrote them', async () => {
  expect(await spansOf(`${FIXTURES}ranges.sst`)).toEqual([
    'key00100-key00200@0',
    'key00150-key00300@0',
    'key00300-key00310@0',
    'key00400-key00500@0',
    'key00410-key00420@0',
  ]);
  expect(await spansOf(`${FIXTURES}ranges-only.sst`)).toEqual(['key00600-key00650@0']);
});

/** The file with its block of range deletions changed, and the checksum (XXH3) mended. */
function changed(path: string, change: (block: Buffer) => void): string {
  const bytes = readFileSync(`${FIXTURES}ranges.sst`);
  const table = tableAt(`${FIXTURES}ranges.sst`);
  const state = table.openSync();
  const handle = state.metaBlocks.get('rocksdb.range_del');
  const { checksumType } = state;
  table.dispose();
  if (handle === undefined) throw new Error('no range deletions');
  const block = bytes.subarray(handle.offset, handle.offset + handle.bytes + 5);
  change(block.subarray(0, handle.bytes));
  const sum = heapOf(Uint8Array.from(block)).kernels.blockChecksum(checksumType, 0, handle.bytes);
  putFixed32(block, handle.bytes + 1, sum);
  writeFileSync(path, bytes);
  return path;
}

async function refusal(path: string): Promise<string> {
  try {
    return (await spansOf(path)).join();
  } catch (error) {
    if (error instanceof SluiceError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

test('a range that ends before it begins, a version, another type', async () => {
  const path = join(temporaryDirectory(), 'a.sst');
  const swap = (from: string, to: string) => (block: Buffer) => {
    block.write(to, block.indexOf(from));
  };
  expect(await refusal(changed(path, swap('key00300', 'key00049')))).toMatch(
    /CORRUPTION: .*before it begins/,
  );
  const trailer = (block: Buffer): number => block.indexOf('key00100') + 8;
  const version = (block: Buffer): void => void block.writeUInt8(7, trailer(block) + 1);
  expect(await refusal(changed(path, version))).toMatch(/UNSUPPORTED_FORMAT: .*has version 7/);
  const type = (block: Buffer): void => void block.writeUInt8(1, trailer(block));
  expect(await refusal(changed(path, type))).toMatch(/CORRUPTION: .*an entry is none/);
});

test('any bytes changed, checksums mended: a typed error or ranges that are some', async () => {
  const path = join(temporaryDirectory(), 'a.sst');
  const edit = fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 }));
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async (edits) => {
      changed(path, (block) => {
        for (const [at, byte] of edits) block[at % block.length] = byte;
      });
      expect(await refusal(path)).toMatch(/^(CORRUPTION|UNSUPPORTED_FORMAT|INVALID_KEY): |@0$/);
    }),
    { numRuns: 300 },
  );
});
