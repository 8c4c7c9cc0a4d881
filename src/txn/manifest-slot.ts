/** The place of a commit by the manifest in the order of versions. */

import type { Version } from '../mvcc/version.ts';
import type { Change } from './edit-queue.ts';
import type { Publication, Slot } from './publication.ts';

/** A slot whose commit is durable, or has failed, as soon as it is made. */
export class ManifestSlot implements Slot {
  last = 0 as Version;
  ready = false;
  readonly #published: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor() {
    this.#published = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who has learned of the failure by the change itself does not ask.
    this.#published.catch(() => undefined);
  }

  get done(): Promise<void> {
    return this.#published;
  }

  settle(): void {
    // Installation did not wait for the turn: versions hide the tables until now.
  }

  published(): void {
    this.#resolve();
  }

  abandoned(error: unknown): void {
    this.#reject(error);
  }
}

/** L1: a change with a version. Whatever comes of it, the versions after it go on; where it fails its own are holes, but on a replica. */
export function inSlot(slot: ManifestSlot, publication: Publication, change: Omit<Change, 'slot'>): Change {
  const settle = (): void => {
    slot.ready = true;
    publication.drain();
  };
  return {
    ...change,
    slot,
    installed: () => {
      try {
        change.installed();
      } finally {
        settle();
      }
    },
    failed: (error) => {
      change.failed?.(error);
      if (publication.failStop) publication.freeze(error);
      else settle();
    },
  };
}
