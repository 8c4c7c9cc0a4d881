/** What goes wrong with a node's files and its disk. */

import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { SeededRandom } from '../../base/seeded-random.ts';
import { backUp, type Fault, pickNode } from './scene.ts';

const damageTable: Fault = {
  name: "a node's table is damaged or gone while it is down",
  async strike(scene) {
    const node = pickNode(scene);
    await node.kill();
    damageOneOf(join(node.dir, 'db', 'tables'), scene.random);
    return () => backUp(node, scene, true);
  },
};

/** Whoever reads it finds out, and says so; what it had applied before is right, and it is made anew. */
const damageTableInUse: Fault = {
  name: "a node's table is damaged or gone while it is up",
  async strike(scene) {
    const node = pickNode(scene);
    await node.ask('expectDamage');
    damageOneOf(join(node.dir, 'db', 'tables'), scene.random);
    return async () => {
      await node.kill();
      node.forget();
      await backUp(node, scene, true);
    };
  },
};

/** Of a file that was ingested: peers find out by its digest; the node itself may need it when it opens again. */
const damageOriginal: Fault = {
  name: "a node's original of a file is damaged or gone",
  async strike(scene) {
    const node = pickNode(scene);
    const originals = join(node.dir, 'cluster', 'files');
    await node.ask('expectDamage');
    damageOneOf(originals, scene.random, (path) => {
      // The table is the same file by another name, and is to stay whole.
      const bytes = readFileSync(path);
      rmSync(path);
      writeFileSync(path, bytes);
    });
    return async () => {
      await node.kill();
      await backUp(node, scene, true);
    };
  },
};

const loseDirectory: Fault = {
  name: "a node's directory is gone",
  async strike(scene) {
    const node = pickNode(scene);
    await node.kill();
    node.forget();
    return async () => {
      await node.restart(scene.newRun);
      // Until it has what it had, losing another would be losing two.
      await node.state(scene.epoch);
    };
  },
};

/** It halts, or waits; it goes on being read, and does not end. */
const fillDisk: Fault = {
  name: "a node's disk is full",
  async strike(scene) {
    const node = pickNode(scene);
    if (node.disk === undefined) await node.ask('fillDisk');
    else node.disk.fill(scene.random.below(200_000));
    return async () => {
      await node.ask('read');
      node.disk?.free();
      await node.restart(scene.newRun);
    };
  },
};

function damageOneOf(
  dir: string,
  random: SeededRandom,
  before: (path: string) => void = () => undefined,
): void {
  const files = readdirSync(dir);
  if (files.length === 0) return;
  const path = join(dir, random.pick(files));
  try {
    before(path);
    damage(path, random);
  } catch (error) {
    // Compacted away meanwhile.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

function damage(path: string, random: SeededRandom): void {
  const { size } = statSync(path);
  const how = random.below(3);
  if (how === 0) rmSync(path);
  else if (how === 1) truncateSync(path, random.below(size));
  else {
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.from([random.below(256), 255, 0, random.below(256)]), 0, 4, random.below(size));
    closeSync(file);
  }
}

export const FILE_FAULTS: readonly Fault[] = [
  damageTable,
  damageTableInUse,
  damageOriginal,
  loseDirectory,
  fillDisk,
];
