/**
 * The range deletions of a table: block "rocksdb.range_del" of the metaindex, as RocksDB writes it.
 *
 *   entry = internal key (first user key, version << 8 | 15) → the user key at which the range ends, which stays
 *
 * In no certain order, and they may overlap. They hide what is older; the points of a file made for ingesting have the
 * same version 0, so its points stand.
 */

import { compareBytes } from '../base/bytes.ts';
import { SluiceError } from '../base/errors.ts';
import { KEY_BYTES_MAX, TRAILER_BYTES, trailerVersion } from '../mvcc/internal-key.ts';
import type { RangeTombstone } from '../mvcc/range-tombstones.ts';
import { readOwnRaw } from './block-cache.ts';
import { forEachMetaEntry } from './block-entries.ts';
import { BLOCK_TRAILER_BYTES } from './checksum.ts';
import { META_RANGE_DELETIONS, TYPE_RANGE_DELETE } from './format.ts';
import type { TableState } from './table-state.ts';

/** Reads by pread. @throws SluiceError CORRUPTION, CHECKSUM_MISMATCH, INVALID_KEY */
export function readRangeDeletions(state: TableState): RangeTombstone[] {
  const handle = state.metaBlocks.get(META_RANGE_DELETIONS);
  const { path, facts } = state;
  if (handle === undefined) {
    if (facts.rangeDeletes === 0) return [];
    const message = `${path}: its ${facts.rangeDeletes} range deletions are not where the metaindex would name them`;
    throw new SluiceError('CORRUPTION', message);
  }
  const { offset } = handle;
  const disk = new Uint8Array(handle.bytes + BLOCK_TRAILER_BYTES);
  if (state.file.readSync(disk, 0, disk.length, offset) !== disk.length) {
    throw new SluiceError('CORRUPTION', `${path}: the file ends within the range deletions at ${offset}`);
  }
  const raw = readOwnRaw(disk, handle.bytes, state, offset);
  const tombstones: RangeTombstone[] = [];
  let keyBytes = 0;
  forEachMetaEntry(raw.bytes, raw.start, raw.length, { path, offset }, (key, to) => {
    // Keys are whole in this block: what claims to share beginnings could grow without end.
    keyBytes += key.length;
    if (keyBytes > raw.length) throw damaged(path, offset, 'its keys are longer than the block');
    tombstones.push(tombstoneOf(Buffer.from(key, 'latin1'), to.slice(), path, offset));
  });
  if (facts.rangeDeletes !== tombstones.length)
    throw damaged(path, offset, `it holds ${tombstones.length}, the properties say ${facts.rangeDeletes}`);
  return tombstones;
}

function tombstoneOf(key: Uint8Array, to: Uint8Array, path: string, offset: number): RangeTombstone {
  const length = key.length - TRAILER_BYTES;
  if (length < 0 || key[length] !== TYPE_RANGE_DELETE) throw damaged(path, offset, 'an entry is none');
  const from = Uint8Array.from(key.subarray(0, length));
  if (Math.max(length, to.length) > KEY_BYTES_MAX) {
    throw new SluiceError(
      'INVALID_KEY',
      `${path}: a range deletion has an end of over ${KEY_BYTES_MAX} bytes`,
    );
  }
  if (compareBytes(from, to) > 0) throw damaged(path, offset, 'one ends before it begins');
  return { from, to, version: trailerVersion(key, length) };
}

function damaged(path: string, offset: number, what: string): SluiceError {
  return new SluiceError('CORRUPTION', `${path}: the block of range deletions at offset ${offset}: ${what}`);
}
