/**
 * The properties block that we write: what RocksDB wants of an external file (without external_sst_file.version,
 * global_seqno, num.entries or the two index flags it refuses or misreads one) and what its tools show.
 *
 * Integers are varints; index.type and external_sst_file.version fixed32; global_seqno fixed64; two flags "0" or "1".
 */

import { BlockBuilder, varintBytes } from './block-builder.ts';
import {
  COMPARATOR,
  FORMAT_VERSION_WRITTEN,
  PROPERTY_EXTERNAL_VERSION,
  PROPERTY_GLOBAL_SEQNO,
  PROPERTY_OWN,
  UNKNOWN_COLUMN_FAMILY,
} from './format.ts';

export interface WrittenProperties {
  readonly external: boolean;
  readonly compression: 'none' | 'lz4' | 'snappy' | 'zstd';
  readonly dbId: string;
  readonly createdSeconds: number;
  readonly blocks: number;
  /** Data blocks with trailers; likewise `indexBytes`, but not `filterBytes`. */
  readonly dataBytes: number;
  readonly indexBytes: number;
  readonly filterBytes: number;
  readonly entries: number;
  readonly deletes: number;
  readonly filterKeys: number;
  readonly indexUserKeys: boolean;
  readonly rawKeyBytes: number;
  readonly rawValueBytes: number;
}

const ROCKSDB_NAMES = { none: 'NoCompression', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' } as const;
const UNKNOWN_TIME = 0;

export function encodeProperties(p: WrittenProperties): Uint8Array {
  const all = new Map<string, Uint8Array>();
  const text = (name: string, value: string): unknown => all.set(name, Buffer.from(value));
  const number = (name: string, value: number): unknown => all.set(name, varintBytes(value));
  all.set('rocksdb.block.based.table.index.type', new Uint8Array(4));
  text('rocksdb.block.based.table.prefix.filtering', '0');
  text('rocksdb.block.based.table.whole.key.filtering', '1');
  number('rocksdb.column.family.id', UNKNOWN_COLUMN_FAMILY);
  text('rocksdb.comparator', COMPARATOR);
  text('rocksdb.compression', ROCKSDB_NAMES[p.compression]);
  text('rocksdb.creating.db.identity', p.dbId === '' ? 'SluiceDB' : p.dbId);
  number('rocksdb.creation.time', p.createdSeconds);
  number('rocksdb.data.size', p.dataBytes);
  number('rocksdb.deleted.keys', p.deletes);
  if (p.external) {
    all.set(PROPERTY_EXTERNAL_VERSION, Uint8Array.of(2, 0, 0, 0));
    all.set(PROPERTY_GLOBAL_SEQNO, new Uint8Array(8));
  }
  if (p.filterBytes > 0) text('rocksdb.filter.policy', 'bloomfilter');
  number('rocksdb.filter.size', p.filterBytes);
  number('rocksdb.fixed.key.length', 0);
  number('rocksdb.format.version', 0);
  number('rocksdb.index.key.is.user.key', p.indexUserKeys ? 1 : 0);
  number('rocksdb.index.size', p.indexBytes);
  number('rocksdb.index.value.is.delta.encoded', 1);
  number('rocksdb.merge.operands', 0);
  text('rocksdb.merge.operator', 'nullptr');
  number('rocksdb.num.data.blocks', p.blocks);
  number('rocksdb.num.entries', p.entries);
  number('rocksdb.num.filter_entries', p.filterKeys);
  number('rocksdb.num.range-deletions', 0);
  number('rocksdb.oldest.key.time', UNKNOWN_TIME);
  number('rocksdb.original.file.number', 1);
  text('rocksdb.prefix.extractor.name', 'nullptr');
  text('rocksdb.property.collectors', '[]');
  number('rocksdb.raw.key.size', p.rawKeyBytes);
  number('rocksdb.raw.value.size', p.rawValueBytes);
  number(PROPERTY_OWN, FORMAT_VERSION_WRITTEN);

  // One restart for the whole block.
  const block = new BlockBuilder(Number.MAX_SAFE_INTEGER);
  const names = [...all.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    const value = all.get(name);
    if (value !== undefined) block.add(Buffer.from(name), value);
  }
  return block.finish();
}
