/**
 * Whether there is one order of all commits that explains everything: what each transaction and each reader on each node saw, and what is
 * there in the end. Commits that somebody was told of stand at their versions. Those of unknown outcome may stand wherever there is a
 * version left, or nowhere.
 */

import { State } from '../../model/oracle.ts';
import { type Commit, type Journal, type Reading, show } from '../../simulation/journal.ts';

const VISITS_MAX = 20_000;

interface Event extends Reading {
  readonly apply: ((state: State) => State) | undefined;
}

/** The commits of unknown outcome that are in the order so far, and how many of them since the last known one. */
interface Place {
  readonly event: number;
  readonly state: State;
  readonly taken: ReadonlySet<number>;
  readonly last: number;
  readonly between: number;
}

export class Order {
  readonly #journal: Journal;
  readonly #events: readonly Event[];
  readonly #found: string;
  readonly #newest: number;
  readonly #seen = new Set<string>();
  #visits = 0;
  /** As far as any order could be followed, and why not further. */
  #furthest = { event: -1, why: 'nothing fits' };

  /** @param found on all nodes at version `newest` */
  constructor(journal: Journal, found: State, newest: number) {
    this.#journal = journal;
    this.#found = show(found);
    this.#newest = newest;
    const commits = journal.ordered.map((commit: Commit): Event => commit);
    const readings = journal.readings.map((reading): Event => ({ ...reading, apply: undefined }));
    // Readers at a version see its commit.
    this.#events = [...commits, ...readings].sort((a, b) => a.version - b.version);
  }

  /** False: there may be one, and too much would have to be tried. @throws Error where there is none */
  explain(): boolean {
    const start: Place = { event: 0, state: new State(), taken: new Set(), last: 0, between: 0 };
    if (this.#follow(start)) return true;
    if (this.#visits >= VISITS_MAX) return false;
    const { event, why } = this.#furthest;
    const known = this.#events.map(({ version, apply }) => `${apply === undefined ? 'r' : ''}${version}`);
    const at = known[event] ?? 'the end';
    throw new Error(
      `no order explains it: at ${at} of ${known.join(' ')}, with ${this.#journal.unknown.length} of unknown outcome: ${why}`,
    );
  }

  #follow(place: Place): boolean {
    if (this.#visits >= VISITS_MAX) return false;
    const key = `${place.event} ${place.between} ${[...place.taken].join(',')} ${this.#shown(place)}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    this.#visits++;
    const event = this.#events[place.event];
    if (event === undefined) {
      if (this.#isEnd(place)) return true;
    } else {
      const next = this.#after(place, event);
      if (next !== undefined && this.#follow(next)) return true;
    }
    return this.#insert(place);
  }

  /** Without unknown outcomes there is one way only. */
  #shown({ state }: Place): string {
    return this.#journal.unknown.length === 0 ? '' : show(state);
  }

  /** undefined: the event cannot be here. */
  #after(place: Place, { version, apply, check }: Event): Place | undefined {
    const event = place.event + 1;
    try {
      // A commit has a version of its own; what had nothing to do is told with that of the one before it.
      const room = version - place.last - (apply === undefined ? 0 : 1);
      if (place.between > Math.max(0, room)) throw new Error('there are no versions left');
      check(place.state);
      if (apply === undefined) return { ...place, event };
      return { ...place, event, state: apply(place.state), last: version, between: 0 };
    } catch (error) {
      this.#fails(place, error);
      return undefined;
    }
  }

  #isEnd(place: Place): boolean {
    const isWhole = this.#journal.unknown.every((each, i) => place.taken.has(i) || !each.isTaken());
    const shown = show(place.state);
    if (isWhole && place.between <= this.#newest - place.last && shown === this.#found) return true;
    this.#fails(place, isWhole ? `it ends with ${shown}, not ${this.#found}` : 'an input was taken in vain');
    return false;
  }

  #fails({ event }: Place, why: unknown): void {
    if (event < this.#furthest.event) return;
    this.#furthest = { event, why: why instanceof Error ? why.message : String(why) };
  }

  /** One of unknown outcome before the next event. */
  #insert(place: Place): boolean {
    const before = this.#events[place.event]?.version ?? this.#newest + 1;
    return this.#journal.unknown.some((each, i) => {
      if (place.taken.has(i) || each.after >= before || place.between >= before - place.last) return false;
      const taken = new Set([...place.taken, i]);
      return this.#follow({ ...place, state: each.apply(place.state), taken, between: place.between + 1 });
    });
  }
}
