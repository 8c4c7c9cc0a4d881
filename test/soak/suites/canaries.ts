/** test/canaries: each planted bug, in an order of the seed's. Nothing to go on with once all of them are caught. */

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '../../base/seeded-random.ts';
import type { Suite } from '../suite.ts';

const CANARIES = new URL('../../canaries/', import.meta.url);
const COMMAND = fileURLToPath(new URL('../../../scripts/canaries.mjs', import.meta.url));

/** @throws Error with what the command says where the canary lives */
async function check(name: string): Promise<void> {
  const child = spawn(process.execPath, [COMMAND, '--only', name, '--jobs', '1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise<unknown>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(said);
}

export const suite: Suite = {
  shows: 'the suites catch every bug that is planted for them',

  async run({ seed, timeIsUp, progress }) {
    const random = new SeededRandom(seed);
    const left = readdirSync(CANARIES).filter((name) => name.endsWith('.patch'));
    const all = left.length;
    let caught = 0;
    while (left.length > 0 && !timeIsUp()) {
      const [name = ''] = left.splice(random.below(left.length), 1);
      await check(name);
      progress(`${++caught} of ${all} caught`);
    }
    return { caught: `${caught} of ${all}` };
  },
};
