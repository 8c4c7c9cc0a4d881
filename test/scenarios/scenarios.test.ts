/**
 * Plays every scenario file of this folder (docs/scenarios.md): what it expects is what happens, and it expects something
 * of every statement that tells something. `npm run scenarios -- --rewrite` writes down what happens now.
 */

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseScenario } from '../../src/cli/scenario/parse.ts';
import { playScenario } from '../../src/cli/scenario/play.ts';
import { rewriteScenario } from '../../src/cli/scenario/rewrite.ts';
import { makeMemoryDirectory } from '../base/database.ts';

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.txt'));

test('there are scenarios', () => {
  expect(files.length).toBeGreaterThan(20);
});

// Side by side, as each waits for its files most of the time.
test.concurrent.each(files)('%s', async (name) => {
  const text = readFileSync(new URL(name, import.meta.url), 'utf8');
  const scenario = parseScenario(text);
  const parent = makeMemoryDirectory();
  try {
    const played = await playScenario(scenario, { parent });
    expect(played.problems).toEqual([]);
    expect(rewriteScenario(scenario, played)).toBe(text);
    expect(played.failed).toEqual([]);
  } finally {
    rmSync(parent, { recursive: true });
  }
});

test.each(files)('%s says what it shows, which law it is of, and what a weaker engine would do', (name) => {
  const head = readFileSync(new URL(name, import.meta.url), 'utf8').split('\n\n')[0] ?? '';
  expect(head).toMatch(/^# \S/);
  expect(head).toMatch(/^# Law: L\d/m);
  expect(head).toMatch(/^# A weaker engine\b/m);
});
