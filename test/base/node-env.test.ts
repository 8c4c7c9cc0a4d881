/** The real file system, clock and random source behave as `Env` promises. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { readFully, writeFully } from '../../src/base/env/node-file.ts';
import { systemError } from '../../src/base/env/system-error.ts';
import { FaultyFileSystem } from './faulty-file-system.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const system = nodeEnv.fs;
const code = (expected: string): Error => expect.objectContaining({ code: expected }) as Error;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('files', () => {
  test('positional reads and writes, synchronous and not', async () => {
    const file = system.openSync(`${temporaryDirectory()}/f`, 'create');
    file.writeSync(bytes('..abc'), 2, 3, 0);
    await file.write(bytes('def'), 0, 3, 3);
    await file.write(bytes('never'), 0, 0, 100);
    expect(file.sizeSync()).toBe(6);
    const target = new Uint8Array(8);
    expect(file.readSync(target, 1, 4, 1)).toBe(4);
    expect(Buffer.from(target).toString()).toBe('\0bcde\0\0\0');
    expect(await file.read(target, 0, 8, 2)).toBe(4);
    expect(await file.read(target, 0, 8, 6)).toBe(0);
    expect(await file.read(target, 0, 0, 0)).toBe(0);
    file.truncateSync(2);
    expect(file.readSync(target, 0, 8, 0)).toBe(2);
    file.datasyncSync();
    await file.datasync();
    file.closeSync();
    file.closeSync();
    expect(() => file.readSync(target, 0, 1, 0)).toThrow(code('CLOSED'));
    await expect(file.read(target, 0, 1, 0)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('a close during a read lets the read finish', async () => {
    const path = `${temporaryDirectory()}/f`;
    fs.writeFileSync(path, 'content');
    const file = await system.open(path, 'read');
    const target = new Uint8Array(7);
    const read = file.read(target, 0, 7, 0);
    file.closeSync();
    const other = system.openSync(path, 'read'); // would get the descriptor's number were it freed
    expect(await read).toBe(7);
    expect(Buffer.from(target).toString()).toBe('content');
    other.closeSync();
  });

  test('short writes and reads are gone on with', () => {
    const moves: number[][] = [];
    const some = (start: number, length: number, position: number): number => {
      moves.push([start, length, position]);
      return Math.min(4, length);
    };
    writeFully(some, 10, 9, 100);
    expect(moves).toEqual([
      [10, 9, 100],
      [14, 5, 104],
      [18, 1, 108],
    ]);
    expect(() => writeFully(() => 0, 0, 1, 0)).toThrow(/wrote none of 1 bytes/);
    let left = 6;
    const read = (_start: number, length: number): number => {
      const n = Math.min(4, left, length);
      left -= n;
      return n;
    };
    expect(readFully(read, 0, 9, 0)).toBe(6);
  });

  test('large ones are done in pieces, so that no core is kept from others for long', async () => {
    const lengths: number[] = [];
    const all = (_start: number, length: number): number => {
      lengths.push(length);
      return length;
    };
    writeFully(all, 0, 600 << 10, 0);
    expect(readFully(all, 0, 600 << 10, 0)).toBe(600 << 10);
    expect(lengths).toEqual([256 << 10, 256 << 10, 88 << 10, 256 << 10, 256 << 10, 88 << 10]);
    const content = Buffer.alloc((2 << 20) + 3, 'abc');
    const file = system.openSync(`${temporaryDirectory()}/f`, 'create');
    await file.write(content, 0, content.length, 0);
    const target = Buffer.alloc(content.length);
    expect(await file.read(target, 0, target.length, 0)).toBe(content.length);
    expect(target.equals(content)).toBe(true);
    file.closeSync();
  });

  test('modes: create must not find the file, update and read must', async () => {
    const dir = temporaryDirectory();
    expect(() => system.openSync(`${dir}/f`, 'update')).toThrow(code('FILE_NOT_FOUND'));
    system.openSync(`${dir}/f`, 'create').closeSync();
    await expect(system.open(`${dir}/f`, 'create')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const file = await system.open(`${dir}/f`, 'read');
    expect(() => file.writeSync(bytes('x'), 0, 1, 0)).toThrow(code('IO'));
    file.closeSync();
  });
});

describe('errors name the call, the path and the cause', () => {
  test.each([
    ['ENOENT', 'FILE_NOT_FOUND'],
    ['ENOTDIR', 'FILE_NOT_FOUND'],
    ['EACCES', 'PERMISSION'],
    ['EPERM', 'PERMISSION'],
    ['EROFS', 'PERMISSION'],
    ['ENOSPC', 'NO_SPACE'],
    ['EDQUOT', 'NO_SPACE'],
    ['EEXIST', 'ALREADY_EXISTS'],
    ['EISDIR', 'IO'],
    ['EMFILE', 'IO'],
    ['EIO', 'IO'],
    ['EWHATEVER', 'IO'],
  ])('%s is %s', (errno, expected) => {
    const cause = Object.assign(new Error(`${errno}: from the system`), { code: errno });
    const error = systemError(cause, 'open', '/some/path');
    expect(error.code).toBe(expected);
    expect(error.message).toMatch(new RegExp(`^Could not open /some/path: .*${errno}`));
    expect(error.cause).toBe(cause);
  });

  test('a full device is NO_SPACE', async () => {
    const file = system.openSync('/dev/full', 'update');
    expect(() => file.writeSync(bytes('x'), 0, 1, 0)).toThrow(code('NO_SPACE'));
    await expect(file.write(bytes('x'), 0, 1, 0)).rejects.toMatchObject({ code: 'NO_SPACE' });
    file.closeSync();
  });
});

describe('directories', () => {
  test('list, make, link, rename, remove, stat', async () => {
    const dir = temporaryDirectory();
    system.mkdirSync(`${dir}/a/b`);
    system.mkdirSync(`${dir}/a/b`);
    fs.writeFileSync(`${dir}/a/f`, '12345');
    system.linkSync(`${dir}/a/f`, `${dir}/a/g`);
    expect(() => system.linkSync(`${dir}/a/f`, `${dir}/a/g`)).toThrow(code('ALREADY_EXISTS'));
    expect(system.statSync(`${dir}/a/g`)).toMatchObject({ bytes: 5, isFile: true, isDirectory: false });
    expect(system.statSync(`${dir}/a/g`).identity).toBe(system.statSync(`${dir}/a/f`).identity);
    system.renameSync(`${dir}/a/g`, `${dir}/a/h`);
    system.unlinkSync(`${dir}/a/f`);
    expect(() => system.unlinkSync(`${dir}/a/f`)).toThrow(code('FILE_NOT_FOUND'));
    expect(system.readdirSync(`${dir}/a`).sort()).toEqual(['b', 'h']);
    expect(system.statSync(`${dir}/a/b`).isDirectory).toBe(true);
    expect(system.existsSync(`${dir}/a/f`)).toBe(false);
    expect(system.existsSync(`${dir}/a/h/under-a-file`)).toBe(false);
    system.syncDirectorySync(dir);
    await system.syncDirectory(dir);
    await expect(system.syncDirectory(`${dir}/none`)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(system.freeBytesSync(dir)).toBeGreaterThan(0);
  });
});

describe('clock and random', () => {
  test('sleep waits, and ends early with ABORTED', async () => {
    const start = nodeEnv.clock.monotonicMs();
    await nodeEnv.clock.sleep(15);
    expect(nodeEnv.clock.monotonicMs() - start).toBeGreaterThan(10);
    const stop = new AbortController();
    const wait = nodeEnv.clock.sleep(60_000, stop.signal);
    stop.abort('enough');
    await expect(wait).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' });
    await expect(nodeEnv.clock.sleep(1, stop.signal)).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('after calls once, unless cancelled', async () => {
    const calls: string[] = [];
    nodeEnv.clock.after(1, () => calls.push('a'));
    nodeEnv.clock.after(1, () => calls.push('b'))();
    await nodeEnv.clock.sleep(20);
    expect(calls).toEqual(['a']);
  });

  test('random', () => {
    expect(nodeEnv.random.hex(16)).toMatch(/^[0-9a-f]{32}$/);
    expect(nodeEnv.random.hex(16)).not.toBe(nodeEnv.random.hex(16));
    const n = nodeEnv.random.float();
    expect(n >= 0 && n < 1).toBe(true);
    const [before, now, after] = [Date.now(), nodeEnv.clock.nowMs(), Date.now()];
    expect(now >= before && now <= after).toBe(true);
  });
});

describe('the faulty file system of other tests', () => {
  test('fails the calls it was told to, by operation, path and turn, and records all', () => {
    const faulty = new FaultyFileSystem(system);
    const dir = temporaryDirectory();
    faulty.fail({ op: 'write', path: /\.wal$/, errno: 'ENOSPC', after: 1, times: 2, writtenBytes: 2 });
    const file = faulty.openSync(`${dir}/a.wal`, 'create');
    const other = faulty.openSync(`${dir}/b.sst`, 'create');
    file.writeSync(bytes('abc'), 0, 3, 0);
    other.writeSync(bytes('abc'), 0, 3, 0);
    expect(() => file.writeSync(bytes('xyz'), 0, 3, 0)).toThrow(code('NO_SPACE'));
    expect(fs.readFileSync(`${dir}/a.wal`, 'utf8')).toBe('xyc');
    expect(() => file.writeSync(bytes('xyz'), 0, 3, 0)).toThrow(code('NO_SPACE'));
    file.writeSync(bytes('xyz'), 0, 3, 0);
    expect(faulty.count('write', /a\.wal$/)).toBe(4);
    expect(faulty.calls.filter(({ failed }) => failed)).toHaveLength(2);
    faulty.freeBytes = 5;
    expect(faulty.freeBytesSync(dir)).toBe(5);
    faulty.heal();
    expect(faulty.freeBytesSync(dir)).toBeGreaterThan(5);
  });
});
