/** The oracle: one sorted map for each keyspace, copied whole at every commit. */

import { type DatasetOp, KEYS, type KeyedEntry, type Range, type Span } from './history.ts';

export type Pair = readonly [key: string, value: string];

export function keyOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

type Content = ReadonlyMap<string, string>;
/** Keys that were ever put or deleted, and a number that each such write changes. */
type Touched = ReadonlyMap<string, number>;

export interface DatasetState {
  readonly versions: readonly { readonly id: number; readonly content: Content; readonly touched: Touched }[];
  readonly live: number | undefined;
  readonly lastId: number;
}

const NO_DATASET: DatasetState = { versions: [], live: undefined, lastId: 0 };

interface Parts {
  readonly keyspaces: ReadonlyMap<string, Content>;
  readonly touched: ReadonlyMap<string, Touched>;
  readonly datasets: ReadonlyMap<string, DatasetState>;
  /** By keyspace, how often it was put in another's place. */
  readonly generations: ReadonlyMap<string, number>;
  /** Keyspaces whose dataset the transaction has changed that sees this state. */
  readonly swapped: ReadonlySet<string>;
}

const EMPTY: Parts = {
  keyspaces: new Map(),
  touched: new Map(),
  datasets: new Map(),
  generations: new Map(),
  swapped: new Set(),
};

/** One state. Never changed: `write` makes the next one. */
export class State {
  readonly #parts: Parts;

  constructor(parts: Parts = EMPTY) {
    this.#parts = parts;
  }

  #with(parts: Partial<Parts>): State {
    return new State({ ...this.#parts, ...parts });
  }

  write(entries: Iterable<KeyedEntry>): State {
    const next = new Map(this.#parts.keyspaces);
    const touched = new Map(this.#parts.touched);
    for (const { keyspace, key, value } of entries) {
      const count = touched.get(keyspace)?.get(key) ?? 0;
      touched.set(keyspace, new Map(touched.get(keyspace)).set(key, count + 1));
      const map = new Map(next.get(keyspace));
      if (value === undefined) map.delete(key);
      else map.set(key, value);
      next.set(keyspace, map);
    }
    return this.#with({ keyspaces: next, touched });
  }

  deleteRange(span: Span): State {
    const deleted = KEYS.filter((key) => isWithin(key, span));
    return this.write(deleted.map((key) => ({ keyspace: span.keyspace, key, value: undefined })));
  }

  drop(keyspace: string): State {
    const datasets = new Map(this.#parts.datasets);
    datasets.delete(keyspace);
    return this.#replace(keyspace, new Map(), new Map()).#with({ datasets });
  }

  #replace(keyspace: string, content: Content, touched: Touched): State {
    const generation = this.generation(keyspace) + 1;
    return this.#with({
      keyspaces: new Map(this.#parts.keyspaces).set(keyspace, content),
      touched: new Map(this.#parts.touched).set(keyspace, touched),
      generations: new Map(this.#parts.generations).set(keyspace, generation),
    });
  }

  generation(keyspace: string): number {
    return this.#parts.generations.get(keyspace) ?? 0;
  }

  dataset(keyspace: string): DatasetState {
    return this.#parts.datasets.get(keyspace) ?? NO_DATASET;
  }

  withDataset(keyspace: string, dataset: DatasetState): State {
    return this.#with({ datasets: new Map(this.#parts.datasets).set(keyspace, dataset) });
  }

  /** REQUIRES: a delta goes on a kept version, which is the live one unless it is hidden. */
  publish(
    { keyspace, kind, hidden, files }: Omit<DatasetOp & { op: 'publish' }, 'op'>,
    as: { readonly id?: number; readonly on?: number | undefined } = {},
  ): State {
    const { versions, live, lastId } = this.dataset(keyspace);
    const below = as.on ?? live;
    const on = kind === 'base' ? undefined : versions.find((each) => each.id === below);
    const entries = files.flat().map(([key, value]) => ({ keyspace, key, value }));
    const begun = new State().#replace(keyspace, on?.content ?? new Map(), on?.touched ?? new Map());
    const { keyspaces, touched } = begun.write(entries).#parts;
    const id = as.id ?? lastId + 1;
    const [content = new Map(), changes = new Map()] = [keyspaces.get(keyspace), touched.get(keyspace)];
    const published = {
      versions: [...versions, { id, content, touched: changes }],
      live,
      lastId: Math.max(lastId, id),
    };
    if (hidden) return this.withDataset(keyspace, published);
    const written = kind === 'base' ? this.#replace(keyspace, content, changes) : this.write(entries);
    return written.withDataset(keyspace, { ...published, live: id });
  }

  /** REQUIRES: the version is kept. */
  activate(keyspace: string, id: number, inTransaction = false): State {
    const dataset = this.dataset(keyspace);
    const version = dataset.versions.find((each) => each.id === id);
    const next = this.#replace(keyspace, version?.content ?? new Map(), version?.touched ?? new Map());
    const swapped = new Set([...this.#parts.swapped, ...(inTransaction ? [keyspace] : [])]);
    return next.withDataset(keyspace, { ...dataset, live: id }).#with({ swapped });
  }

  dropVersions(keyspace: string, ids: readonly number[]): State {
    const dataset = this.dataset(keyspace);
    const versions = dataset.versions.filter(({ id }) => !ids.includes(id));
    return this.withDataset(keyspace, { ...dataset, versions });
  }

  wasSwapped(keyspace: string): boolean {
    return this.#parts.swapped.has(keyspace);
  }

  /** As others see it once the transaction has committed. */
  committed(): State {
    return this.#with({ swapped: EMPTY.swapped });
  }

  wasTouched(keyspace: string, key: string): boolean {
    return this.writes(keyspace, key) > 0;
  }

  writes(keyspace: string, key: string): number {
    return this.#parts.touched.get(keyspace)?.get(key) ?? 0;
  }

  get(keyspace: string, key: string): string | undefined {
    return this.#parts.keyspaces.get(keyspace)?.get(key);
  }

  /** All entries of a range in the order of reading, its limit aside. */
  #inRange(range: Range): Pair[] {
    return this.#within(range).sort(([a], [b]) => (range.reverse ? keyOrder(b, a) : keyOrder(a, b)));
  }

  #within(span: Span): Pair[] {
    return [...(this.#parts.keyspaces.get(span.keyspace) ?? [])].filter(([key]) => isWithin(key, span));
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
