/** L7: a history reads the same with every ingest, or its policies, replaced by other statements; and histories that failed once. */

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LENGTH } from '../base/length.ts';
import { checkHistories, TIMEOUT_MS } from './check.ts';
import type { History } from './history.ts';
import { Run } from './run.ts';

const REGRESSIONS = new URL('../regressions/', import.meta.url);
/** Each runs three times. */
const HISTORIES = LENGTH > 1 ? 150 : 60;

async function everyWay(history: History): Promise<void> {
  await Run.history(history);
  await Run.history(history, { ingestAs: 'puts' });
  await Run.history(history, { ingestAs: 'statements' });
}

test('histories that failed once pass', async () => {
  const names = readdirSync(REGRESSIONS);
  expect(names).toContain('README.md');
  for (const name of names.filter((name) => name.endsWith('.json'))) {
    await everyWay(JSON.parse(readFileSync(new URL(name, REGRESSIONS), 'utf8')) as History);
  }
});

test(
  `L7: ${HISTORIES} histories read the same with every ingest replaced by puts, and every policy by plain statements`,
  async () => {
    await checkHistories(HISTORIES, everyWay);
  },
  TIMEOUT_MS,
);
