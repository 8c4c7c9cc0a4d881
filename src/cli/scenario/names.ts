/** What names mean where they are used, so that a wrong one is told before anything runs. */

import { type FileSource, ScenarioError, type Step } from './syntax.ts';

interface SessionNames {
  open: boolean;
  readonly savepoints: Set<string>;
}

/** Follows one scene from its first statement on. */
export class Names {
  readonly #sessions = new Map<string, SessionNames>();
  readonly #files = new Set<string>();
  readonly #snapshots = new Set<string>();

  /**
   * @param block the session whose transaction function the step is in
   * @throws ScenarioError
   */
  follow(step: Step, block: string | undefined): void {
    const { statement, session } = step;
    if (session !== undefined) this.#followSession(step, session, block);
    switch (statement.kind) {
      case 'file':
        this.#makeFiles([statement.file], step);
        break;
      case 'ingest':
      case 'publish':
      case 'explain':
        this.#makeFiles(statement.files, step);
        break;
      case 'get':
      case 'scan': {
        const { snapshot, version, keyspace } = statement;
        if (version !== undefined)
          check(keyspace !== undefined, step, '"at version" needs "in" and a dataset');
        if (snapshot === undefined && version === undefined) break;
        check(session === undefined, step, 'a session reads at its own snapshot; "at" is for the database');
        if (snapshot === undefined) break;
        check(this.#snapshots.has(snapshot), step, `there is no snapshot ${snapshot}`);
        break;
      }
      case 'snapshot':
        check(!this.#snapshots.has(statement.name), step, `there is a snapshot ${statement.name} already`);
        this.#snapshots.add(statement.name);
        break;
      case 'close':
        check(this.#snapshots.delete(statement.name), step, `there is no snapshot ${statement.name}`);
        break;
      case 'reopen':
        this.#snapshots.clear();
        break;
    }
  }

  #followSession(step: Step, name: string, block: string | undefined): void {
    const { statement } = step;
    const session = this.#sessions.get(name);
    if (statement.kind === 'begin' || statement.kind === 'transaction') {
      check(session?.open !== true, step, `${name} is open already; commit or abort it first`);
      this.#sessions.set(name, { open: true, savepoints: new Set() });
      return;
    }
    if (session === undefined) throw new ScenarioError(step.place, `${name} has not begun`);
    switch (statement.kind) {
      case 'commit':
      case 'abort':
        check(name !== block, step, `${name} is a transaction function; it commits by itself, at its end`);
        session.open = false;
        break;
      case 'end':
        session.open = false;
        break;
      case 'savepoint':
        session.savepoints.add(statement.name);
        break;
      case 'rollback':
        check(session.savepoints.has(statement.name), step, `${name} has no savepoint ${statement.name}`);
        break;
    }
  }

  #makeFiles(files: readonly FileSource[], step: Step): void {
    for (const { name, entries } of files) {
      const known = this.#files.has(name);
      if (entries === undefined) check(known, step, `there is no file ${name}`);
      else check(!known, step, `there is a file ${name} already`);
      this.#files.add(name);
    }
  }
}

function check(holds: boolean, { place }: Step, otherwise: string): void {
  if (!holds) throw new ScenarioError(place, otherwise);
}
