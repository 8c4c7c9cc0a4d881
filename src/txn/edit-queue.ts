/**
 * Edits of the manifest, one after the other: each is built against what the one before it has left installed, made durable without
 * holding the event loop, and installed in the turn in which that is known.
 *
 * So between a change's being built and its being installed no other change of tables, trees or pointers happens. Puts go on meanwhile,
 * as do reads, and compactions are picked: what these must not use in the meantime a change reserves in `begun`.
 */

import { assert } from '../base/assert.ts';
import { isSluiceError } from '../base/errors.ts';
import type { PreparedEdits } from '../manifest/manifest.ts';
import type { Edit } from '../manifest/rows.ts';
import type { Engine } from './engine.ts';
import type { Slot } from './publication.ts';

/** All functions are synchronous. */
export interface Change {
  readonly edits: readonly Edit[];
  /** What they make visible. */
  readonly slot?: Slot;
  /** With `durability: 'os'` puts of older versions are in the log, and not durable by that. */
  readonly needsLog?: boolean;
  /** In the turn in which it was built, when nothing but the disk can fail any more: what others must know from now on. */
  readonly begun?: () => void;
  /** The edits are durable. */
  readonly installed: () => void;
  /** They are not, and will not be; or nobody knows, if it had begun. The database is poisoned then. */
  readonly failed?: (error: unknown) => void;
}

/** What is to be done at its turn; undefined: nothing, after all. Synchronous. */
type Build = () => Change | undefined;

interface Waiting {
  readonly build: Build;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface UnderWay extends Waiting {
  readonly change: Change;
  readonly prepared: PreparedEdits;
  stage: 'log' | 'manifest';
}

export class EditQueue {
  readonly #engine: Engine;
  readonly #waiting: Waiting[] = [];
  #underWay: UnderWay | undefined;
  /** Nothing else is begun meanwhile. */
  #busy: 'building' | 'installing' | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Builds a change at its turn, which is now if no other waits or is under way; resolves when it is installed.
   *
   * @throws SluiceError what `build` throws; NO_SPACE, POISONED and nothing has changed; OUTCOME_UNKNOWN
   */
  submit(build: Build): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ build, resolve, reject });
      this.#pump();
    });
  }

  /** As `submit`, out of its turn and held until it is installed. For what is synchronous to its caller. */
  submitSync(build: Build): void {
    assert(this.#busy !== 'building', 'an edit is built within another');
    let failure: { readonly error: unknown } | undefined;
    const reject = (error: unknown): void => {
      failure = { error };
    };
    this.#during('building', () => {
      this.#finish();
      this.#begin({ build, resolve: () => undefined, reject });
      this.#finish();
    });
    this.#pump();
    if (failure !== undefined) throw failure.error;
  }

  /** Resolves when all that was submitted is installed or has failed. */
  async idle(): Promise<void> {
    while (this.#underWay !== undefined || this.#waiting.length > 0) {
      await this.submit(() => undefined);
    }
  }

  #pump(): void {
    while (this.#busy === undefined && this.#underWay === undefined) {
      if (this.#waiting.length === 0 || this.#waitsForLog()) return;
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#during('building', () => this.#begin(next));
    }
  }

  /** What is being written to the log is older than the next edit: see `#begin`. */
  #waitsForLog(): boolean {
    const { pipeline, settings } = this.#engine;
    const writing = settings.sync ? undefined : pipeline.writing;
    if (writing === undefined) return false;
    void writing.then(() => this.#pump());
    return true;
  }

  #during(what: 'building' | 'installing', run: () => void): void {
    const before = this.#busy;
    this.#busy = what;
    try {
      run();
    } finally {
      this.#busy = before;
    }
  }

  #begin(waiting: Waiting): void {
    const { manifest, pipeline, publication, settings } = this.#engine;
    let change: Change | undefined;
    let prepared: PreparedEdits | undefined;
    try {
      // L1: puts that have versions already are in the log before this change takes one. Were they written after the log is
      // synced for it, a loss of power would cost them, acknowledged, and leave the newer commit.
      if (!settings.sync && pipeline.writing === undefined) pipeline.writeNow();
      change = waiting.build();
      if (change !== undefined) {
        this.#engine.checkPoison();
        prepared = manifest.prepare(this.#engine.withCounters(change.edits, change.slot));
        change.begun?.();
      }
    } catch (error) {
      if (manifest.poisoned !== undefined) this.#engine.poison(error);
      change?.failed?.(error);
      waiting.reject(error);
      return;
    }
    if (change === undefined || prepared === undefined) {
      waiting.resolve();
      return;
    }
    // Of a replica, each: where versions of the log were lost, later commits would have others than elsewhere.
    const needsLog = (change.needsLog === true || publication.failStop) && !settings.sync;
    const underWay: UnderWay = { ...waiting, change, prepared, stage: needsLog ? 'log' : 'manifest' };
    this.#underWay = underWay;
    if (needsLog) {
      this.#engine.wal.sync().then(
        () => this.#logIsDurable(underWay),
        (error: unknown) => this.#settle(underWay, error),
      );
    } else this.#write(underWay);
  }

  #logIsDurable(underWay: UnderWay): void {
    if (underWay.stage !== 'log' || this.#underWay !== underWay) return;
    underWay.stage = 'manifest';
    this.#write(underWay);
  }

  #write(underWay: UnderWay): void {
    const { manifest, publication } = this.#engine;
    const { prepared } = underWay;
    manifest.start(prepared, (error) => this.#settle(underWay, error));
    if (this.#underWay !== underWay || prepared.counters.visibleVersion <= publication.visible) return;
    // L1: other processes see what such edits make visible as soon as they are durable. Installed in a later turn, a transaction could
    // begin here in between, after a read there has ended, and not see what that has seen. So where others read, the loop is held.
    if (manifest.oldestReaderCommitId() !== undefined) manifest.finish();
  }

  #settle(underWay: UnderWay, error: unknown): void {
    if (this.#underWay !== underWay) return;
    this.#underWay = undefined;
    const { change, resolve, reject } = underWay;
    try {
      if (error !== undefined) throw error;
      this.#during('installing', change.installed);
      resolve();
    } catch (cause) {
      // L9: after a failed sync of the log or the manifest nobody knows what the disk holds.
      if (isSluiceError(cause, 'OUTCOME_UNKNOWN') || isSluiceError(cause, 'POISONED'))
        this.#engine.poison(cause);
      if (error !== undefined) change.failed?.(error);
      reject(cause);
    }
    this.#pump();
  }

  /** Holds the event loop until what is under way is settled. */
  #finish(): void {
    const underWay = this.#underWay;
    if (underWay === undefined) return;
    if (underWay.stage === 'log') {
      try {
        this.#engine.wal.syncSync();
      } catch (error) {
        this.#settle(underWay, error);
        return;
      }
      this.#logIsDurable(underWay);
    }
    this.#engine.manifest.finish();
  }
}
