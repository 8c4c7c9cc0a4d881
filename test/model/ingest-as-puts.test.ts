/** L7: a history reads the same with every ingest replaced by puts; and histories that failed once. */

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkHistories, TIMEOUT_MS } from './check.ts';
import type { History } from './history.ts';
import { Run } from './run.ts';

const REGRESSIONS = new URL('../regressions/', import.meta.url);
/** Each runs twice. */
const HISTORIES = 150;

async function bothWays(history: History): Promise<void> {
  await Run.history(history);
  await Run.history(history, { ingestAsPuts: true });
}

test('histories that failed once pass', async () => {
  const names = readdirSync(REGRESSIONS);
  expect(names).toContain('README.md');
  for (const name of names.filter((name) => name.endsWith('.json'))) {
    await bothWays(JSON.parse(readFileSync(new URL(name, REGRESSIONS), 'utf8')) as History);
  }
});

test(
  `L7: ${HISTORIES} histories read the same with every ingest replaced by puts`,
  async () => {
    await checkHistories(HISTORIES, bothWays);
  },
  TIMEOUT_MS,
);
