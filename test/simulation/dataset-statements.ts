/** Statements on datasets in a life: what they do to the database, and to the states that they may have met. */

import type { Transaction } from '../../src/index.ts';
import type { TextDb } from '../base/database.ts';
import type { Activation, DatasetOp } from '../model/history.ts';
import type { DatasetState, State } from '../model/oracle.ts';
import { expectEqual } from './statements.ts';

/** Which versions there are depends on what runs beside: what is meant is settled when it begins. */
export interface DatasetAct {
  readonly apply: (state: State) => State;
  readonly check: (state: State) => void;
  /** Resolves with the commit's version. */
  readonly run: () => Promise<number>;
}

export interface PublishedFiles {
  readonly paths: readonly string[];
  readonly mode: 'copy' | 'move';
  /** Of the version; no other has it. */
  readonly id: number;
}

export function publishAct(
  db: TextDb,
  op: DatasetOp & { op: 'publish' },
  { paths, mode, id }: PublishedFiles,
): DatasetAct {
  const { keyspace, kind, hidden } = op;
  const dataset = db.dataset(keyspace);
  // A hidden delta stays on what it is told, whatever becomes live; another goes on what is live at its commit.
  const told = kind === 'delta' && hidden ? dataset.current : undefined;
  const below = ({ versions, live }: DatasetState): number | undefined =>
    kind === 'base' ? undefined : versions.find((version) => version.id === (told ?? live))?.id;
  return {
    apply: (state) => {
      const on = below(state.dataset(keyspace));
      return kind === 'delta' && on === undefined ? state : state.publish(op, { id, on });
    },
    check: (state) => {
      if (kind === 'delta') expectKept(state, keyspace, below(state.dataset(keyspace)), op);
    },
    run: async () => {
      const options = { kind, activate: !hidden, mode, version: id, ...(told !== undefined && { on: told }) };
      return (await dataset.publish(paths, options)).commit;
    },
  };
}

/** undefined: there is nothing to be done. */
export function datasetAct(db: TextDb, op: Exclude<DatasetOp, { op: 'publish' }>): DatasetAct | undefined {
  const { keyspace } = op;
  const dataset = db.dataset(keyspace);
  const nth = (of: number): number | undefined => {
    const versions = dataset.versions();
    return versions[of % versions.length]?.version;
  };
  switch (op.op) {
    case 'activate': {
      const id = nth(op.of);
      return id === undefined
        ? undefined
        : activation(
            keyspace,
            () => id,
            () => dataset.activate(id),
          );
    }
    case 'goBack': {
      let id: number | undefined;
      const run = async (): Promise<number> => {
        const txn = db.begin();
        try {
          id = txn.dataset(keyspace).rollback();
          return (await txn.commit()).version;
        } finally {
          txn.abort();
        }
      };
      const act = activation(keyspace, () => id, run);
      const check = (state: State): void => {
        const { versions, live } = state.dataset(keyspace);
        expectEqual(versions[versions.findIndex((version) => version.id === live) - 1]?.id, id, op);
      };
      return { ...act, check };
    }
    case 'dropVersion': {
      const id = nth(op.of);
      if (id === undefined) return undefined;
      return {
        apply: (state) => dropped(state, keyspace, [id]),
        check: (state) => {
          expectKept(state, keyspace, id, op);
          if (state.dataset(keyspace).live === id) throw new Error(`the live version ${id} was dropped`);
        },
        run: () => dataset.drop(id),
      };
    }
    case 'retain': {
      const versions = dataset.versions();
      const gone = versions.slice(0, -op.count).flatMap(({ live, version }) => (live ? [] : [version]));
      return {
        apply: (state) => dropped(state, keyspace, gone),
        check: () => undefined,
        run: async () => {
          expectEqual(await dataset.retain(op.count), gone, op);
          return db.version;
        },
      };
    }
  }
}

export interface Activated {
  readonly keyspace: string;
  readonly id: number;
}

/** First of all in a transaction. */
export function activateIn(
  db: TextDb,
  txn: Transaction<'utf8', 'utf8'>,
  activations: readonly Activation[],
): Activated[] {
  return activations.flatMap(({ keyspace, of }) => {
    const versions = db.dataset(keyspace).versions();
    const id = versions[of % versions.length]?.version;
    if (id === undefined) return [];
    txn.dataset(keyspace).activate(id);
    return [{ keyspace, id }];
  });
}

/** As the transaction reads it, and what it leaves. @throws Error where a version is not kept, if `strictly` */
export function afterActivations(before: State, made: readonly Activated[], strictly: boolean): State {
  return made.reduce((state, { keyspace, id }) => {
    if (strictly) expectKept(state, keyspace, id, 'activate in a transaction');
    return isKept(state, keyspace, id) ? state.activate(keyspace, id) : state;
  }, before);
}

function activation(keyspace: string, id: () => number | undefined, run: () => Promise<number>): DatasetAct {
  return {
    apply: (state) => {
      const version = id();
      return version === undefined || !isKept(state, keyspace, version)
        ? state
        : state.activate(keyspace, version);
    },
    check: (state) => expectKept(state, keyspace, id(), 'activate'),
    run,
  };
}

function dropped(state: State, keyspace: string, ids: readonly number[]): State {
  const { live } = state.dataset(keyspace);
  return state.dropVersions(
    keyspace,
    ids.filter((id) => id !== live),
  );
}

function isKept(state: State, keyspace: string, id: number): boolean {
  return state.dataset(keyspace).versions.some((version) => version.id === id);
}

function expectKept(state: State, keyspace: string, id: number | undefined, what: unknown): void {
  if (id === undefined || !isKept(state, keyspace, id))
    throw new Error(`${JSON.stringify(what)} was done with version ${id}, which is not kept`);
}

/** As the database has them. */
export async function versionsOf(db: TextDb, keyspace: string): Promise<DatasetState> {
  const dataset = db.dataset(keyspace);
  const versions: DatasetState['versions'][number][] = [];
  for (const { version: id } of dataset.versions()) {
    await using view = dataset.at(id);
    versions.push({ id, content: new Map(await view.iterator().all()), touched: new Map() });
  }
  return { versions, live: dataset.current, lastId: 0 };
}
