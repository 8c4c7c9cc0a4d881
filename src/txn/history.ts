/**
 * Which past versions can be read: from `oldestReadable` on all of them, whatever compaction does meanwhile.
 *
 * `keepHistoryMs` says which versions were current that long ago, so that garbage collection keeps what was visible since.
 * What was visible when is known from samples. Between two of them the older one counts, and before the first nothing is
 * known: after an open everything that is readable is kept until the time has passed once.
 *
 * L4: whatever takes away what a reader at a version would see says so with `giveUp`, in the turn in which it fixes what may
 * go: a snapshot opened there later would be one that it did not ask for. The manifest has the version in every edit, so in
 * those too by which something is gone: no open after it offers more. `db.snapshot({ at })` asks and pins in one turn.
 */

import { SluiceError } from '../base/errors.ts';
import type { CommitBlockRow, Edit } from '../manifest/rows.ts';
import { NO_VERSION, type Version, versionOf } from '../mvcc/version.ts';

/** So many samples cover the time that is kept. */
const SAMPLES = 64;
/** Rows that one edit drops beside what it is for. */
const BLOCKS_DROPPED_MAX = 256;

type CommitBlocks = ReadonlyMap<Version, CommitBlockRow>;

export class History {
  readonly #keepMs: number;
  /** Ascending in time and version. */
  readonly #samples: { readonly atMs: number; readonly version: Version }[] = [];
  #oldestReadable: Version = NO_VERSION;

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** At this version and every later one that is visible the state can be read. Always that of a whole commit. */
  get oldestReadable(): Version {
    return this.#oldestReadable;
  }

  /** What is taken away from now on, no version from the horizon on needs. */
  giveUp(horizon: Version): void {
    if (horizon > this.#oldestReadable) this.#oldestReadable = horizon;
  }

  /** `visible` is the visible version at `nowMs`, monotonic. */
  sample(nowMs: number, visible: Version): void {
    if (this.#keepMs === 0) return;
    const newest = this.#samples.at(-1);
    if (newest !== undefined && nowMs - newest.atMs < this.#keepMs / SAMPLES) return;
    this.#samples.push({ atMs: nowMs, version: visible });
    const start = nowMs - this.#keepMs;
    while ((this.#samples[1]?.atMs ?? Number.POSITIVE_INFINITY) <= start) this.#samples.shift();
  }

  /** At this version and every later one reads must stay possible. Nothing below `oldestReadable` is kept. */
  horizon(nowMs: number, visible: Version): Version {
    if (this.#keepMs === 0) return visible;
    const start = nowMs - this.#keepMs;
    let horizon = this.#oldestReadable;
    for (const { atMs, version } of this.#samples) if (atMs <= start && version > horizon) horizon = version;
    return horizon;
  }

  /** Edits by which the manifest forgets commits that nobody can read in the middle of any more. */
  forgetting(blocks: CommitBlocks): Edit[] {
    const edits: Edit[] = [];
    for (const last of blocks.keys()) {
      if (last > this.#oldestReadable || edits.length === BLOCKS_DROPPED_MAX) break;
      edits.push({ kind: 'dropCommitBlock', last });
    }
    return edits;
  }

  /**
   * The newest commit version ≤ `at`. A version in the middle of a commit is none (L1); a hole is an empty commit.
   * @throws SluiceError TOO_NEW, TOO_OLD
   */
  commitAt(at: number, visible: Version, blocks: CommitBlocks): Version {
    if (at > visible) {
      const message = `Version ${at} is not visible here: the newest is ${visible}. A read-only database sees what is newer after refresh()`;
      throw new SluiceError('TOO_NEW', message);
    }
    const version = commitUpTo(at, blocks);
    if (version < this.#oldestReadable) {
      const message = `Version ${at} is not kept: the oldest that can be read is ${this.#oldestReadable}. Open with a longer keepHistoryMs to keep more from now on`;
      throw new SluiceError('TOO_OLD', message, { retryable: false });
    }
    return version;
  }
}

function commitUpTo(at: number, blocks: CommitBlocks): Version {
  for (const { first, last } of blocks.values()) {
    if (last > at) return versionOf(first <= at ? first - 1 : at);
  }
  return versionOf(at);
}
