/**
 * What became of transactions whose outcome their clients were not told: the mark that each of them put says it. And whether those that were
 * told have been told the truth.
 */

import type { RecordedTransaction } from '../../history/history.ts';

/** Marks that are in the database, with the versions of their commits. */
export type Marks = ReadonlyMap<string, number>;

/** @throws where a commit that was acknowledged is lost, or at another version, or one that was refused is there */
export function settled(transactions: readonly RecordedTransaction[], marks: Marks): RecordedTransaction[] {
  return transactions.map((transaction) => {
    const { mark, outcome, version } = transaction;
    const at = mark === undefined ? undefined : marks.get(mark);
    if (outcome === 'committed' && mark !== undefined && at !== version)
      throw new Error(`${told(transaction)} was acknowledged, and is ${at ?? 'lost'}`);
    if (outcome === 'aborted' && at !== undefined)
      throw new Error(`${told(transaction)} was refused, and is there at version ${at}`);
    if (outcome !== 'unknown') return transaction;
    // What it read it had read before; when it committed nobody knows: perhaps long after its process was killed.
    if (at === undefined) return { ...transaction, outcome: 'aborted' };
    return { ...transaction, outcome: 'committed', version: at, endedAt: Number.POSITIVE_INFINITY };
  });
}

function told({ process, mark, version, operations }: RecordedTransaction): string {
  return `the transaction ${mark} of ${process} (version ${version}: ${JSON.stringify(operations)})`;
}
