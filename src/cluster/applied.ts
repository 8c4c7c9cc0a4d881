/** How far this replica has applied the log, whoever waits for it to be further, and what it had at which revision. */

import type { Comparison } from './divergence.ts';
import type { MemberState } from './log/shared-log.ts';

/** So many of the newest entries' digests are kept to hold against those of others. */
const DIGESTS_KEPT = 4096;

interface Waiting {
  readonly revision: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Applied {
  #revision: number;
  /** '' until the first entry since this replica was opened. */
  #digest = '';
  readonly #digests = new Map<number, string>();
  #waiting: Waiting[] = [];
  #ended: { readonly error: unknown } | undefined;

  constructor(revision: number) {
    this.#revision = revision;
  }

  /** The newest entry that is applied whole and visible. */
  get revision(): number {
    return this.#revision;
  }

  /** Over all records through that. */
  get digest(): string {
    return this.#digest;
  }

  advance(revision: number, digest: Uint8Array): void {
    this.#revision = revision;
    this.#digest = Buffer.from(digest).toString('hex');
    this.#digests.set(revision, this.#digest);
    for (const oldest of this.#digests.keys()) {
      if (this.#digests.size <= DIGESTS_KEPT) break;
      this.#digests.delete(oldest);
    }
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((each) => each.revision > revision);
    for (const each of waiting) if (each.revision <= revision) each.resolve();
  }

  reach(revision: number): Promise<void> {
    if (revision <= this.#revision) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (this.#ended === undefined) this.#waiting.push({ revision, resolve, reject });
      else reject(this.#ended.error);
    });
  }

  end(error: unknown): void {
    this.#ended ??= { error };
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** Whether a member had at its revision what this replica had there; undefined: it is further, or it is too long ago. */
  compare({ appliedRevision, digest }: MemberState): Comparison | undefined {
    const own = this.#digests.get(appliedRevision);
    return own === undefined || digest === ''
      ? undefined
      : { revision: appliedRevision, agrees: own === digest };
  }
}
