/** What a database held at each of its versions. */

import { isSluiceError, type Snapshot } from '../../src/index.ts';
import type { TextDb } from '../base/database.ts';
import { State } from './oracle.ts';

export interface SnapshotPair {
  readonly snapshot: Snapshot;
  readonly state: State;
}

export class Past {
  /** Each state is that of its version and of all before the next one in the list. */
  readonly #states: { readonly version: number; readonly state: State }[] = [
    { version: 0, state: new State() },
  ];

  note(version: number, state: State): void {
    if (version !== this.#states.at(-1)?.version) this.#states.push({ version, state });
  }

  /** Of the state so many before the newest; none where there is none, or it is not kept and refused. */
  snapshots(db: TextDb, back: number): SnapshotPair[] {
    const past = this.#states.at(-1 - back);
    return past === undefined ? [] : this.snapshotsAt(db, past.version);
  }

  /** @throws Error when what is kept is refused, or taken at another state, or what is not kept is not refused. */
  snapshotsAt(db: TextDb, at: number): SnapshotPair[] {
    const { oldestReadableVersion: oldest } = db.stats();
    const past = this.#states.findLast(({ version }) => version <= at);
    try {
      const snapshot = db.snapshot({ at });
      if (past !== undefined && at >= oldest && snapshot.version >= past.version && snapshot.version <= at)
        return [{ snapshot, state: past.state }];
      throw new Error(`the snapshot at ${at} is at ${snapshot.version}; ${oldest} is the oldest`);
    } catch (error) {
      if (isSluiceError(error, 'TOO_OLD') && at < oldest) return [];
      throw error;
    }
  }
}
