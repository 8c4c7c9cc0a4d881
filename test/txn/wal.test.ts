/** What is appended is replayed; what fails is told and leaves the log usable, or poisons it. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { SluiceError } from '../../src/base/errors.ts';
import { LogBatch } from '../../src/txn/wal/log-batch.ts';
import { FaultyFileSystem } from '../base/faulty-file-system.ts';
import { temporaryDirectory } from '../base/temporary-directory.ts';
import { fill, reopen } from './wal-batch.ts';

const long = (n: number): string => `${n}:`.padEnd(1000 + n, 'x');

describe('round trips', () => {
  test('records come back in order, durable or not, closed or not', async () => {
    const dir = `${temporaryDirectory()}/wal`;
    const first = reopen(dir);
    const batch = new LogBatch();
    await first.wal.append(fill(batch, 'a', 'b'), true);
    await first.wal.append(fill(batch, 'c', long(1)), false);
    expect(first.wal.segmentId).toBe(1);
    const second = reopen(dir); // as after kill -9: the first one was not closed
    expect(second.seen).toEqual(['a', 'b', 'c', long(1)]);
    await second.wal.append(fill(batch, 'd'), true);
    expect(second.wal.segmentId).toBe(2);
    await second.wal.close();
    const third = reopen(dir);
    expect(third.seen).toEqual(['a', 'b', 'c', long(1), 'd']);
    expect(third.wal.segments().map(({ id }) => id)).toEqual([1, 2, 3]);
    await third.wal.close();
    await first.wal.close();
  });

  test('a batch larger than a segment gets one of its own size', async () => {
    const dir = temporaryDirectory();
    const { wal } = reopen(dir, { segmentBytes: 4096 });
    const batch = new LogBatch();
    const big = 'y'.repeat(9 << 20);
    await wal.append(fill(batch, big), true); // into the empty first segment
    await wal.append(fill(batch, 'after'), true);
    await wal.append(fill(batch, big, 'behind'), true);
    expect(wal.segmentId).toBe(3);
    batch.clear();
    expect(batch.bytes.length).toBeLessThan(1 << 20);
    await wal.close();
    const { wal: again, seen } = reopen(dir);
    expect(seen.map((text) => text.length)).toEqual([big.length, 5, big.length, 6]);
    await again.close();
  });

  test('a full segment is sealed, cut to its length, and the next begun', async () => {
    const dir = temporaryDirectory();
    const { wal } = reopen(dir, { segmentBytes: 4096 });
    const batch = new LogBatch();
    const texts = Array.from({ length: 20 }, (_, n) => long(n));
    for (const text of texts) await wal.append(fill(batch, text), true);
    const segments = wal.segments();
    expect(segments.length).toBeGreaterThan(5);
    for (const { id, bytes } of segments.slice(0, -1)) {
      expect(fs.statSync(`${dir}/00000${id}.wal`).size).toBe(bytes);
    }
    expect(wal.bytesOnDisk).toBe(segments.reduce((sum, { bytes }) => sum + bytes, 0));
    await wal.unlinkThrough(2);
    await wal.unlinkThrough(1);
    expect(fs.existsSync(`${dir}/000002.wal`)).toBe(false);
    await wal.unlinkThrough(wal.segmentId);
    expect(wal.segments()).toHaveLength(1);
    await wal.close();
    const { wal: again, seen } = reopen(dir, { minSegmentId: 50 });
    expect(seen).toEqual(texts.slice(-seen.length));
    expect(seen.length).toBeGreaterThan(0);
    expect(again.segments().at(-1)?.id).toBe(50);
    await again.close();
  });

  test('rotate starts a segment at the next append, and does nothing to an empty one', async () => {
    const dir = temporaryDirectory();
    const { wal } = reopen(dir);
    const batch = new LogBatch();
    wal.rotate();
    await wal.append(fill(batch, 'a'), false);
    wal.rotate();
    wal.rotate();
    expect(wal.segmentId).toBe(1);
    await wal.append(fill(batch, 'b'), true);
    expect(wal.segmentId).toBe(2);
    await wal.close();
    expect(reopen(dir).seen).toEqual(['a', 'b']);
  });

  test('opening and closing without writing leaves no segments behind', async () => {
    const dir = temporaryDirectory();
    for (let i = 0; i < 3; i++) await reopen(dir).wal.close();
    expect(fs.readdirSync(dir)).toEqual([]);
  });

  test('opening again and again after crashes leaves no empty segments behind', () => {
    const dir = temporaryDirectory();
    for (let i = 0; i < 4; i++) reopen(dir);
    expect(fs.readdirSync(dir)).toHaveLength(1);
  });
});

describe('durability', () => {
  test('sync makes unsynced appends durable once, and is free when there are none', async () => {
    const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
    const { wal } = reopen(temporaryDirectory(), { env });
    const syncs = (): number => env.fs.count('datasync');
    const before = syncs();
    await wal.append(fill(new LogBatch(), 'a'), false);
    expect(syncs()).toBe(before);
    await wal.sync();
    await wal.sync();
    wal.syncSync();
    expect(syncs()).toBe(before + 1);
    await wal.append(fill(new LogBatch(), 'b'), false);
    wal.syncSync();
    wal.syncSync();
    expect(syncs()).toBe(before + 2);
    await wal.close();
  });

  test('a new segment has its directory entry synced before its first append is acknowledged', async () => {
    const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
    const { wal } = reopen(temporaryDirectory(), { env });
    const batch = new LogBatch();
    await wal.append(fill(batch, 'a'), true);
    wal.rotate();
    env.fs.calls.length = 0;
    await wal.append(fill(batch, 'b'), true);
    const ops = env.fs.calls.map(({ op }) => op);
    expect(ops.indexOf('open')).toBeLessThan(ops.indexOf('syncDirectory'));
    expect(ops.indexOf('syncDirectory')).toBeLessThan(ops.lastIndexOf('write'));
    await wal.close();
  });

  test('recovery writes again, then syncs, what may not be durable, before it seals', async () => {
    const dir = temporaryDirectory();
    const { wal } = reopen(dir);
    await wal.append(fill(new LogBatch(), 'first'), true);
    await wal.append(fill(new LogBatch(), 'second'), false);
    const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
    expect(reopen(dir, { env }).seen).toEqual(['first', 'second']);
    const ops = env.fs.calls
      .filter(({ path, op }) => path.endsWith('000001.wal') && (op === 'write' || op === 'datasync'))
      .map(({ op, length }) => `${op} ${length ?? ''}`);
    expect(ops).toEqual(['write 30', 'datasync ', 'write 16', 'datasync ']);
  });
});

describe('failures', () => {
  for (const size of [100, 600_000]) {
    test(`a full disk mid-batch (${size} bytes) costs that batch only`, async () => {
      const dir = temporaryDirectory();
      const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
      const { wal } = reopen(dir, { env });
      const batch = new LogBatch();
      await wal.append(fill(batch, 'kept'), true);
      env.fs.fail({ op: 'write', errno: 'ENOSPC', writtenBytes: size - 10 });
      fill(batch, 'lost', 'z'.repeat(size));
      await expect(wal.append(batch, true)).rejects.toMatchObject({ code: 'NO_SPACE' });
      expect(wal.poisoned).toBeUndefined();
      await wal.append(batch, true); // the very same batch, once there is room
      await wal.append(fill(batch, 'later'), true);
      await wal.close();
      expect(reopen(dir).seen.map((text) => text.slice(0, 5))).toEqual(['kept', 'lost', 'zzzzz', 'later']);
    });
  }

  test('what a failed write left behind is gone after a crash too', async () => {
    const dir = temporaryDirectory();
    const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
    const { wal } = reopen(dir, { env });
    const batch = new LogBatch();
    await wal.append(fill(batch, 'kept'), true);
    env.fs.fail({ op: 'write', errno: 'EIO', writtenBytes: 40 });
    await expect(wal.append(fill(batch, 'lost 1', 'lost 2'), true)).rejects.toMatchObject({ code: 'IO' });
    expect(reopen(dir).seen).toEqual(['kept']);
  });

  test('a failed write that cannot be taken back poisons', async () => {
    const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
    const { wal } = reopen(temporaryDirectory(), { env });
    const batch = fill(new LogBatch(), 'x');
    env.fs.fail({ op: 'write', errno: 'EIO' });
    env.fs.fail({ op: 'truncate', errno: 'EIO' });
    await expect(wal.append(batch, true)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await expect(wal.append(batch, true)).rejects.toMatchObject({ code: 'POISONED' });
  });

  test('a failed sync poisons: the commit is unknown, later ones are refused, no second sync is tried', async () => {
    const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
    const { wal } = reopen(temporaryDirectory(), { env });
    const batch = fill(new LogBatch(), 'x');
    await wal.append(batch, true);
    env.fs.fail({ op: 'datasync', errno: 'EIO' });
    await expect(wal.append(batch, true)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    env.fs.heal();
    env.fs.calls.length = 0;
    await expect(wal.append(batch, true)).rejects.toMatchObject({ code: 'POISONED' });
    await expect(wal.append(batch, false)).rejects.toMatchObject({ code: 'POISONED' });
    await expect(wal.sync()).rejects.toMatchObject({ code: 'POISONED' });
    expect(() => wal.syncSync()).toThrow(expect.objectContaining({ code: 'POISONED' }) as SluiceError);
    expect(() => wal.rotate()).toThrow(expect.objectContaining({ code: 'POISONED' }) as SluiceError);
    await wal.close();
    expect(env.fs.count('datasync')).toBe(0);
    expect(wal.poisoned).toMatchObject({ code: 'POISONED' });
  });

  test('a failed background sync poisons', async () => {
    const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
    const { wal } = reopen(temporaryDirectory(), { env });
    await wal.append(fill(new LogBatch(), 'x'), false);
    env.fs.fail({ op: 'datasync', errno: 'EIO' });
    await expect(wal.sync()).rejects.toMatchObject({ code: 'POISONED' });
    await expect(wal.append(fill(new LogBatch(), 'y'), false)).rejects.toMatchObject({ code: 'POISONED' });
  });

  test('what is being removed is not counted on: none of it, from when it is asked for', async () => {
    const { wal } = reopen(temporaryDirectory());
    for (let i = 0; i < 4; i++) {
      await wal.append(fill(new LogBatch(), 'x'), true);
      wal.rotate();
    }
    const ids = (): number[] => wal.segments().map(({ id }) => id);
    expect(ids()).toEqual([1, 2, 3, 4]);
    const removals = Promise.all([wal.unlinkThrough(3), wal.unlinkThrough(2)]);
    expect(ids()).toEqual([4]);
    await removals;
    expect(ids()).toEqual([4]);
    await wal.close();
  });

  test('a segment whose removal failed is tried again', async () => {
    const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
    const { wal } = reopen(temporaryDirectory(), { env });
    await wal.append(fill(new LogBatch(), 'x'), true);
    wal.rotate();
    env.fs.fail({ op: 'unlink', errno: 'EIO' });
    await expect(wal.unlinkThrough(1)).rejects.toMatchObject({ code: 'IO' });
    expect(wal.segments()).toHaveLength(1);
    await wal.unlinkThrough(1);
    expect(wal.segments()).toEqual([]);
    await wal.close();
  });

  for (const op of ['open', 'truncate', 'write'] as const) {
    test(`no room for a new segment (${op}) costs that batch only`, async () => {
      const dir = temporaryDirectory();
      const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
      const { wal } = reopen(dir, { env });
      const batch = fill(new LogBatch(), 'x');
      await wal.append(batch, true);
      wal.rotate();
      env.fs.fail({ op, errno: 'ENOSPC' });
      await expect(wal.append(batch, true)).rejects.toMatchObject({ code: 'NO_SPACE' });
      await wal.append(batch, true);
      expect(wal.segments()).toHaveLength(2);
      await wal.close();
      expect(reopen(dir).seen).toEqual(['x', 'x']);
    });
  }

  test('a batch written at once begins segments as others do, and costs itself only where there is no room', async () => {
    const dir = temporaryDirectory();
    const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
    const { wal } = reopen(dir, { env, segmentBytes: 4096 });
    const batch = fill(new LogBatch(), 'x'.repeat(3000));
    for (let i = 0; i < 3; i++) wal.appendSync(batch);
    expect(wal.segments()).toHaveLength(3);
    env.fs.fail({ op: 'write', errno: 'ENOSPC', writtenBytes: 700 });
    expect(() => wal.appendSync(batch)).toThrow(expect.objectContaining({ code: 'NO_SPACE' }));
    wal.appendSync(fill(new LogBatch(), 'last'));
    await wal.close();
    expect(reopen(dir).seen.map((text) => text.length)).toEqual([3000, 3000, 3000, 4]);
  });

  for (const op of ['write', 'truncate'] as const) {
    test(`no room for a seal (${op}) costs that batch only`, async () => {
      const dir = temporaryDirectory();
      const env = { ...nodeEnv, fs: new FaultyFileSystem(nodeEnv.fs) };
      const { wal } = reopen(dir, { env, segmentBytes: 4096 });
      const batch = fill(new LogBatch(), 'x'.repeat(3000));
      await wal.append(batch, true);
      env.fs.fail({ op, errno: 'ENOSPC', writtenBytes: 7 });
      await expect(wal.append(batch, true)).rejects.toMatchObject({ code: 'NO_SPACE' });
      expect(reopen(`${copyOf(dir)}`).seen).toHaveLength(1);
      await wal.append(batch, true);
      expect(wal.segmentId).toBe(2);
      await wal.close();
      expect(reopen(dir).seen).toHaveLength(2);
    });
  }

  test('a log of another database is refused', async () => {
    const dir = temporaryDirectory();
    const { wal } = reopen(dir);
    await wal.append(fill(new LogBatch(), 'x'), true);
    await wal.close();
    expect(() => reopen(dir, { databaseId: 'ff'.repeat(16) })).toThrow(/belongs to the database 0011/);
  });
});

function copyOf(dir: string): string {
  const copy = temporaryDirectory();
  fs.cpSync(dir, copy, { recursive: true });
  return copy;
}
