/** Plays a scenario: every step in the order of the text, each awaited before the next. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemError } from '../../base/env/system-error.ts';
import { throwIfAborted } from '../../base/errors.ts';
import { agrees, type Outcome, outcomeOfError, result } from './outcome.ts';
import { type OpenDatabase, Stage } from './stage.ts';
import type { Scenario, Scene, Step, TransactionBlock } from './syntax.ts';

export interface PlayOptions {
  /** Where databases are made and removed again; the system's temporary directory when absent. */
  readonly parent?: string;
  readonly signal?: AbortSignal | undefined;
  /** In the place of `open`. */
  readonly open?: OpenDatabase;
  readonly onScene?: (scene: Scene) => Promise<void> | void;
  /** Called for every step once it is over: within a transaction function, after its last attempt. */
  readonly onStep?: (step: Step, outcomes: readonly Outcome[]) => Promise<void> | void;
}

export interface Played {
  /** What each step gave: once for each time it was run. */
  readonly outcomes: ReadonlyMap<Step, readonly Outcome[]>;
  /** Steps that gave something else than expected. */
  readonly failed: readonly Step[];
  /** What full checks found at the ends of scenes. */
  readonly problems: readonly string[];
}

export async function playScenario({ scenes }: Scenario, options: PlayOptions = {}): Promise<Played> {
  const player = new Player(options);
  const dir = temporaryDirectory(options.parent ?? tmpdir());
  try {
    for (const [i, scene] of scenes.entries()) {
      await options.onScene?.(scene);
      await player.scene(scene, join(dir, String(i)));
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return player;
}

function temporaryDirectory(parent: string): string {
  try {
    return mkdtempSync(join(parent, 'sluice-scenario-'));
  } catch (error) {
    throw systemError(error, 'make a directory in', parent);
  }
}

class Player implements Played {
  readonly outcomes = new Map<Step, Outcome[]>();
  readonly failed: Step[] = [];
  readonly problems: string[] = [];
  readonly #options: PlayOptions;

  constructor(options: PlayOptions) {
    this.#options = options;
  }

  async scene({ title, steps }: Scene, dir: string): Promise<void> {
    mkdirSync(dir);
    const first = steps[0];
    const options = first?.statement.kind === 'options' ? first.statement.options : {};
    const stage = await Stage.open(dir, options, this.#options.open);
    try {
      for (const step of steps) {
        await this.#run(stage, step);
        await this.#report(step);
      }
      for (const problem of await stage.verify())
        this.problems.push(title === '' ? problem : `${title}: ${problem}`);
    } finally {
      await stage.close();
    }
  }

  async #report(step: Step): Promise<void> {
    const outcomes = this.outcomes.get(step) ?? [];
    if (!agrees(step, outcomes)) this.failed.push(step);
    await this.#options.onStep?.(step, outcomes);
    if (step.statement.kind !== 'transaction') return;
    const { body, end } = step.statement;
    for (const inner of end === undefined ? body : [...body, end]) await this.#report(inner);
  }

  /** @returns the error that the step ended with, for a transaction function to throw */
  async #run(stage: Stage, step: Step): Promise<{ thrown: unknown } | undefined> {
    throwIfAborted(this.#options.signal);
    try {
      this.#note(step, await this.#act(stage, step));
      return undefined;
    } catch (error) {
      this.#note(step, outcomeOfError(error));
      return { thrown: error };
    }
  }

  #note(step: Step, outcome: Outcome): void {
    const outcomes = this.outcomes.get(step);
    if (outcomes === undefined) this.outcomes.set(step, [outcome]);
    else outcomes.push(outcome);
  }

  async #act(stage: Stage, step: Step): Promise<Outcome> {
    const { statement, session } = step;
    switch (statement.kind) {
      case 'transaction':
        return this.#transaction(stage, session ?? '', statement);
      case 'end':
        return { kind: 'ok' };
      case 'begin':
      case 'savepoint':
      case 'rollback':
      case 'commit':
      case 'abort':
        return stage.session(session ?? '', statement);
      case 'put':
      case 'del':
      case 'deleteRange':
      case 'get':
      case 'scan':
      case 'ingest':
      case 'undo':
      case 'activate':
        return session === undefined ? stage.data(statement) : stage.session(session, statement);
      default:
        return stage.database(statement);
    }
  }

  /** The function's own statements at every attempt, those of others at the first one unless they say `every`. */
  async #transaction(stage: Stage, session: string, block: TransactionBlock): Promise<Outcome> {
    const { maxRetries, body, end } = block;
    let attempts = 0;
    let outcome: Outcome;
    try {
      await stage.db.transaction(
        async (txn, attempt) => {
          attempts = attempt;
          stage.enter(session, txn);
          for (const step of body) {
            const own = step.session === session;
            if (!own && !step.every && attempt > 1) continue;
            const failure = await this.#run(stage, step);
            if (failure !== undefined && own) throw failure.thrown;
          }
        },
        maxRetries === undefined ? {} : { maxRetries },
      );
      outcome = result(`committed at attempt ${attempts}`);
    } catch (error) {
      outcome = outcomeOfError(error);
    }
    if (end !== undefined) this.#note(end, outcome);
    return { kind: 'ok' };
  }
}
