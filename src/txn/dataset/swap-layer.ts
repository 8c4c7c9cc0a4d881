/** What statements on datasets are among the layers of a transaction. */

import type { Tree } from '../../levels/tree.ts';

/** From here on the keyspace is what a version of its dataset has. REQUIRES: no layer below writes to the keyspace. */
export class SwapLayer {
  readonly kind = 'swap';
  readonly keyspace: string;
  /** The version, and its tree. */
  readonly id: number;
  readonly tree: Tree;
  /** The version that must be live until the commit; undefined: any. */
  readonly from: number | undefined;

  constructor(keyspace: string, id: number, tree: Tree, from: number | undefined) {
    this.keyspace = keyspace;
    this.id = id;
    this.tree = tree;
    this.from = from;
  }
}

/** The files of an ingest as a version of a dataset. */
export interface PublishedVersion {
  /** undefined: the next. */
  readonly id: number | undefined;
  readonly message: string | undefined;
  /** Whether it is live from the commit on. */
  readonly activate: boolean;
  /** Of a delta: the version that it goes on, which has this tree; undefined: a base. */
  readonly on: { readonly id: number; readonly tree: Tree } | undefined;
  /** Versions that are kept with it; undefined: all. */
  readonly keepVersions: number | undefined;
}
