/**
 * A process that tries inputs, so that a crash, a hang or a lack of memory ends it and not the run.
 *
 *     fuzz-child.ts SEED FROM TO            inputs FROM and up to, without, TO
 *     fuzz-child.ts --make SEED INDEX       says what the input is, and tries nothing
 *
 * Standard output, a line of JSON each: what came of the last inputs, or of one that failed. Ends with "end".
 */

import fs from 'node:fs';
import { attempt, inputAt } from './suites.ts';

/** Inputs between two lines; when this process dies, those after the last line are the suspects. */
const TOLD_EVERY = 64;

const tell = (line: object | 'end'): void => {
  fs.writeSync(1, `${JSON.stringify(line)}\n`);
};

const [first = '', second = '', third = ''] = process.argv.slice(2);
if (first === '--make') tell(kept(Number(second), Number(third)));
else await all(Number(first), Number(second), Number(third));
tell('end');

async function all(seed: number, from: number, to: number): Promise<void> {
  let outcomes: Record<string, number> = {};
  for (let index = from; index < to; index++) {
    const { name, bytes } = inputAt(seed, index);
    try {
      const outcome = `${name} ${await attempt(name, bytes)}`;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      tell({ failed: index, what, ...kept(seed, index) });
    }
    if ((index - from) % TOLD_EVERY !== TOLD_EVERY - 1) continue;
    tell({ index: index + 1, outcomes });
    outcomes = {};
  }
  tell({ index: to, outcomes });
}

function kept(seed: number, index: number): { name: string; base64: string } {
  const { name, bytes } = inputAt(seed, index);
  return { name, base64: Buffer.from(bytes).toString('base64') };
}
