/** What a tree holds: every entry that is not collected, with its version. */

import type { Tree } from '../../src/levels/tree.ts';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { mergeCursors } from '../../src/mvcc/merge.ts';
import type { Engine } from '../../src/txn/engine.ts';

export interface TreeEntry {
  readonly key: Buffer;
  readonly version: number;
  /** undefined: a tombstone. */
  readonly value: Buffer | undefined;
}

export function engineOf(db: object): Engine {
  return (db as unknown as { engine(): Engine }).engine();
}

/** In key order, the newest of a key first. */
export async function* entriesOf(engine: Engine, tree: Tree): AsyncGenerator<TreeEntry> {
  // What it holds stays while it is read, flushed or not.
  const held = tree.scan(undefined, undefined, engine.visible);
  for (const unused of held.cursors) unused.close();
  const cursor = mergeCursors(tree.view.cursors(undefined, undefined, engine.visible));
  try {
    while (cursor.first() === PENDING) await cursor.load();
    while (cursor.valid) {
      const { keyBytes, keyStart, keyLength, version, type, valueBytes, valueStart, valueLength } = cursor;
      const key = Buffer.from(keyBytes.subarray(keyStart, keyStart + keyLength));
      const value = Buffer.from(valueBytes.subarray(valueStart, valueStart + valueLength));
      yield { key, version, value: type === 0 ? undefined : value };
      while (cursor.next() === PENDING) await cursor.load();
    }
  } finally {
    cursor.close();
    held.release();
  }
}
