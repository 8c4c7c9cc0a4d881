/**
 * What was done in one life and what came of it: commits by their versions, what they and others read, and what may or may
 * not have become durable. Two questions: did everybody read what the serial order by versions says; and is what the next
 * life finds a state that this one may leave?
 */

import { KEYSPACES } from '../model/history.ts';
import { keyOrder, type State } from '../model/oracle.ts';

/** Throws when what was read is not what this state has. */
type Check = (state: State) => void;

export interface Commit {
  readonly version: number;
  readonly apply: (state: State) => State;
  /** Against the state just before it. */
  readonly check: Check;
}

export interface Reading {
  readonly version: number;
  readonly check: Check;
}

export interface Unknown {
  /** Visible when it began: its version is above. */
  readonly after: number;
  readonly apply: (state: State) => State;
  /** One of its inputs is gone, so it must be there (L9). */
  isTaken(): boolean;
}

export function show(state: State): string {
  const range = { reverse: false, limit: -1, seeks: [] };
  return JSON.stringify(
    KEYSPACES.map((keyspace) => {
      const { versions, live } = state.dataset(keyspace);
      const kept = versions.map(({ id, content }) => [id, [...content].sort(([a], [b]) => keyOrder(a, b))]);
      return [state.scan({ ...range, keyspace }), live, kept];
    }),
  );
}

export class Journal {
  readonly #start: State;
  readonly #commits: Commit[] = [];
  readonly #readings: Reading[] = [];
  readonly unknown: Unknown[] = [];
  /** Of the commits that somebody was told of. */
  newest = 0;

  constructor(start: State) {
    this.#start = start;
  }

  committed(commit: Commit): void {
    this.#commits.push(commit);
    this.newest = Math.max(this.newest, commit.version);
  }

  get commits(): number {
    return this.#commits.length;
  }

  /** All commits ≤ `version`, and no others, were seen. */
  read(version: number, check: Check): void {
    this.#readings.push({ version, check });
  }

  /** By version. */
  get ordered(): Commit[] {
    return [...this.#commits].sort((a, b) => a.version - b.version);
  }

  /** By version. */
  get readings(): Reading[] {
    return [...this.#readings].sort((a, b) => a.version - b.version);
  }

  /** L1, L5: in the order of versions everybody has read what was there. */
  checkReads(): void {
    // What was on its way at a crash may have been seen before it was acknowledged.
    const certain = Math.min(...this.unknown.map(({ after }) => after), Number.POSITIVE_INFINITY);
    const { readings } = this;
    let next = 0;
    let state = this.#start;
    const readUpTo = (version: number): void => {
      for (; next < readings.length; next++) {
        const reading = readings[next];
        if (reading === undefined || reading.version >= version) return;
        reading.check(state);
      }
    };
    for (const { version, apply, check } of this.ordered) {
      if (version > certain) break;
      readUpTo(version);
      check(state);
      state = apply(state);
    }
    readUpTo(certain + 1);
  }

  /**
   * Which of the unknown commits have happened in each of the states that are as the one found; empty: there is none.
   *
   * @param prefix the newest commits may be lost, in the order of their versions
   */
  explain(found: State, prefix: boolean): ReadonlySet<Unknown>[] {
    const wanted = show(found);
    const commits = this.ordered;
    const explanations: ReadonlySet<Unknown>[] = [];
    const seen = new Set<string>();
    const visit = (state: State, place: number, taken: ReadonlySet<Unknown>): void => {
      const shown = show(state);
      const key = `${place} ${this.unknown.map((each) => Number(taken.has(each))).join('')} ${shown}`;
      if (seen.has(key)) return;
      seen.add(key);
      const whole = prefix || place === commits.length;
      const mandatory = this.unknown.every((each) => taken.has(each) || !each.isTaken());
      if (whole && mandatory && shown === wanted) explanations.push(taken);
      const commit = commits[place];
      if (commit !== undefined) visit(commit.apply(state), place + 1, taken);
      for (const each of this.unknown) {
        if (taken.has(each) || (commit !== undefined && commit.version <= each.after)) continue;
        visit(each.apply(state), place, new Set([...taken, each]));
      }
    };
    visit(this.#start, 0, new Set());
    return explanations;
  }

  /** For people. */
  describe(found: State): string {
    const commits = this.ordered;
    const last = commits.reduce((state, { apply }) => apply(state), this.#start);
    const versions = commits.map(({ version }) => version).join(' ');
    const unknown = `${this.unknown.length} of unknown outcome`;
    return `commits ${versions}, ${unknown}; found ${show(found)}, the commits make ${show(last)}`;
  }
}
