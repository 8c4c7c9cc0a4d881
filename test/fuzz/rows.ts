/** Hostile sources of imports: SequenceFiles and Parquet files, changed within and without their compression. */

import { readFileSync } from 'node:fs';
import { SluiceError } from '../../src/base/errors.ts';
import { ParquetReader } from '../../src/import/format/parquet/parquet-reader.ts';
import type { RowReader } from '../../src/import/format/row-reader.ts';
import { SequenceFileReader } from '../../src/import/format/sequencefile/sequence-file-reader.ts';
import { ensureZstd } from '../../src/sst/zstd.ts';
import { bytesSource, collectRows } from '../import/format/collect-rows.ts';
import {
  bytesWritable,
  CODECS,
  type CodecName,
  text,
  writeSequenceFile,
} from '../import/format/write-sequence-file.ts';
import { Dice } from './dice.ts';
import { scramble } from './table-lies.ts';

await ensureZstd();

const SEQUENCE_FILE = 0;
const PARQUET = 1;
const ROW_BYTES_MAX = 1 << 20;
const PARQUET_FILES = ['types', 'types-v2', 'zstd', 'uncompressed', 'delta'];

/** The format is the first byte. */
export function makeRows(seed: number): Uint8Array {
  const dice = new Dice(seed);
  const format = dice.chance(0.7) ? SEQUENCE_FILE : PARQUET;
  let bytes: Uint8Array = format === SEQUENCE_FILE ? sequenceFile(dice) : parquetFile(dice);
  if (dice.chance(0.6)) bytes = scramble(bytes, dice);
  if (dice.chance(0.1)) bytes = bytes.subarray(0, dice.below(bytes.length + 1));
  return Buffer.concat([Buffer.from([format]), bytes]);
}

function sequenceFile(dice: Dice): Uint8Array {
  const isText = dice.chance(0.3);
  const serialised = isText ? text : bytesWritable;
  const rows = Array.from({ length: dice.below(6) }, (_, i) => {
    const value = Buffer.alloc(dice.pick([0, 1, 10, 300, 5000]), dice.below(256));
    const row = [serialised(`key ${i}`), serialised(value)] as const;
    // What is in the compression, and right by every checksum.
    return dice.chance(0.2) ? ([scramble(row[0], dice), scramble(row[1], dice)] as const) : row;
  });
  return writeSequenceFile(rows, {
    version: dice.chance(0.8) ? 6 : 1 + dice.below(6),
    layout: dice.pick(['records', 'blocks']),
    codec: dice.chance(0.8) ? dice.pick(Object.keys(CODECS) as CodecName[]) : undefined,
    every: 1 + dice.below(4),
    ...(isText && { keyClass: 'Text', valueClass: 'Text' }),
  });
}

/** Most of what can go wrong is in the footer, and in the headers of pages. */
function parquetFile(dice: Dice): Uint8Array {
  const bytes = readFileSync(
    new URL(`../fixtures/parquet/${dice.pick(PARQUET_FILES)}.parquet`, import.meta.url),
  );
  const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  if (dice.chance(0.5)) bytes.set(scramble(bytes.subarray(footer, -8), dice), footer);
  if (dice.chance(0.3)) bytes.set(scramble(bytes.subarray(4, 60), dice), 4);
  return bytes;
}

export async function tryRows(input: Uint8Array): Promise<string> {
  const reader: RowReader =
    input[0] === PARQUET
      ? new ParquetReader({ format: 'parquet', rowBytesMax: ROW_BYTES_MAX })
      : new SequenceFileReader({ format: 'sequencefile', rowBytesMax: ROW_BYTES_MAX });
  const { error, rows, bad, end } = await collectRows(reader, bytesSource(input.subarray(1), 1000));
  if (error === undefined) {
    if (rows.length + bad.length !== end.row)
      throw new Error(`${end.row} rows, ${rows.length} and ${bad.length} told`);
    return bad.length === 0 ? 'ok' : 'BAD_ROWS';
  }
  if (error instanceof SluiceError) return error.code;
  throw error;
}
