/** Versions of datasets in a history: done to the database and to the oracle, which must answer alike. */

import type { Transaction } from '../../src/index.ts';
import { outcomeOf, type TextDb } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';
import { expectEqual } from './checked-reads.ts';
import type { Activation, DatasetOp } from './history.ts';
import { KEYS, KEYSPACES } from './history.ts';
import { keyOrder, type State } from './oracle.ts';

/** `newPath` names files that are not there yet. Resolves with the state after it. */
export async function runDatasetOp(
  db: TextDb,
  state: State,
  op: DatasetOp,
  newPath: () => string,
): Promise<State> {
  const dataset = db.dataset(op.keyspace);
  const { versions, live } = state.dataset(op.keyspace);
  switch (op.op) {
    case 'publish': {
      const paths: string[] = [];
      for (const entries of op.files) {
        const { path } = await writeSst(newPath(), entries, { blockBytes: 64 });
        paths.push(path);
      }
      const publish = () => dataset.publish(paths, { kind: op.kind, activate: !op.hidden });
      if (op.kind === 'delta' && live === undefined) {
        await expectOutcome(publish, 'DATASET_VERSION_NOT_FOUND', op);
        return state;
      }
      const after = state.publish(op);
      const { version, kind, base } = await publish();
      const published = [version, kind, base];
      const wanted = [after.dataset(op.keyspace).lastId, op.kind, op.kind === 'base' ? undefined : live];
      expectEqual(published, wanted, shown(op));
      return after;
    }
    case 'activate': {
      const id = idOf(versions, op.of);
      if (id === undefined) return state;
      await dataset.activate(id);
      return state.activate(op.keyspace, id);
    }
    case 'goBack': {
      const id = versions[versions.findIndex((each) => each.id === live) - 1]?.id;
      if (id === undefined) {
        await expectOutcome(() => dataset.rollback(), 'DATASET_VERSION_NOT_FOUND', op);
        return state;
      }
      expectEqual(await dataset.rollback(), id, shown(op));
      return state.activate(op.keyspace, id);
    }
    case 'dropVersion': {
      const id = idOf(versions, op.of);
      if (id === undefined) return state;
      await expectOutcome(() => dataset.drop(id), id === live ? 'DATASET_VERSION_LIVE' : 'ok', op);
      return id === live ? state : state.dropVersions(op.keyspace, [id]);
    }
    case 'retain': {
      const gone = versions.slice(0, -op.count).flatMap(({ id }) => (id === live ? [] : [id]));
      expectEqual(await dataset.retain(op.count), gone, shown(op));
      return state.dropVersions(op.keyspace, gone);
    }
  }
}

/** First of all in a transaction. Returns what it reads from then on. */
export function activateIn(
  txn: Transaction<'utf8', 'utf8'>,
  before: State,
  activations: readonly Activation[],
): State {
  let state = before;
  for (const { keyspace, of } of activations) {
    const id = idOf(state.dataset(keyspace).versions, of);
    if (id === undefined) continue;
    txn.dataset(keyspace).activate(id);
    state = state.activate(keyspace, id, true);
  }
  return state;
}

/** Whatever was done to the keyspaces, each version is what was published. */
export async function checkVersions(db: TextDb, state: State): Promise<void> {
  for (const name of KEYSPACES) {
    const { versions, live } = state.dataset(name);
    const dataset = db.dataset(name);
    const ids = dataset.versions().map(({ version }) => version);
    expectEqual([dataset.current, ids], [live, versions.map(({ id }) => id)], `versions of ${name}`);
    for (const { id, content } of versions) {
      await using view = dataset.at(id);
      const sorted = [...content].sort(([a], [b]) => keyOrder(a, b));
      expectEqual(await view.iterator().all(), sorted, `version ${id} of ${name}`);
      const values = await view.getMany(KEYS);
      expectEqual(
        values,
        KEYS.map((key) => content.get(key)),
        `keys of version ${id} of ${name}`,
      );
    }
  }
}

function idOf(versions: readonly { readonly id: number }[], of: number): number | undefined {
  return versions[of % versions.length]?.id;
}

async function expectOutcome(act: () => unknown, wanted: string, what: DatasetOp): Promise<void> {
  expectEqual(await outcomeOf(act), wanted, shown(what));
}

function shown(op: DatasetOp): string {
  return JSON.stringify(op);
}
