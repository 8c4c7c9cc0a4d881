/** The values of a table's properties, which the file keeps as bytes: text, numbers, or what nobody here knows. */

import { isUtf8 } from 'node:buffer';
import { fixed32, fixed64 } from '../base/codec.ts';
import { hexOf } from './text.ts';

const FIXED: ReadonlySet<string> = new Set([
  'rocksdb.block.based.table.index.type',
  'rocksdb.external_sst_file.version',
  'rocksdb.external_sst_file.global_seqno',
]);

/** Numbers that RocksDB's table builder writes as varints; all other properties are text. */
const VARINTS =
  /^(rocksdb\.(column\.family\.id|creation\.time|data\.size|deleted\.keys|file\.creation\.time|filter\.size|fixed\.key\.length|format\.version|index\.(key\.is\.user\.key|partitions|size|value\.is\.delta\.encoded)|merge\.operands|newest\.key\.time|num\..*|oldest\.key\.time|original\.file\.number|raw\..*|sample_for_compression.*|sample\..*|tail\.start\.offset|top-level\.index\.size|key\.(largest|smallest)\.seqno))$/;

/** Text, a number, or `0x…`. */
export function propertyValue(name: string, bytes: Uint8Array): string | number {
  if (FIXED.has(name)) {
    if (bytes.length === 4) return fixed32(bytes, 0);
    if (bytes.length === 8) return fixed64(bytes, 0);
  }
  if (VARINTS.test(name)) return varint(bytes) ?? `0x${hexOf(bytes)}`;
  const text = Buffer.from(bytes).toString('utf8');
  return isUtf8(bytes) && !/\p{Cc}/u.test(text) ? text : `0x${hexOf(bytes)}`;
}

/** Undefined where the bytes are no varint, or too large to show. */
function varint(bytes: Uint8Array): number | undefined {
  let value = 0;
  for (const [i, byte] of bytes.entries()) {
    value += (byte & 0x7f) * 2 ** (7 * i);
    const last = byte < 0x80;
    if (last !== (i === bytes.length - 1)) return undefined;
  }
  return bytes.length > 0 && Number.isSafeInteger(value) ? value : undefined;
}
