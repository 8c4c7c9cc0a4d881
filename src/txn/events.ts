/** What the database does by itself, for those who watch it. */

import type { Logger } from './engine.ts';

export type DatabaseEvent =
  | {
      /** A memtable became a table of level 0. */
      readonly kind: 'flush';
      readonly keyspace: string;
      readonly table: number;
      readonly bytes: number;
      readonly entries: number;
    }
  | {
      /** Tables were merged into new ones, or moved down as they are (then nothing is written). */
      readonly kind: 'compaction';
      readonly keyspace: string;
      readonly reason: string;
      readonly inputTables: number;
      readonly outputTables: number;
      /** The outputs' level; of a move, the lowest. */
      readonly level: number;
      readonly bytesRead: number;
      readonly bytesWritten: number;
      readonly entriesRead: number;
      readonly entriesWritten: number;
      readonly ms: number;
    }
  | {
      /** Writers are slowed down, stopped, or let go again, because compaction is behind. */
      readonly kind: 'stall';
      readonly state: 'none' | 'slow' | 'stopped';
      /** Empty for 'none'. */
      readonly reason: string;
    }
  | {
      /** Background work failed; it is tried again after `retryMs`, and nothing is lost. */
      readonly kind: 'failure';
      readonly what: 'compaction';
      readonly error: Error;
      readonly retryMs: number;
    };

export type EventListener = (event: DatabaseEvent) => void;

export class Events {
  #listeners = new Set<EventListener>();
  readonly #logger: Logger | undefined;

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  /** Calls `listener`, synchronously, at each event until the returned function is called. */
  on(listener: EventListener): () => void {
    if (typeof listener !== 'function') throw new TypeError('listener must be a function');
    const listeners = this.#listeners;
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  /** Those who listen to the other one listen to this one too, until they leave either. */
  goOn(other: Events): void {
    this.#listeners = other.#listeners;
  }

  /** A listener that throws is a bug of its own, told to the logger: it must not stop the engine half way. */
  emit(event: DatabaseEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (err) {
        this.#logger?.error({ err, event: event.kind }, 'an event listener threw');
      }
    }
  }
}
