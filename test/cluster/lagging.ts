/** What holds of a replica that is behind: it has what the others had, and commits nothing that it would not have found where they are. */

import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { Transaction, TransactionCore } from '../../src/txn/transaction.ts';
import { outcomeOf } from '../base/database.ts';
import type { Replica } from './entries.ts';
import { engineOf } from './tree-entries.ts';

/** REQUIRES: the other keeps its history. */
export async function sameAsBefore(lagging: Replica, other: Replica): Promise<void> {
  using snapshot = lagging.snapshot();
  using before = other.snapshot({ at: snapshot.version });
  expect(before.version).toBe(snapshot.version);
  expect(await lagging.contentDigest({ snapshot })).toBe(await other.contentDigest({ snapshot: before }));
}

/** L5: a write of one that has read all of the default keyspace there, which goes on to the log; what became of it is right. */
export async function writesFromBehind(lagging: Replica, other: Replica, release: () => void): Promise<void> {
  const [txn, reader] = [begin(lagging), begin(other)];
  const [found, now] = [await txn.iterator().all(), await reader.iterator().all()];
  reader.abort();
  const [isCurrent, isSame] = [txn.version === reader.version, isDeepStrictEqual(found, now)];
  txn.keyspace('from behind').put('version', String(txn.version));
  const outcome = outcomeOf(() => txn.commit());
  release();
  // Where something was written over by the same, it may be refused, or not have been.
  const allowed = [...(isSame ? ['ok'] : []), ...(isCurrent ? [] : ['CONFLICT', 'TOO_OLD'])];
  expect(allowed).toContain(await outcome);
}

/** Whatever its encodings. */
function begin(node: Replica): Transaction<'utf8', 'utf8'> {
  return new Transaction(new TransactionCore(engineOf(node), false), 'utf8', 'utf8');
}
