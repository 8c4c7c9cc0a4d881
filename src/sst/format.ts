/**
 * RocksDB's block-based table format: the numbers and names that reader and writer share.
 *
 *   data blocks | filter | index | [compression dictionary] | [range deletions] | properties | metaindex | footer
 *
 * Each block is followed by a trailer of 5 bytes: compression type, then u32 checksum over block and type.
 * Written: format_version 5. Read: 2 to 7.
 */

export const FOOTER_BYTES = 53;

export const FORMAT_VERSION_MIN = 2;
export const FORMAT_VERSION_MAX = 7;
export const FORMAT_VERSION_WRITTEN = 5;

/** Block-based table; the two halves of 0x88e241b785f4cff7, little-endian at the very end of the file. */
export const MAGIC_LOW = 0x85f4cff7;
export const MAGIC_HIGH = 0x88e241b7;
/** Block-based table of format_version 0, from before RocksDB 3: 0xdb4775248b80fb57. */
export const LEGACY_MAGIC_LOW = 0x8b80fb57;
export const LEGACY_MAGIC_HIGH = 0xdb477524;

export const COMPARATOR = 'leveldb.BytewiseComparator';
/** "No particular column family": what external files carry. */
export const UNKNOWN_COLUMN_FAMILY = 0x7fffffff;

export const CHECKSUM_NAMES = ['none', 'crc32c', 'xxhash', 'xxhash64', 'xxh3'] as const;
export type ChecksumName = (typeof CHECKSUM_NAMES)[number];

export const INDEX_BINARY_SEARCH = 0;
export const INDEX_HASH_SEARCH = 1;
export const INDEX_TWO_LEVEL = 2;
export const INDEX_FIRST_KEY = 3;

/** RocksDB's entry types by number, for refusals that name what was found. */
export function entryTypeName(type: number): string {
  const names: Record<number, string> = {
    0: 'delete',
    1: 'value',
    2: 'merge operand',
    3: 'log data',
    7: 'single delete',
    15: 'range delete',
    17: 'blob index',
    20: 'delete with timestamp',
    22: 'wide-column entity',
    23: 'preferred-seqno value',
  };
  return names[type] ?? `entry of unknown type ${type}`;
}

export const META_PROPERTIES = 'rocksdb.properties';
export const META_INDEX = 'rocksdb.index';
export const META_RANGE_DELETIONS = 'rocksdb.range_del';
/** RocksDB's kTypeRangeDeletion: of entries in that block only. */
export const TYPE_RANGE_DELETE = 15;
export const META_DICTIONARY = 'rocksdb.compression_dict';
export const META_FULL_FILTER = 'fullfilter.';
export const META_FILTER_WRITTEN = 'fullfilter.rocksdb.BuiltinBloomFilter';

/** Marks the files that SluiceDB itself wrote; RocksDB keeps it as a user property. */
export const PROPERTY_OWN = 'sluicedb.table.version';
export const PROPERTY_EXTERNAL_VERSION = 'rocksdb.external_sst_file.version';
export const PROPERTY_GLOBAL_SEQNO = 'rocksdb.external_sst_file.global_seqno';

/** No block holds more than one entry of full size plus what a block of usual size holds. */
export const RAW_BLOCK_BYTES_MAX = 2 ** 30 + 2 ** 26;

export interface BlockHandle {
  readonly offset: number;
  /** Without the trailer. */
  readonly bytes: number;
}
