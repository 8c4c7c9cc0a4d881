/** Puts log records into memtables: at publication, and at recovery. One path, so that both mean the same. */

import type { Tree } from '../levels/tree.ts';
import { TYPE_DELETE, TYPE_VALUE } from '../mvcc/internal-key.ts';
import type { Version } from '../mvcc/version.ts';
import type { Engine } from './engine.ts';
import type { RecordVisitor } from './record.ts';

export class Applier implements RecordVisitor {
  readonly #engine: Engine;
  #segmentId = 0;
  /** undefined: the section's tree is dropped, or has flushed this version already. */
  #tree: Tree | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  segment(id: number): void {
    this.#segmentId = id;
  }

  /** The tree is resolved now, in version order, from the pointer history. */
  section(keyspace: string, version: Version, operations: number, dataBytes: number): void {
    const tree = this.#engine.catalog.treeAt(keyspace, version);
    this.#tree = tree;
    if (tree === undefined) return;
    if (version <= tree.flushedThrough) {
      this.#tree = undefined;
      return;
    }
    // All of a commit's puts to a tree are in one memtable: a flush moves `flushedThrough` past the whole version.
    tree.reserve(operations, dataBytes);
    this.#engine.flusher.note(this.#segmentId, tree.id, version);
  }

  put(
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    valueStart: number,
    valueLength: number,
    version: Version,
  ): void {
    this.#tree?.insert(bytes, keyStart, keyLength, version, TYPE_VALUE, bytes, valueStart, valueLength);
  }

  del(bytes: Uint8Array, keyStart: number, keyLength: number, version: Version): void {
    this.#tree?.insert(bytes, keyStart, keyLength, version, TYPE_DELETE, bytes, 0, 0);
  }
}
