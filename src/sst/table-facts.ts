/** What a table says of itself: its properties block, decoded. */

import { ByteReader, fixed32, fixed64 } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';
import type { RangeTombstone } from '../mvcc/range-tombstones.ts';
import {
  CHECKSUM_NAMES,
  COMPARATOR,
  INDEX_BINARY_SEARCH,
  INDEX_FIRST_KEY,
  INDEX_HASH_SEARCH,
  INDEX_TWO_LEVEL,
  PROPERTY_EXTERNAL_VERSION,
  PROPERTY_GLOBAL_SEQNO,
  PROPERTY_OWN,
} from './format.ts';
import type { IndexForm } from './table-index.ts';

/** Raw values by name, as in the file. */
export type Properties = ReadonlyMap<string, Uint8Array>;

export interface TableFacts {
  readonly path: string;
  readonly bytes: number;
  readonly formatVersion: number;
  /** 'none', 'crc32c', 'xxhash', 'xxhash64' or 'xxh3'. */
  readonly checksum: string;
  /** As the file names it: 'LZ4', 'NoCompression' …; '' when it does not say. */
  readonly compression: string;
  readonly comparator: string;
  readonly columnFamily: string;
  readonly columnFamilyId: number | undefined;
  /** As the properties count them, but for range deletions; deletes and merge operands are among the entries. */
  readonly entries: number;
  readonly deletes: number;
  readonly mergeOperands: number;
  readonly rangeDeletes: number;
  /** Data blocks. */
  readonly blocks: number;
  /** Bytes of keys and values as they were added. */
  readonly rawKeyBytes: number;
  readonly rawValueBytes: number;
  /** Inclusive user keys; undefined when there is neither an entry nor a range deletion, whose ends they include. */
  readonly smallest: Uint8Array | undefined;
  readonly largest: Uint8Array | undefined;
  /** As in the file: in no certain order. */
  readonly rangeTombstones: readonly RangeTombstone[];
  /** Of a file made for ingesting: rocksdb.external_sst_file.version. */
  readonly externalVersion: number | undefined;
  /** rocksdb.external_sst_file.global_seqno; not 0 when RocksDB ingested this very file. */
  readonly globalSeqno: number | undefined;
  /** SluiceDB itself wrote the file. */
  readonly own: boolean;
  readonly filter: 'bloom' | 'ribbon' | 'none' | 'not understood';
  readonly filterBytes: number;
  readonly indexType: number;
  readonly properties: Properties;
}

/** The facts that the properties alone tell. */
export type PropertyFacts = Omit<TableFacts, 'blocks' | ContentFact | 'filter' | 'filterBytes'>;

/** What takes a look at the contents. */
export type ContentFact = 'smallest' | 'largest' | 'rangeTombstones';

/** 'ZSTD', or from format_version 7 on 'BuiltinV2;' and the types in hex. */
export function usesZstd({ compression }: Pick<TableFacts, 'compression'>): boolean {
  return /ZSTD|^BuiltinV2;.*07/.test(compression);
}

/** As the properties say, which may be wrong; 0 where they do not. */
export function dataBlocks(properties: Properties): number {
  return varint(properties, 'rocksdb.num.data.blocks') ?? 0;
}

function text(properties: Properties, name: string): string {
  const value = properties.get(name);
  return value === undefined ? '' : Buffer.from(value).toString('utf8');
}

function varint(properties: Properties, name: string): number | undefined {
  const value = properties.get(name);
  return value === undefined ? undefined : new ByteReader(value).varint();
}

export function propertyFacts(
  path: string,
  bytes: number,
  formatVersion: number,
  checksumType: number,
  properties: Properties,
): PropertyFacts {
  const indexType = properties.get('rocksdb.block.based.table.index.type');
  const external = properties.get(PROPERTY_EXTERNAL_VERSION);
  const seqno = properties.get(PROPERTY_GLOBAL_SEQNO);
  const fixed = (value: Uint8Array | undefined, n: number, name: string): Uint8Array | undefined => {
    if (value !== undefined && value.length !== n) {
      throw new SluiceError(
        'CORRUPTION',
        `${path}: property ${name} is ${value.length} bytes long, not ${n}`,
      );
    }
    return value;
  };
  const rangeDeletes = varint(properties, 'rocksdb.num.range-deletions') ?? 0;
  fixed(indexType, 4, 'rocksdb.block.based.table.index.type');
  fixed(external, 4, PROPERTY_EXTERNAL_VERSION);
  fixed(seqno, 8, PROPERTY_GLOBAL_SEQNO);
  return {
    path,
    bytes,
    formatVersion,
    checksum: CHECKSUM_NAMES[checksumType] ?? String(checksumType),
    compression: text(properties, 'rocksdb.compression'),
    comparator: text(properties, 'rocksdb.comparator'),
    columnFamily: text(properties, 'rocksdb.column.family.name'),
    columnFamilyId: varint(properties, 'rocksdb.column.family.id'),
    // RocksDB counts a range deletion as an entry and as a delete.
    entries: Math.max(0, (varint(properties, 'rocksdb.num.entries') ?? 0) - rangeDeletes),
    deletes: Math.max(0, (varint(properties, 'rocksdb.deleted.keys') ?? 0) - rangeDeletes),
    mergeOperands: varint(properties, 'rocksdb.merge.operands') ?? 0,
    rangeDeletes,
    rawKeyBytes: varint(properties, 'rocksdb.raw.key.size') ?? 0,
    rawValueBytes: varint(properties, 'rocksdb.raw.value.size') ?? 0,
    externalVersion: external === undefined ? undefined : fixed32(external, 0),
    globalSeqno: seqno === undefined ? undefined : fixed64(seqno, 0),
    own: properties.has(PROPERTY_OWN),
    indexType: indexType === undefined ? INDEX_BINARY_SEARCH : fixed32(indexType, 0),
    properties,
  };
}

/** Throws for orders and index types that would be read wrongly. */
export function checkReadable(facts: PropertyFacts): void {
  const { path, comparator, indexType, properties } = facts;
  if (comparator !== '' && comparator !== COMPARATOR) {
    throw new SluiceError(
      'COMPARATOR_MISMATCH',
      `${path}: sorted by comparator ${comparator}; only ${COMPARATOR} (bytewise) is supported`,
    );
  }
  // Written since 8.x: "0" when timestamps exist and are stripped from the file.
  if (properties.has('rocksdb.user.defined.timestamps.persisted')) {
    if (text(properties, 'rocksdb.user.defined.timestamps.persisted') === '0') {
      throw new SluiceError('UNSUPPORTED_FORMAT', `${path}: keys with user-defined timestamps`);
    }
  }
  const known = [INDEX_BINARY_SEARCH, INDEX_HASH_SEARCH, INDEX_TWO_LEVEL, INDEX_FIRST_KEY];
  if (!known.includes(indexType)) {
    throw new SluiceError('UNSUPPORTED_FORMAT', `${path}: unknown index type ${indexType}`);
  }
}

export function indexForm(facts: PropertyFacts): IndexForm {
  return {
    type: facts.indexType,
    deltaEncoded: (varint(facts.properties, 'rocksdb.index.value.is.delta.encoded') ?? 0) !== 0,
    userKeys: (varint(facts.properties, 'rocksdb.index.key.is.user.key') ?? 0) !== 0,
  };
}

/** Whether a full filter was made of whole user keys, so that a key it lacks is not in the table. */
export function hasWholeKeyFilter(properties: Properties): boolean {
  return text(properties, 'rocksdb.block.based.table.whole.key.filtering') !== '0';
}
