/**
 * Which tree a keyspace's name means, at every version: the pointer histories of the manifest in memory, and the trees
 * that they point to (docs/ARCHITECTURE.md "Data model").
 */

import { assert } from '../base/assert.ts';
import type { SluiceError } from '../base/errors.ts';
import type { Tree } from '../levels/tree.ts';
import type { DatasetRow, KeyspaceRow, PointerChange, TreeId } from '../manifest/rows.ts';
import type { Version } from '../mvcc/version.ts';
import { keyspaceNotFound } from './keyspace-options.ts';

const NAME_BYTES_MAX = 255;

/** What a replica of a cluster has applied (cluster/position.ts). Nobody sees it or writes to it otherwise. */
export const RESERVED_KEYSPACE = '~cluster';

export class Catalog {
  readonly #histories = new Map<string, readonly PointerChange[]>();
  readonly #trees = new Map<TreeId, Tree>();
  readonly #datasets = new Map<string, DatasetRow>();
  /** Of datasets' versions. */
  readonly #published = new Set<TreeId>();

  addTree(tree: Tree): void {
    this.#trees.set(tree.id, tree);
  }

  removeTree(id: TreeId): void {
    this.#trees.delete(id);
    this.#published.delete(id);
  }

  setHistory(row: KeyspaceRow): void {
    assert(row.history.length > 0, `the keyspace ${row.name} has no history`);
    this.#histories.set(row.name, row.history);
  }

  removeKeyspace(name: string): void {
    this.#histories.delete(name);
  }

  setDataset(row: DatasetRow): void {
    this.#datasets.set(row.name, row);
    for (const { tree } of row.versions) this.#published.add(tree);
  }

  removeDataset(name: string): void {
    this.#datasets.delete(name);
  }

  dataset(name: string): DatasetRow | undefined {
    return this.#datasets.get(name);
  }

  datasets(): Iterable<DatasetRow> {
    return this.#datasets.values();
  }

  /** A dataset's version, kept or dropped: nothing is written to it. */
  isPublished(id: TreeId): boolean {
    return this.#published.has(id);
  }

  historyOf(name: string): readonly PointerChange[] | undefined {
    return this.#histories.get(name);
  }

  /** The tree that a reader at `version` sees; undefined where the name meant nothing then. */
  treeAt(name: string, version: Version): Tree | undefined {
    const history = this.#histories.get(name);
    if (history === undefined) return undefined;
    for (let i = history.length - 1; i >= 0; i--) {
      const change = history[i] as PointerChange;
      if (change.version <= version) return change.tree === null ? undefined : this.#trees.get(change.tree);
    }
    return undefined;
  }

  /** The tree that a commit at the next version writes to. L6: a blind writer binds to the generation of its version. */
  newest(name: string): Tree | undefined {
    const change = this.#histories.get(name)?.at(-1);
    return change === undefined || change.tree === null ? undefined : this.#trees.get(change.tree);
  }

  /** @throws SluiceError KEYSPACE_NOT_FOUND */
  requireNewest(name: string): Tree {
    const tree = this.newest(name);
    if (tree !== undefined) return tree;
    throw this.notFound(name);
  }

  /** KEYSPACE_NOT_FOUND, with the names that may have been meant. */
  notFound(name: string): SluiceError {
    const isThere = (other: string): boolean =>
      other !== RESERVED_KEYSPACE && this.newest(other) !== undefined;
    return keyspaceNotFound(name, [...this.#histories.keys()].filter(isThere).sort());
  }

  tree(id: TreeId): Tree | undefined {
    return this.#trees.get(id);
  }

  trees(): Iterable<Tree> {
    return this.#trees.values();
  }

  /** Keyspaces that exist at `version`, sorted. */
  names(version: Version): string[] {
    const exists = (name: string): boolean => this.treeAt(name, version) !== undefined;
    return [...this.#histories.keys()].filter((name) => name !== RESERVED_KEYSPACE && exists(name)).sort();
  }
}

export function checkKeyspaceName(name: unknown, argument: string): asserts name is string {
  if (typeof name !== 'string') throw new TypeError(`${argument} must be a string; got ${typeof name}`);
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > NAME_BYTES_MAX) {
    throw new TypeError(`${argument} must have 1 to ${NAME_BYTES_MAX} bytes; got ${bytes}`);
  }
  if (name === RESERVED_KEYSPACE)
    throw new TypeError(`${argument} must not be ${name}, which a cluster keeps to itself`);
}
