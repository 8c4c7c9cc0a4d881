/**
 * Hostile logs. Recovery ends in a typed error, or hands out records; where nothing was signed again, records that were
 * written, from the first on and in their order.
 */

import { fixed32, putFixed32, putFixed64 } from '../../src/base/codec.ts';
import { SluiceError } from '../../src/base/errors.ts';
import type { Version } from '../../src/mvcc/version.ts';
import { CommitEncoder, readRecord, writeVisibleMark } from '../../src/txn/record.ts';
import { crc32 } from '../../src/txn/wal/crc32.ts';
import {
  encodeHeader,
  FRAME_BYTES,
  GROUP,
  HEADER_BYTES,
  MARK_BYTES,
  putMark,
  SEAL,
  saltOf,
} from '../../src/txn/wal/format.ts';
import { LogBatch } from '../../src/txn/wal/log-batch.ts';
import { readSegments, recoverSegments } from '../../src/txn/wal/recovery.ts';
import { Dice } from './dice.ts';
import { MemoryFiles } from './memory-files.ts';
import { scramble } from './table-lies.ts';

const DATABASE = '0123456789abcdef0123456789abcdef';
const DIR = 'wal';
const SEGMENTS = 3;

/** A log of some segments, of which the last need not be sealed; and its records. */
function wholeLog(dice: Dice): { segments: Uint8Array[]; records: string[] } {
  const records: string[] = [];
  const segments: Uint8Array[] = [];
  let version = 1;
  for (let id = 1; id <= SEGMENTS; id++) {
    const parts: Uint8Array[] = [encodeHeader(id, id - 1, DATABASE)];
    let at = HEADER_BYTES;
    for (let group = dice.below(3) + 1; group > 0; group--) {
      const batch = new LogBatch();
      const encoder = new CommitEncoder();
      for (let n = dice.below(3) + 1; n > 0; n--) {
        const value = Buffer.from('v'.repeat(dice.below(30)));
        encoder.begin(batch, version as Version, CommitEncoder.bytesMax(2, 200, ['default', 'other']));
        encoder.section('default', 1, 4 + value.length);
        encoder.op(Buffer.from(`k${100 + version}`), value);
        encoder.section('other', 1, 1);
        encoder.op(Buffer.from('k'), undefined);
        records.push(Buffer.from(batch.bytes.slice(encoder.payloadStart, encoder.end())).toString('latin1'));
        version++;
      }
      writeVisibleMark(batch, version as Version);
      records.push(Buffer.from(batch.bytes.slice(batch.length - 2, batch.length)).toString('latin1'));
      batch.seat(saltOf(DATABASE, id), at);
      parts.push(batch.bytes.slice(0, batch.length));
      at += batch.length;
    }
    if (id < SEGMENTS || dice.chance(0.5)) {
      const seal = new Uint8Array(MARK_BYTES);
      putMark(seal, 0, SEAL, at, saltOf(DATABASE, id));
      parts.push(seal);
    } else parts.push(new Uint8Array(dice.pick([0, 1, 17, 200])));
    segments.push(new Uint8Array(Buffer.concat(parts)));
  }
  return { segments, records };
}

/** Where the frames of a segment begin. */
function framesOf(segment: Uint8Array): number[] {
  const starts: number[] = [];
  for (let at = HEADER_BYTES; at + FRAME_BYTES <= segment.length; ) {
    const length = fixed32(segment, at);
    if (length === 0) break;
    starts.push(at);
    at += length >= GROUP ? MARK_BYTES : FRAME_BYTES + length;
  }
  return starts;
}

/** A frame with other contents, signed again. */
function forge(segment: Uint8Array, id: number, dice: Dice): void {
  const starts = framesOf(segment);
  if (starts.length === 0) return;
  const at = dice.pick(starts);
  const length = fixed32(segment, at);
  const salt = saltOf(DATABASE, id);
  if (length >= GROUP) {
    // Its lower half: an earlier turn may have scrambled these bytes into a number that fixed64 refuses.
    putMark(segment, at, length, dice.wild(fixed32(segment, at + 8)), salt);
    return;
  }
  const payload = segment.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length);
  payload.set(scramble(payload, dice));
  if (dice.chance(0.2)) putFixed32(segment, at, dice.wild(length) >>> 0);
  putFixed32(segment, at + 4, crc32(segment, at + FRAME_BYTES, at + FRAME_BYTES + length) ^ salt);
}

function forgeHeader(segment: Uint8Array, dice: Dice): void {
  const at = dice.pick([8, 12, 20, 28]);
  if (at === 12 || at === 20) putFixed64(segment, at, dice.wild(2));
  else segment[at] = dice.below(256);
  putFixed32(segment, HEADER_BYTES - 4, crc32(segment, 0, HEADER_BYTES - 4));
}

/** One byte that says whether anything was signed again, the seed of the log, then each segment behind its length. */
export function makeLog(seed: number): Uint8Array {
  const dice = new Dice(seed);
  const { segments } = wholeLog(new Dice(seed));
  let signed = 0;
  for (let n = dice.below(3); n > 0; n--) {
    const i = dice.below(segments.length);
    const segment = segments[i] as Uint8Array;
    const kind = dice.below(7);
    if (kind < 2) {
      forge(segment, i + 1, dice);
      signed = 1;
    } else if (kind === 2) {
      forgeHeader(segment, dice);
      signed = 1;
    } else if (kind === 3) segments[i] = scramble(segment, dice);
    else if (kind === 4) segments[i] = segment.slice(0, dice.below(segment.length + 1));
    else if (kind === 5) segments[i] = new Uint8Array(0);
    else segments[i] = Uint8Array.from(dice.pick(segments));
  }
  const head = new Uint8Array(5);
  head[0] = signed;
  putFixed32(head, 1, seed);
  const parts = segments.map((segment) => {
    const length = new Uint8Array(4);
    putFixed32(length, 0, segment.length);
    return Buffer.concat([length, segment]);
  });
  return new Uint8Array(Buffer.concat([head, ...parts]));
}

export async function tryLog(input: Uint8Array): Promise<string> {
  const fs = new MemoryFiles();
  let id = 1;
  for (let at = 5; at + 4 <= input.length; id++) {
    const length = fixed32(input, at);
    fs.set(`${DIR}/${String(id).padStart(6, '0')}.wal`, input.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  const written = input[0] === 0 ? wholeLog(new Dice(fixed32(input, 1))).records : undefined;
  const beside = readAll(written, (onRecord) => readSegments(fs, DIR, DATABASE, onRecord));
  const outcome = readAll(written, (onRecord) => recoverSegments(fs, DIR, DATABASE, onRecord));
  if (outcome.code !== 'ok') return outcome.code;
  if (beside.code === 'ok' && beside.records > outcome.records)
    throw new Error('a reader sees more than recovery');
  // What recovery has left must be a whole log, with the same records.
  const again = readAll(written, (onRecord) => recoverSegments(fs, DIR, DATABASE, onRecord));
  if (again.code !== 'ok' || again.records !== outcome.records) {
    throw new Error(`recovered again: ${again.code} and ${again.records} records, not ${outcome.records}`);
  }
  return 'ok';
}

type OnRecord = (bytes: Uint8Array, start: number, end: number) => void;

function readAll(
  written: readonly string[] | undefined,
  read: (onRecord: OnRecord) => unknown,
): { code: string; records: number } {
  let records = 0;
  let nonsense: SluiceError | undefined;
  try {
    read((bytes, start, end) => {
      const payload = Buffer.from(bytes.slice(start, end)).toString('latin1');
      if (written !== undefined && written[records] !== payload)
        throw new Error(`record ${records} is not the one that was written`);
      records++;
      try {
        readRecord(bytes, start, end, {
          section: () => undefined,
          put: () => undefined,
          del: () => undefined,
        });
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error;
        nonsense ??= error;
      }
    });
    return { code: nonsense?.code ?? 'ok', records };
  } catch (error) {
    if (error instanceof SluiceError) return { code: error.code, records };
    throw error;
  }
}
