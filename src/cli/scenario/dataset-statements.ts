/** Statements about the versions of a dataset. */

import { unreachable } from '../../base/assert.ts';
import type { Dataset } from '../../txn/dataset/dataset.ts';
import { OK, type Outcome, result, tokenText } from './outcome.ts';
import type { DatabaseStatement } from './syntax.ts';

type DatasetStatement = Extract<
  DatabaseStatement,
  { readonly kind: 'versions' | 'retain' | 'dropVersion' | 'revert' | 'diff' }
>;

export async function datasetOutcome(dataset: Dataset, statement: DatasetStatement): Promise<Outcome> {
  switch (statement.kind) {
    case 'versions':
      return result(versionsText(dataset));
    case 'retain':
      await dataset.retain(statement.count);
      return OK;
    case 'dropVersion':
      await dataset.drop(statement.version);
      return OK;
    case 'revert':
      return result(`version ${await dataset.rollback()}`);
    case 'diff':
      return result(await diffText(dataset, statement.before, statement.after));
    default:
      return unreachable(statement);
  }
}

/** `1 2 live 3`: the live one has the word behind it. */
function versionsText(dataset: Dataset): string {
  const live = dataset.current;
  const texts = dataset.versions().map(({ version }) => `${version}${version === live ? ' live' : ''}`);
  return texts.length === 0 ? 'none' : texts.join(' ');
}

/** `+a=1 -b=2 c=3>4`: added, removed, changed. */
async function diffText(dataset: Dataset, before: number, after: number): Promise<string> {
  const texts: string[] = [];
  for await (const { type, key, value, before: was } of dataset.diff(before, after)) {
    const name = tokenText(key);
    const [old, now] = [was, value].map((bytes) => (bytes === undefined ? '' : tokenText(bytes)));
    if (type === 'added') texts.push(`+${name}=${now}`);
    else if (type === 'removed') texts.push(`-${name}=${old}`);
    else texts.push(`${name}=${old}>${now}`);
  }
  return texts.length === 0 ? 'nothing' : texts.join(' ');
}
