/**
 * What an interleaving must do, said twice: exactly, by the rule of snapshots and conflicts; and as serializability says
 * it, that some serial order of what committed reads and leaves the same.
 */

import type { Case, Statement } from './space.ts';

export const KEYS = ['a', 'x', 'y'] as const;
export type Key = (typeof KEYS)[number];

/** Where a scan and a range deletion begin: a is outside. */
export const RANGE: { readonly gte: Key; readonly lt: string } = { gte: 'x', lt: 'z' };
const IN_RANGE: readonly Key[] = ['x', 'y'];

export type State = Readonly<Partial<Record<Key, string>>>;
export const INITIAL: State = { x: '0' };

/** What a statement writes says whose it is. */
export function valueBy(transaction: number, statement: number): string {
  return `${transaction + 1}.${statement + 1}`;
}

export interface Outcome {
  /** Of each transaction. */
  readonly committed: readonly boolean[];
  /** Of each transaction, what its reads answered, in order. */
  readonly reads: readonly (readonly string[])[];
  readonly end: State;
}

export function showState(state: State, keys: readonly Key[]): string {
  return keys.map((key) => `${key}=${state[key] ?? '-'}`).join(' ');
}

/** Keys that it writes; undefined for a read. */
function written(statement: Statement, value: string): State | undefined {
  switch (statement) {
    case 'get x':
    case 'get y':
    case 'scan':
      return undefined;
    case 'put x':
      return { x: value };
    case 'put y':
      return { y: value };
    case 'ingest':
      return { a: value, y: value };
    case 'del x':
    case 'deleteRange':
      return {};
  }
}

function deleted(statement: Statement): readonly Key[] {
  if (statement === 'del x') return ['x'];
  return statement === 'deleteRange' ? IN_RANGE : [];
}

function keysRead(statement: Statement): readonly Key[] {
  if (statement === 'get x') return ['x'];
  if (statement === 'get y') return ['y'];
  return statement === 'scan' ? IN_RANGE : [];
}

/** A transaction as it goes: its snapshot with its own statements on top. */
class Run {
  state: State;
  readonly reads: string[] = [];
  readonly keysRead = new Set<Key>();
  readonly keysWritten = new Set<Key>();
  /** Commits before it began. */
  readonly since: number;

  constructor(snapshot: State, since: number) {
    this.state = snapshot;
    this.since = since;
  }

  do(statement: Statement, value: string): void {
    const writes = written(statement, value);
    if (writes === undefined) {
      const keys = keysRead(statement);
      this.reads.push(showState(this.state, keys));
      // A get of its own write depends on nobody; a scan passes over all that is there.
      for (const key of keys) if (statement === 'scan' || !this.keysWritten.has(key)) this.keysRead.add(key);
      return;
    }
    const { ...state } = this.state;
    for (const key of deleted(statement)) {
      delete state[key];
      this.keysWritten.add(key);
    }
    for (const key of KEYS) {
      const put = writes[key];
      if (put === undefined) continue;
      state[key] = put;
      this.keysWritten.add(key);
    }
    this.state = state;
  }
}

/** L5, L6: it commits if it wrote nothing, or if nothing that it read was written by a commit since it began. */
export function predict({ programs, order }: Case): Outcome {
  const commits: ReadonlySet<Key>[] = [];
  const runs: (Run | undefined)[] = programs.map(() => undefined);
  const done = programs.map(() => 0);
  const committed = programs.map(() => false);
  let end = INITIAL;
  for (const transaction of order) {
    let run = runs[transaction];
    if (run === undefined) {
      run = new Run(end, commits.length);
      runs[transaction] = run;
    }
    const at = done[transaction] ?? 0;
    done[transaction] = at + 1;
    const statement = programs[transaction]?.[at];
    if (statement !== undefined) {
      run.do(statement, valueBy(transaction, at));
      continue;
    }
    const { keysRead: read, keysWritten, state } = run;
    const changed = commits.slice(run.since).some((keys) => [...keys].some((key) => read.has(key)));
    if (changed && keysWritten.size > 0) continue;
    committed[transaction] = true;
    if (keysWritten.size === 0) continue;
    commits.push(keysWritten);
    end = { ...pick(end, (key) => !keysWritten.has(key)), ...pick(state, (key) => keysWritten.has(key)) };
  }
  return { committed, reads: runs.map((run) => run?.reads ?? []), end };
}

function pick(state: State, which: (key: Key) => boolean): State {
  return Object.fromEntries(KEYS.filter(which).flatMap((key) => (key in state ? [[key, state[key]]] : [])));
}

/** Whether the committed transactions, one after the other in some order, read and leave what the outcome says. */
export function isSerial({ programs }: Case, { committed, reads, end }: Outcome): boolean {
  const members = [...programs.keys()].filter((transaction) => committed[transaction]);
  return permutations(members).some((order) => {
    let state = INITIAL;
    for (const transaction of order) {
      const run = new Run(state, 0);
      for (const [at, statement] of (programs[transaction] ?? []).entries())
        run.do(statement, valueBy(transaction, at));
      if (run.reads.some((read, i) => read !== reads[transaction]?.[i])) return false;
      state = run.state;
    }
    return showState(state, KEYS) === showState(end, KEYS);
  });
}

function permutations(members: readonly number[]): number[][] {
  if (members.length === 0) return [[]];
  return members.flatMap((first) =>
    permutations(members.filter((member) => member !== first)).map((others) => [first, ...others]),
  );
}
