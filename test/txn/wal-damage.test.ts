/** Whatever happens to the bytes: the records that were written, a prefix of them, or a typed error; never others. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { isSluiceError } from '../../src/base/errors.ts';
import { LogBatch } from '../../src/txn/wal/log-batch.ts';
import { readSegments } from '../../src/txn/wal/recovery.ts';
import { Wal } from '../../src/txn/wal/wal.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { collect, DATABASE, fill, reopen } from './wal-batch.ts';

const GROUPS = [['a', 'bb'], ['ccc'], ['dddd', 'eeeee'.repeat(80), 'f'], ['last', 'very last']];
const TEXTS = GROUPS.flat();
/** Of the last group, which no later one proves durable, and so any damage of it looks like a torn write. */
const PROVEN = TEXTS.length - 2;

/** The bytes of one segment with GROUPS, sealed or as a crash leaves it. */
async function segment(sealed: boolean): Promise<Buffer> {
  const dir = temporaryDirectory();
  const { wal } = reopen(dir, { segmentBytes: 2048 });
  const batch = new LogBatch();
  for (const texts of GROUPS) await wal.append(fill(batch, ...texts), true);
  if (sealed) await wal.close();
  return fs.readFileSync(`${dir}/000001.wal`);
}

type Outcome = { seen: string[] } | { code: string };

function outcome(files: Readonly<Record<string, Uint8Array>>): { recovered: Outcome; read: Outcome } {
  const dir = temporaryDirectory();
  for (const [name, bytes] of Object.entries(files)) fs.writeFileSync(`${dir}/${name}`, bytes);
  const attempt = (run: (seen: string[]) => void): Outcome => {
    const seen: string[] = [];
    try {
      run(seen);
      return { seen };
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      return { code: error.code };
    }
  };
  const read = attempt((seen) => readSegments(nodeEnv.fs, dir, DATABASE, collect(seen)));
  const recovered = attempt((seen) => {
    const wal = Wal.open({ env: nodeEnv, dir, databaseId: DATABASE, segmentBytes: 64 }, collect(seen));
    void wal.close();
    // What was recovered must be recovered again, by now from a sealed segment.
    const again = reopen(dir, { segmentBytes: 64 });
    expect(again.seen).toEqual(seen);
    void again.wal.close();
  });
  fs.rmSync(dir, { recursive: true, force: true });
  return { recovered, read };
}

function expectPrefix(result: Outcome, atLeast: number, what: string): void {
  if ('code' in result) {
    expect(['CORRUPTION', 'UNSUPPORTED_FORMAT'], what).toContain(result.code);
    return;
  }
  expect(result.seen, what).toEqual(TEXTS.slice(0, result.seen.length));
  expect(result.seen.length, what).toBeGreaterThanOrEqual(atLeast);
}

/** One bit of byte i, or all of them. */
function flipped(bytes: Uint8Array, i: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[i] = (copy[i] as number) ^ (i % 3 === 0 ? 0xff : 1 << (i % 8));
  return copy;
}

describe('every byte flipped', () => {
  test('of the newest segment: what was proven durable is there, or the damage is told', async () => {
    const open = await segment(false);
    const end = open.findLastIndex((byte) => byte !== 0) + 1;
    for (let i = 0; i < end + 20; i++) {
      const { recovered, read } = outcome({ '000001.wal': flipped(open, i) });
      expectPrefix(recovered, PROVEN, `byte ${i}`);
      expectPrefix(read, 0, `byte ${i}, read beside`);
    }
  });

  test('of a sealed segment: all is there, or the damage is told', async () => {
    const sealed = await segment(true);
    for (let i = 0; i < sealed.length; i++) {
      expectPrefix(outcome({ '000001.wal': flipped(sealed, i) }).recovered, TEXTS.length, `byte ${i}`);
    }
  });

  test('of an older segment: always told', async () => {
    const dir = temporaryDirectory();
    const { wal } = reopen(dir);
    const batch = new LogBatch();
    for (const texts of GROUPS) await wal.append(fill(batch, ...texts), true);
    wal.rotate();
    await wal.append(fill(batch, 'newer'), true);
    const newer = fs.readFileSync(`${dir}/000002.wal`).subarray(0, 200);
    const older = fs.readFileSync(`${dir}/000001.wal`);
    for (let i = 0; i < older.length; i++) {
      const { recovered, read } = outcome({ '000001.wal': flipped(older, i), '000002.wal': newer });
      expect(recovered, `byte ${i}`).toMatchObject({ code: expect.stringMatching(/CORRUPTION|UNSUPPORTED/) });
      expect(read, `byte ${i}`).toMatchObject({ code: expect.stringMatching(/CORRUPTION|UNSUPPORTED/) });
    }
    for (let length = 0; length < older.length; length++) {
      const { recovered } = outcome({ '000001.wal': older.subarray(0, length), '000002.wal': newer });
      expect(recovered, `length ${length}`).toEqual({ code: 'CORRUPTION' });
    }
    expect(outcome({ '000001.wal': older, '000002.wal': newer }).recovered).toEqual({
      seen: [...TEXTS, 'newer'],
    });
  });
});

test('truncation at every length leaves a prefix', async () => {
  const whole = await segment(true);
  let most = 0;
  for (let length = 0; length <= whole.length; length++) {
    const { recovered } = outcome({ '000001.wal': whole.subarray(0, length) });
    expect(recovered, `length ${length}`).toHaveProperty('seen');
    expectPrefix(recovered, most, `length ${length}`);
    if ('seen' in recovered) most = recovered.seen.length;
  }
  expect(most).toBe(TEXTS.length);
});

test('zeros anywhere before the last group never hide what was synced', async () => {
  const whole = await segment(false);
  const lastGroup = whole.lastIndexOf(Buffer.from([0xfe, 0xff, 0xff, 0xff]));
  for (let i = 0; i < lastGroup; i += 3) {
    const bytes = Buffer.from(whole).fill(0, i, Math.min(lastGroup, i + 1 + (i % 40)));
    expectPrefix(outcome({ '000001.wal': bytes }).recovered, PROVEN, `zeros at ${i}`);
  }
});

test('a torn write with later records of the same write intact is a torn write, not damage', async () => {
  const dir = temporaryDirectory();
  const { wal } = reopen(dir, { segmentBytes: 4096 });
  const batch = new LogBatch();
  await wal.append(fill(batch, 'durable'), true);
  await wal.append(fill(batch, 'lost', 'x'.repeat(900), 'survives'), false);
  await wal.append(fill(batch, 'also survives'), false);
  const bytes = fs.readFileSync(`${dir}/000001.wal`);
  bytes.fill(0, 512, 1024); // a sector that never reached the disk
  expect(outcome({ '000001.wal': bytes }).recovered).toEqual({ seen: ['durable', 'lost'] });
});

test('a new segment whose header was torn has nothing to lose', async () => {
  const before = await segment(true);
  const header = Buffer.from(before.subarray(0, 48));
  for (let torn = 0; torn < header.length; torn++) {
    const newest = Buffer.concat([header.subarray(0, torn), Buffer.alloc(2048 - torn)]);
    const { recovered, read } = outcome({ '000001.wal': before, '000002.wal': newest });
    for (const result of [recovered, read]) expect(result, `torn at ${torn}`).toEqual({ seen: TEXTS });
  }
});

test('a record of another segment at the same place is not taken', async () => {
  const dir = temporaryDirectory();
  const { wal } = reopen(dir, { segmentBytes: 4096 });
  const batch = fill(new LogBatch(), 'one', 'two');
  await wal.append(batch, true);
  wal.rotate();
  await wal.append(batch, true);
  const [first, second] = ['000001.wal', '000002.wal'].map((name) => fs.readFileSync(`${dir}/${name}`));
  const mixed = Buffer.concat([(first as Buffer).subarray(0, 48), (second as Buffer).subarray(48)]);
  expect(outcome({ '000001.wal': mixed }).recovered).toEqual({ seen: [] });
});

test('a segment missing in the middle is told, one missing at the start was unlinked', async () => {
  const dir = temporaryDirectory();
  const { wal } = reopen(dir);
  for (const text of ['1', '2', '3']) {
    await wal.append(fill(new LogBatch(), text), true);
    wal.rotate();
  }
  await wal.close();
  const files = Object.fromEntries(
    fs.readdirSync(dir).map((name) => [name, fs.readFileSync(`${dir}/${name}`)]),
  );
  const { '000001.wal': first, '000002.wal': second, '000003.wal': third } = files as Record<string, Buffer>;
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('three segments expected');
  expect(outcome({ '000001.wal': first, '000003.wal': third }).recovered).toEqual({ code: 'CORRUPTION' });
  expect(outcome({ '000002.wal': second, '000003.wal': third }).recovered).toEqual({ seen: ['2', '3'] });
  expect(outcome({ '000001.wal': second, '000003.wal': third }).recovered).toEqual({ code: 'CORRUPTION' });
  const broken = { '000002.wal': second, '000003.wal': third, 'notes.txt': Buffer.from('not a segment') };
  expect(outcome(broken).recovered).toEqual({ seen: ['2', '3'] });
});
