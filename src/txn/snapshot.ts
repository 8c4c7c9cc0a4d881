/** A public snapshot: the state at one commit version, until it is closed. */

import { SluiceError } from '../base/errors.ts';
import type { Version } from '../mvcc/version.ts';

export class Snapshot implements Disposable, AsyncDisposable {
  /** The commit version that reads with this snapshot see. */
  readonly version: Version;
  #release: (() => void) | undefined;
  /** The open database that made it: a snapshot of one is no use to another. */
  readonly #owner: object;

  /** For the database; users call `db.snapshot()`. */
  constructor(version: Version, owner: object, release: () => void) {
    this.version = version;
    this.#owner = owner;
    this.#release = release;
  }

  get closed(): boolean {
    return this.#release === undefined;
  }

  /** Lets go of what only this snapshot still needs. Closing twice is fine. */
  close(): void {
    this.#release?.();
    this.#release = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** @throws SluiceError CLOSED; TypeError when it is another database's. */
  static check(snapshot: unknown, owner: object): asserts snapshot is Snapshot {
    if (!(snapshot instanceof Snapshot)) throw new TypeError('options.snapshot must come from db.snapshot()');
    if (snapshot.#owner !== owner) throw new TypeError('options.snapshot belongs to another database');
    if (snapshot.closed) throw new SluiceError('CLOSED', 'The snapshot is closed; take a new one');
  }
}
