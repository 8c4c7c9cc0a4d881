import { type Cursor, PENDING, READY, type Status } from '../../src/mvcc/cursor.ts';
import type { EntryType } from '../../src/mvcc/internal-key.ts';
import { NO_VERSION, type Version } from '../../src/mvcc/version.ts';

/** Random draws in [0, 1) that a failing property repeats. */
export function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** Every call is PENDING once: what goes on from the start each time never ends. */
export const ALWAYS_PENDING = (): number => 0;

/**
 * Makes an in-memory cursor behave like the worst of table cursors: any call may first be PENDING, only the very same
 * call goes through after a load, and the entry's bytes are overwritten as soon as the cursor moves.
 */
export class StutterCursor implements Cursor {
  valid = false;
  keyBytes = new Uint8Array(0);
  keyStart = 0;
  keyLength = 0;
  version: Version = NO_VERSION;
  type: EntryType = 0;
  valueBytes = new Uint8Array(0);
  valueStart = 0;
  valueLength = 0;
  closed = false;
  readonly #inner: Cursor;
  readonly #chance: () => number;
  #lacking: string | undefined;
  #loaded: string | undefined;

  constructor(inner: Cursor, chance: () => number) {
    this.#inner = inner;
    this.#chance = chance;
  }

  first(): Status {
    return this.#run('first', () => this.#inner.first());
  }
  last(): Status {
    return this.#run('last', () => this.#inner.last());
  }
  seek(key: Uint8Array, start: number, length: number, version: Version): Status {
    const name = `seek ${key.slice(start, start + length)} ${version}`;
    return this.#run(name, () => this.#inner.seek(key, start, length, version));
  }
  seekBefore(key: Uint8Array, start: number, length: number, inclusive: boolean): Status {
    const name = `seekBefore ${key.slice(start, start + length)} ${inclusive}`;
    return this.#run(name, () => this.#inner.seekBefore(key, start, length, inclusive));
  }
  next(): Status {
    if (!this.valid) throw new Error('next() of a cursor that is not valid');
    return this.#run('next', () => this.#inner.next());
  }
  prev(): Status {
    if (!this.valid) throw new Error('prev() of a cursor that is not valid');
    return this.#run('prev', () => this.#inner.prev());
  }
  async load(): Promise<void> {
    this.loadSync();
  }
  loadSync(): void {
    if (this.#lacking === undefined) throw new Error('load() without a PENDING call before it');
    this.#loaded = this.#lacking;
    this.#lacking = undefined;
  }
  close(): void {
    this.closed = true;
    this.valid = false;
    this.keyBytes.fill(0xee);
    this.valueBytes.fill(0xee);
  }

  #run(name: string, move: () => Status): Status {
    if (this.closed) throw new Error(`${name} of a closed cursor`);
    const loaded = this.#loaded === name;
    this.#loaded = undefined;
    this.#lacking = undefined;
    if (!loaded && this.#chance() < 0.4) {
      this.#lacking = name;
      return PENDING;
    }
    move();
    const inner = this.#inner;
    this.valid = inner.valid;
    // As a table cursor, which keeps its block when it runs off an end.
    if (!inner.valid) return READY;
    this.keyBytes.fill(0xee);
    this.valueBytes.fill(0xee);
    this.keyBytes = inner.keyBytes.slice(inner.keyStart, inner.keyStart + inner.keyLength);
    this.keyLength = inner.keyLength;
    this.valueBytes = inner.valueBytes.slice(inner.valueStart, inner.valueStart + inner.valueLength);
    this.valueLength = inner.valueLength;
    this.version = inner.version;
    this.type = inner.type;
    return READY;
  }
}
