/** What a writer of tables may lie about: each by a name, so that one can see which were told. */

import { fixed32, putFixed32 } from '../../src/base/codec.ts';
import type { Dice } from './dice.ts';
import { type HostileEntry, type Lies, varint } from './hostile-table.ts';
import { STREAMS } from './streams.ts';

/** Some bytes of a block, its restarts and its lengths. */
export function scramble(bytes: Uint8Array, dice: Dice): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let n = dice.pick([1, 1, 2, 4]); n > 0 && copy.length > 0; n--) {
    const at = dice.below(copy.length);
    copy[at] = dice.pick([(copy[at] as number) ^ (1 << dice.below(8)), dice.below(256), 0, 255, 128, 127]);
  }
  return copy;
}

function restarts(bytes: Uint8Array, dice: Dice): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (copy.length < 4) return copy;
  const count = fixed32(copy, copy.length - 4);
  if (dice.chance(0.5)) putFixed32(copy, copy.length - 4, dice.wild(count) >>> 0);
  else {
    const at = copy.length - 4 - 4 * (1 + dice.below(Math.max(1, Math.min(count, copy.length >>> 2))));
    if (at >= 0) putFixed32(copy, at, dice.wild(fixed32(copy, at)) >>> 0);
  }
  return copy;
}

function cut(bytes: Uint8Array, dice: Dice): Uint8Array {
  const at = dice.below(bytes.length + 1);
  return dice.chance(0.5)
    ? bytes.slice(0, at)
    : Buffer.concat([
        bytes.subarray(0, at),
        Buffer.alloc(dice.below(40), dice.below(256)),
        bytes.subarray(at),
      ]);
}

/** Each entry repeats all of the key before it and adds a byte: keys grow without end. */
function growing(bytes: Uint8Array, dice: Dice): Uint8Array {
  const parts: Uint8Array[] = [];
  const count = dice.pick([50, 50, 500, dice.chance(0.05) ? 20_000 : 100]);
  const value = dice.chance(0.5) ? varint(0, 0) : Buffer.alloc(0);
  for (let i = 0; i < count; i++)
    parts.push(
      varint(i === 0 ? 0 : i + 8, i === 0 ? 9 : 1, value.length),
      Buffer.alloc(i === 0 ? 9 : 1, 97),
      value,
    );
  const tail = new Uint8Array(8);
  putFixed32(tail, 4, 1);
  return bytes.length === 0 ? bytes : Buffer.concat([...parts, tail]);
}

const BLOCK_LIES = { scramble, restarts, cut, growing };

function entriesLie(list: HostileEntry[], dice: Dice): void {
  if (list.length === 0) return;
  const at = dice.below(list.length);
  const entry = list[at] as HostileEntry;
  const kind = dice.below(9);
  if (kind === 0) list.splice(at, 0, { ...entry });
  else if (kind === 1) list.splice(at, 1);
  else if (kind === 2) list.splice(dice.below(list.length), 0, ...list.splice(at, 1));
  else if (kind === 3) entry.version = dice.pick([1, 2, 255, 2 ** 40]);
  else if (kind === 4) entry.type = dice.pick([0, 1, 2, 3, 7, 15, 17, 20, 22, 255]);
  else if (kind === 5) entry.key = new Uint8Array(dice.pick([0, 1, 65_535, 65_536]));
  else if (kind === 6) entry.key = scramble(entry.key, dice);
  else if (kind === 7) list.reverse();
  else list.splice(at + 1, 0, { ...entry, version: 0, type: entry.type === 0 ? 1 : 0 });
}

const COUNTED = [
  'rocksdb.num.entries',
  'rocksdb.deleted.keys',
  'rocksdb.num.range-deletions',
  'rocksdb.merge.operands',
];
const NAMED = [
  'rocksdb.index.key.is.user.key',
  'rocksdb.index.value.is.delta.encoded',
  'rocksdb.block.based.table.index.type',
  'rocksdb.comparator',
  'rocksdb.external_sst_file.version',
  'rocksdb.external_sst_file.global_seqno',
  'rocksdb.block.based.table.whole.key.filtering',
  'rocksdb.compression',
  'sluicedb.table.version',
];

function propertiesLie(map: Map<string, Uint8Array>, dice: Dice): void {
  const kind = dice.below(4);
  if (kind === 0) map.set(dice.pick(COUNTED), varint(dice.wild(map.size)));
  else if (kind === 1) map.delete(dice.pick([...map.keys()]));
  else if (kind === 2) {
    const name = dice.pick(NAMED);
    const value = map.get(name);
    map.set(
      name,
      value === undefined ? Buffer.from(dice.pick(['0', '1', 'ZSTD', '\0\0\0\0'])) : scramble(value, dice),
    );
  } else map.set(dice.pick(NAMED), varint(dice.wild(3)));
}

function metaindexLie(map: Map<string, Uint8Array>, dice: Dice): void {
  const names = [...map.keys(), 'rocksdb.range_del', 'rocksdb.compression_dict', 'rocksdb.index'];
  const name = dice.pick(names);
  const kind = dice.below(3);
  if (kind === 0) map.delete(name);
  else if (kind === 1) map.set(name, dice.pick([...map.values()]));
  else
    map.set(
      name,
      dice.chance(0.7) ? varint(dice.wild(500), dice.wild(500)) : scramble(Buffer.alloc(4, 128), dice),
    );
}

/** All lies there are, by name. */
export const TABLE_LIES: Readonly<Record<string, Partial<Lies>>> = {
  entries: { entries: entriesLie },
  ...Object.fromEntries(
    Object.entries(BLOCK_LIES).flatMap(([name, lie]) => [
      [
        `data block: ${name}`,
        { dataBlock: (bytes: Uint8Array, dice: Dice) => (dice.chance(0.4) ? lie(bytes, dice) : bytes) },
      ],
      [`index block: ${name}`, { indexBlock: lie }],
      [
        `another block: ${name}`,
        {
          stored(block, dice) {
            if (block.name !== 'data' && dice.chance(0.4)) block.bytes = lie(block.bytes, dice);
          },
        } satisfies Partial<Lies>,
      ],
    ]),
  ),
  'index entries': {
    index(list, dice) {
      const entry = list.length === 0 ? undefined : dice.pick(list);
      if (entry === undefined) return;
      const kind = dice.below(6);
      if (kind === 0) entry.offset = dice.wild(entry.offset);
      else if (kind === 1) entry.bytes = dice.pick([dice.wild(entry.bytes), 0xffffffff, 2 ** 32]);
      else if (kind === 2) entry.separator = scramble(entry.separator, dice);
      else if (kind === 3) list.splice(dice.below(list.length), 1);
      else if (kind === 4) list.splice(dice.below(list.length + 1), 0, { ...dice.pick(list) });
      else entry.separator = Buffer.concat([entry.separator, Buffer.alloc(dice.pick([1, 5, 70_000]), 255)]);
    },
  },
  filter: { filter: (bytes, dice) => dice.pick([scramble, cut])(bytes, dice) },
  'filter of nothing': { filter: (bytes) => bytes.fill(0, 0, bytes.length - 5) },
  ranges: {
    ranges(list, dice) {
      const range = { from: Buffer.from('key1'), to: Buffer.from('key5'), version: 0 };
      const kind = dice.below(5);
      if (kind === 0) list.push({ ...range, version: dice.pick([1, 7]) });
      else if (kind === 1) list.push({ ...range, to: Buffer.from('key0') });
      else if (kind === 2) list.push({ ...range, from: Buffer.alloc(0) });
      else if (kind === 3) list.push({ ...range, to: Buffer.alloc(70_000, 255) });
      else list.push(range);
    },
  },
  properties: { properties: propertiesLie },
  metaindex: { metaindex: metaindexLie },
  'type of a block': {
    stored(block, dice) {
      if (dice.chance(0.2)) block.type = dice.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 255]);
    },
  },
  bomb: {
    stored(block, dice) {
      if (!dice.chance(0.05)) return;
      const raw = dice.pick([2 ** 16, 2 ** 18, dice.chance(0.1) ? 8 * 2 ** 20 : 2 ** 16]);
      const { type, compress } = dice.pick(Object.values(STREAMS));
      // Now and then a stream of another kind.
      block.type = dice.chance(0.9) ? type : dice.pick([2, 4, 7, 1]);
      const claimed = dice.pick([raw, raw, dice.wild(raw), 2 ** 32 - 1, 2 ** 30]);
      block.bytes = Buffer.concat([varint(claimed), compress(Buffer.alloc(raw, dice.below(2)))]);
    },
  },
  footer: {
    footer(footer, dice) {
      const kind = dice.below(6);
      if (kind === 0) footer.formatVersion = dice.pick([0, 1, 6, 7, 8, 2 ** 32 - 1]);
      else if (kind === 1) footer.checksumType = dice.pick([0, 1, 2, 3, 4, 5, 255]);
      else if (kind === 2) footer.metaindex = [dice.wild(footer.metaindex[0]), footer.metaindex[1]];
      else if (kind === 3) footer.metaindex = [footer.metaindex[0], dice.wild(footer.metaindex[1])];
      else if (kind === 4) footer.index = [dice.wild(footer.index[0]), footer.index[1]];
      else footer.index = [footer.index[0], dice.wild(footer.index[1])];
    },
  },
  file: { file: (bytes, dice) => dice.pick([scramble, cut])(bytes, dice) },
};
