/** How far a replica is behind the log, in what an operator asks for. */

import type { Clock } from '../base/env/env.ts';
import { isSluiceError } from '../base/errors.ts';
import type { Backlog, LogEntry } from './log/shared-log.ts';
import { entryTimeMs } from './record/entry.ts';

/** Undefined: the log does not answer, or does not tell any more. */
export interface ReplicaLag {
  /** As the log counts: one for an entry, and others for what it has beside entries. */
  readonly revisions: number | undefined;
  /** Transactions that are neither applied here nor refused. */
  readonly records: number | undefined;
  /** Of those, with the files that they name. */
  readonly bytes: number | undefined;
  /** The age of the oldest of them, by the clock of the node that appended it; where none has come here, for how long that is known. */
  readonly seconds: number;
}

export class Lag {
  readonly #clock: Clock;
  /** What is being applied, or could not be. */
  #entry: LogEntry | undefined;
  /** Since when the log is known to have more. */
  #sinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(entry: LogEntry): void {
    this.#entry = entry;
  }

  end(): void {
    this.#entry = undefined;
  }

  /** @param backlog after a revision that was applied when it was asked; `revision`: applied now */
  of(backlog: Backlog | undefined, revision: number): ReplicaLag {
    if (backlog !== undefined && backlog.head <= revision) {
      this.#sinceMs = undefined;
      return { revisions: 0, records: 0, bytes: 0, seconds: 0 };
    }
    if (backlog !== undefined) this.#sinceMs ??= this.#clock.monotonicMs();
    return {
      revisions: backlog && backlog.head - revision,
      records: backlog?.records,
      bytes: backlog?.bytes,
      seconds: Math.max(0, this.#behindMs()) / 1000,
    };
  }

  #behindMs(): number {
    const proposedMs = this.#entry && timeOf(this.#entry);
    if (proposedMs !== undefined) return this.#clock.nowMs() - proposedMs;
    return this.#sinceMs === undefined ? 0 : this.#clock.monotonicMs() - this.#sinceMs;
  }
}

/** Undefined of one that cannot be read: the replica has halted for it, and says so. */
function timeOf(entry: LogEntry): number | undefined {
  try {
    return entryTimeMs(entry.bytes);
  } catch (error) {
    if (isSluiceError(error)) return undefined;
    throw error;
  }
}
