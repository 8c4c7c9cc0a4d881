/**
 * Transactions that may still commit what they have read. The oldest of their snapshots is how far back the conflict
 * window must reach; when the window is full, the oldest is told that it came too late.
 */

import { NO_VERSION, type Version } from '../mvcc/version.ts';

export interface ActiveTransaction {
  readonly snapshotVersion: Version;
  /** The window no longer reaches back to its snapshot: its commit will fail with TOO_OLD. */
  tooOld: boolean;
}

export class ActiveTransactions {
  /** In order of beginning, which is also the order of their snapshots. */
  readonly #transactions = new Set<ActiveTransaction>();
  /** In a cluster: how far back the window reaches whoever is active here. */
  horizon: (() => Version) | undefined;

  get count(): number {
    return this.#transactions.size;
  }

  add(transaction: ActiveTransaction): void {
    this.#transactions.add(transaction);
  }

  remove(transaction: ActiveTransaction): void {
    this.#transactions.delete(transaction);
  }

  /** Snapshots from this on must find their conflicts in the window; `visible` when nobody is older. */
  oldestNeeded(visible: Version): Version {
    if (this.horizon !== undefined) return this.horizon();
    for (const transaction of this.#transactions) return transaction.snapshotVersion;
    return visible;
  }

  /** Gives up the oldest snapshot: all transactions that have it. Returns false when there was none. */
  giveUpOldest(): boolean {
    let version: Version = NO_VERSION;
    for (const transaction of this.#transactions) {
      if (version !== NO_VERSION && transaction.snapshotVersion !== version) break;
      version = transaction.snapshotVersion;
      transaction.tooOld = true;
      this.#transactions.delete(transaction);
    }
    return version !== NO_VERSION;
  }
}
