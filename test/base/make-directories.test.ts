/** Directories made on the way to a database: a loss of power takes none of them away with what was committed. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeDirectories } from '../../src/base/env/make-directories.ts';
import { SluiceError } from '../../src/base/errors.ts';
import { type Disk, NOTHING_UNSYNCED } from '../simulation/disk.ts';
import { IDEAL } from '../simulation/file-system.ts';
import { withMachine } from '../simulation/machine.ts';
import { openText } from './database.ts';
import { SeededRandom } from './seeded-random.ts';

test('open() makes the directories above a new database durable', () =>
  withMachine(async (machine) => {
    const path = join(machine.root, 'a/b/c/db');
    const env = machine.env(machine.fileSystem(), new SeededRandom(1));
    const db = await openText(path, { env });
    await db.put('key', 'value');
    const left = machine.disk.afterCrash(NOTHING_UNSYNCED);
    expect(left.directory(join(path, 'manifest'))).toBeDefined();
    expect(left.directory(join(path, 'wal'))?.names.size).toBe(1);
    await db.close();
  }));

test('whatever a killed process has made of the path, the next one makes it durable', () =>
  withMachine(async (machine) => {
    const path = join(machine.root, 'a/b/c');
    const images: Disk[] = [];
    const onCall = (): undefined => {
      images.push(machine.disk.image());
    };
    makeDirectories(machine.fileSystem({ ...IDEAL, onCall }), path);
    expect(images.length).toBeGreaterThan(6);
    for (const image of images) {
      machine.disk = image;
      makeDirectories(machine.fileSystem(), path);
      const left = image.afterCrash(NOTHING_UNSYNCED).directory(path);
      // Where all of it was made before, a sync that the killed process owed is that of the creation itself.
      if (image !== images.at(-1)) expect(left).toBeDefined();
    }
  }));

test('a directory above that may not be read is no obstacle, one that fails to sync is', () =>
  withMachine(async (machine) => {
    const path = join(machine.root, 'a/b');
    const failing = (code: 'PERMISSION' | 'IO') => {
      const fs = machine.fileSystem();
      const sync = fs.syncDirectorySync.bind(fs);
      fs.syncDirectorySync = (directory) => {
        if (directory === join(machine.root, '..')) throw new SluiceError(code, 'it may not be opened');
        sync(directory);
      };
      return fs;
    };
    expect(() => makeDirectories(failing('IO'), path)).toThrow('may not be opened');
    makeDirectories(failing('PERMISSION'), path);
    expect(machine.disk.afterCrash(NOTHING_UNSYNCED).directory(path)).toBeDefined();
  }));
