/**
 * What must come of a history, by brute force: whole states, copied at each commit; what was read and what was written as
 * plain sets of names. It shares nothing with the engine, no range and no version order within a commit.
 *
 * A name is `keyspace/key`, or `keyspace` for what the keyspace itself means.
 */

import { keysIn, type ReadStep, type WriteStep } from './history.ts';

/** Undefined: no such keyspace. */
export type State = ReadonlyMap<string, ReadonlyMap<string, string> | undefined>;
/** What a statement makes of keys; undefined: deleted. */
type Effect = { readonly keyspace: string; readonly values: ReadonlyMap<string, string | undefined> };

interface Commit {
  readonly version: number;
  readonly wrote: ReadonlySet<string>;
}

export class Oracle {
  #state: State;
  readonly #commits: Commit[] = [];

  constructor(keyspaces: readonly string[]) {
    this.#state = new Map(keyspaces.map((name) => [name, new Map<string, string>()]));
  }

  get state(): State {
    return this.#state;
  }

  has(keyspace: string): boolean {
    return this.#state.get(keyspace) !== undefined;
  }

  /** Nobody who found it missing, or empty, has read anything that this changes. */
  create(keyspace: string): void {
    if (!this.has(keyspace)) this.#state = new Map(this.#state).set(keyspace, new Map());
  }

  drop(keyspace: string, version: number): void {
    this.#state = new Map(this.#state).set(keyspace, undefined);
    this.#commits.push({ version, wrote: new Set([keyspace]) });
  }

  commit(effects: readonly Effect[], version: number): void {
    for (const { keyspace, values } of effects) {
      const contents = new Map(this.#state.get(keyspace));
      for (const [key, value] of values) {
        if (value === undefined) contents.delete(key);
        else contents.set(key, value);
      }
      this.#state = new Map(this.#state).set(keyspace, contents);
    }
    this.#commits.push({ version, wrote: namesOf(effects) });
  }

  /** Names that were read at `since` and written by commits after it, up to `through`. By version: the same value is a change. */
  changed(reads: ReadonlySet<string>, since: number, through = Number.POSITIVE_INFINITY): string[] {
    return this.#commits
      .filter(({ version }) => version > since && version <= through)
      .flatMap(({ wrote }) => [...wrote].filter((name) => reads.has(name)));
  }

  /** Whether the commit that has this version among its own wrote the name. */
  wrote(name: string, version: number): boolean {
    const commits = this.#commits.filter((commit) => commit.version >= version);
    const first = commits.reduce<Commit | undefined>(
      (least, commit) => (least === undefined || commit.version < least.version ? commit : least),
      undefined,
    );
    return first?.wrote.has(name) === true;
  }
}

function namesOf(effects: readonly Effect[]): Set<string> {
  return new Set(
    effects.flatMap(({ keyspace, values }) => [...values.keys()].map((key) => `${keyspace}/${key}`)),
  );
}

/** One transaction: what it sees, what it has read of the database, and what it would write. */
export class Reader {
  readonly since: number;
  readonly reads = new Set<string>();
  readonly effects: Effect[] = [];
  readonly #base: State;
  #savepoints: number[] = [];

  constructor(base: State, since: number) {
    this.#base = base;
    this.since = since;
  }

  savepoint(): void {
    this.#savepoints.push(this.effects.length);
  }

  /** @returns whether there is one to roll back to */
  rollback(to: number): boolean {
    const length = this.#savepoints[to];
    if (length === undefined) return false;
    this.#savepoints = this.#savepoints.slice(0, to + 1);
    this.effects.splice(length);
    return true;
  }

  /** What its own statements say of the key; undefined: nothing, so the database is asked. */
  #own(keyspace: string, key: string): { value: string | undefined } | undefined {
    for (const effect of this.effects.toReversed()) {
      if (effect.keyspace === keyspace && effect.values.has(key)) return { value: effect.values.get(key) };
    }
    return undefined;
  }

  #read(keyspace: string, key: string): string | undefined {
    this.reads.add(keyspace).add(`${keyspace}/${key}`);
    return this.#base.get(keyspace)?.get(key);
  }

  get({ keyspace, keys }: ReadStep & { op: 'get' }): (string | undefined)[] {
    return keys.map((key) => {
      const own = this.#own(keyspace, key);
      return own === undefined ? this.#read(keyspace, key) : own.value;
    });
  }

  /**
   * What an ingest makes of keys as `ifExists` has it; undefined: some exist, and it fails. L5: it has then read, of each
   * file, the keys that its own statements say nothing of, and the keyspace.
   */
  ingest(step: WriteStep & { op: 'ingest' }): Effect | undefined {
    const { keyspace, files, ifExists } = step;
    const values = new Map(effectOf(step)?.values);
    if (ifExists === 'overwrite') return { keyspace, values };
    this.reads.add(keyspace);
    const keys = new Set(files.flat().map(([key]) => key));
    for (const key of keys) {
      const own = this.#own(keyspace, key);
      const value = own === undefined ? this.#read(keyspace, key) : own.value;
      if (value === undefined) continue;
      if (ifExists === 'fail') values.clear();
      else values.delete(key);
    }
    return ifExists === 'fail' && values.size === 0 ? undefined : { keyspace, values };
  }

  /**
   * L5: a scan has read its range up to where it stopped, whatever it found there: its own keys as well, as what the
   * database has of them belongs to the range.
   */
  scan({
    keyspace,
    range,
    reverse,
    limit,
    seeks,
  }: ReadStep & { op: 'scan' }): (readonly [string, string] | undefined)[] {
    const found: (readonly [string, string] | undefined)[] = [];
    const walks =
      seeks.length === 0
        ? [{ from: undefined, steps: Number.POSITIVE_INFINITY }]
        : seeks.map(({ key, steps }) => ({ from: key, steps }));
    let left = limit === -1 ? Number.POSITIVE_INFINITY : limit;
    for (const { from, steps } of walks) {
      const ahead = keysIn(range).filter(
        (key) => from === undefined || (reverse ? key <= from : key >= from),
      );
      if (reverse) ahead.reverse();
      for (let step = 0; step < steps; step++) {
        const entry = left > 0 ? this.#next(keyspace, ahead) : undefined;
        if (entry !== undefined) left--;
        if (entry === undefined && steps === Number.POSITIVE_INFINITY) break;
        found.push(entry);
      }
    }
    return found;
  }

  /** Takes keys off the way ahead, up to the next that is there. */
  #next(keyspace: string, ahead: string[]): readonly [string, string] | undefined {
    for (let key = ahead.shift(); key !== undefined; key = ahead.shift()) {
      const stored = this.#read(keyspace, key);
      const own = this.#own(keyspace, key);
      const value = own === undefined ? stored : own.value;
      if (value !== undefined) return [key, value];
    }
    return undefined;
  }
}

/** What the statement makes of the keys of the alphabet, whatever exists; undefined when of none. */
export function effectOf(step: WriteStep): Effect | undefined {
  const values = new Map<string, string | undefined>();
  switch (step.op) {
    case 'put':
      values.set(step.key, step.value);
      break;
    case 'del':
      values.set(step.key, undefined);
      break;
    case 'deleteRange':
      for (const key of keysIn(step.range)) values.set(key, undefined);
      break;
    case 'ingest': {
      const { replace } = step;
      if (replace !== null)
        for (const key of keysIn(replace === true ? {} : replace)) values.set(key, undefined);
      for (const [key, value] of step.files.flat()) values.set(key, value);
      break;
    }
  }
  return values.size === 0 ? undefined : { keyspace: step.keyspace, values };
}
