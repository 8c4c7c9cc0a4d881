/** A public snapshot: the state at one commit version, until it is closed. */

import { checkOptions } from '../base/arguments.ts';
import { SluiceError } from '../base/errors.ts';
import type { Version } from '../mvcc/version.ts';
import type { ReadSource } from './read-source.ts';

/** The engine that made a snapshot. A read-only database gets another one with each refresh, over the same manifest. */
export interface SnapshotOwner {
  readonly manifest: object;
  readonly reader: ReadSource;
  /** What it tells its readers once it is no more, and another one has taken its place. */
  readonly endedBy: SluiceError | undefined;
}

export interface SnapshotOptions {
  /** A past version, as commits resolve with it, instead of now. Of one between two commits: the older. */
  readonly at?: number;
}

/** @throws TypeError */
export function checkSnapshotOptions(options: SnapshotOptions): void {
  checkOptions(options);
  const { at } = options;
  if (at === undefined || (Number.isSafeInteger(at) && at >= 0)) return;
  throw new TypeError(`options.at must be a version, a whole number; got ${String(at)}`);
}

export class Snapshot implements Disposable, AsyncDisposable {
  /** The commit version that reads with this snapshot see. */
  readonly version: Version;
  #release: (() => void) | undefined;
  /** A snapshot of one database is no use to another. */
  readonly #owner: SnapshotOwner;

  /** For the database; users call `db.snapshot()`. */
  constructor(version: Version, owner: SnapshotOwner, release: () => void) {
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

  /** Where to read with it: where it was made, as long as that is the same database, though refreshed since. */
  static sourceOf(snapshot: unknown, owner: SnapshotOwner): ReadSource {
    if (!(snapshot instanceof Snapshot)) return owner.reader;
    if (snapshot.#owner.endedBy !== undefined) throw snapshot.#owner.endedBy;
    if (snapshot.#owner.manifest !== owner.manifest) return owner.reader;
    return snapshot.#owner.reader;
  }

  /** @throws SluiceError CLOSED; TypeError when it is another database's. */
  static check(snapshot: unknown, owner: object): asserts snapshot is Snapshot {
    if (!(snapshot instanceof Snapshot)) throw new TypeError('options.snapshot must come from db.snapshot()');
    if (snapshot.#owner !== owner) throw new TypeError('options.snapshot belongs to another database');
    if (snapshot.closed) throw new SluiceError('CLOSED', 'The snapshot is closed; take a new one');
  }
}
