/** The oracle: one sorted map for each keyspace, copied whole at every commit. */

import { KEYS, type KeyedEntry, type Range, type Span } from './history.ts';

export type Pair = readonly [key: string, value: string];

export function keyOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** One state. Never changed: `write` makes the next one. */
export class State {
  readonly #keyspaces: ReadonlyMap<string, ReadonlyMap<string, string>>;

  /** By keyspace, keys that were ever put or deleted, and a number that each such write changes. */
  readonly #touched: ReadonlyMap<string, ReadonlyMap<string, number>>;

  constructor(
    keyspaces: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map(),
    touched: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map(),
  ) {
    this.#keyspaces = keyspaces;
    this.#touched = touched;
  }

  write(entries: Iterable<KeyedEntry>): State {
    const next = new Map(this.#keyspaces);
    const touched = new Map(this.#touched);
    for (const { keyspace, key, value } of entries) {
      touched.set(keyspace, new Map(touched.get(keyspace)).set(key, this.writes(keyspace, key) + 1));
      const map = new Map(next.get(keyspace));
      if (value === undefined) map.delete(key);
      else map.set(key, value);
      next.set(keyspace, map);
    }
    return new State(next, touched);
  }

  deleteRange(span: Span): State {
    const deleted = KEYS.filter((key) => isWithin(key, span));
    return this.write(deleted.map((key) => ({ keyspace: span.keyspace, key, value: undefined })));
  }

  drop(keyspace: string): State {
    const next = new Map(this.#keyspaces);
    next.delete(keyspace);
    const touched = new Map(this.#touched);
    touched.delete(keyspace);
    return new State(next, touched);
  }

  wasTouched(keyspace: string, key: string): boolean {
    return this.writes(keyspace, key) > 0;
  }

  writes(keyspace: string, key: string): number {
    return this.#touched.get(keyspace)?.get(key) ?? 0;
  }

  get(keyspace: string, key: string): string | undefined {
    return this.#keyspaces.get(keyspace)?.get(key);
  }

  /** All entries of a range in the order of reading, its limit aside. */
  #inRange(range: Range): Pair[] {
    return this.#within(range).sort(([a], [b]) => (range.reverse ? keyOrder(b, a) : keyOrder(a, b)));
  }

  #within(span: Span): Pair[] {
    return [...(this.#keyspaces.get(span.keyspace) ?? [])].filter(([key]) => isWithin(key, span));
  }

  /** What a scan hands out: to its limit or end without seeks; else some steps after each seek, undefined at the end. */
  scan(range: Range): (Pair | undefined)[] {
    const { reverse, limit, seeks } = range;
    const inside = this.#inRange(range);
    if (seeks.length === 0) return limit === -1 ? inside : inside.slice(0, limit);
    const got: (Pair | undefined)[] = [];
    for (const { key, steps } of seeks) {
      const from = inside.findIndex(([at]) => (reverse ? keyOrder(at, key) <= 0 : keyOrder(at, key) >= 0));
      for (let i = 0; i < steps; i++) got.push(from === -1 ? undefined : inside[from + i]);
    }
    return got;
  }
}

export function isWithin(key: string, { gt, gte, lt, lte }: Span): boolean {
  return (
    (gt === undefined || keyOrder(key, gt) > 0) &&
    (gte === undefined || keyOrder(key, gte) >= 0) &&
    (lt === undefined || keyOrder(key, lt) < 0) &&
    (lte === undefined || keyOrder(key, lte) <= 0)
  );
}
