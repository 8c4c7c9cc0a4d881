/** A dataset inside a transaction: which of its versions is live, as a statement among others. */

import { SluiceError } from '../../base/errors.ts';
import type { TransactionCore } from '../transaction.ts';
import { checkVersionId, liveAt, previousOf, requireVersion } from './rows.ts';
import { SwapLayer } from './swap-layer.ts';

export class TransactionDataset {
  readonly name: string;
  readonly #core: TransactionCore;

  /** For the transaction; users call `txn.dataset(name)`. */
  constructor(core: TransactionCore, name: string) {
    this.#core = core;
    this.name = name;
  }

  /**
   * From here on the keyspace is what the version has: what was published, without what was written to the keyspace since.
   * It costs as much as the version has tables, whatever they hold. A transaction that read the keyspace before, or wrote
   * to it and read anything, conflicts with the commit.
   *
   * @throws SluiceError DATASET_VERSION_NOT_FOUND; BUSY after writes of this transaction to the keyspace, which would be lost
   */
  activate(version: number): void {
    checkVersionId(version, 'version');
    this.#swap(version, undefined);
  }

  /**
   * `activate` of the version published before the live one, which must still be live at the commit. Returns its number.
   *
   * @throws SluiceError DATASET_VERSION_NOT_FOUND where none is kept; BUSY as `activate`
   */
  rollback(): number {
    const core = this.#core;
    const row = core.engine.catalog.dataset(this.name);
    const own = core.overlay.swapOf(this.name);
    const live = liveAt(row, core.snapshotVersion);
    const version = previousOf(row, this.name, own?.id ?? live);
    this.#swap(version, own === undefined ? live : own.from);
    return version;
  }

  #swap(id: number, from: number | undefined): void {
    const core = this.#core;
    core.checkWritable();
    const { catalog } = core.engine;
    const { tree: treeId } = requireVersion(catalog.dataset(this.name), this.name, id, core.snapshotVersion);
    const tree = catalog.tree(treeId);
    if (tree === undefined) throw new SluiceError('CORRUPTION', `The manifest has no tree ${treeId}`);
    if (core.overlay.writtenKeyspaces().has(this.name)) {
      const message = `What the transaction wrote to ${JSON.stringify(this.name)} would be lost; change its version first, or in another transaction`;
      throw new SluiceError('BUSY', message);
    }
    core.overlay.swap(new SwapLayer(this.name, id, tree, from));
  }
}
