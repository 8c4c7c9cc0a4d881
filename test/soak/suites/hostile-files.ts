/** test/fuzz: tables, logs and backups with wrong contents and right checksums. `npm run fuzz` tries them in processes of their own. */

import { attempt, inputAt } from '../../fuzz/suites.ts';
import type { Suite } from '../suite.ts';

export const suite: Suite = {
  shows: 'no input, however made, is read wrongly, crashes, hangs or takes more memory than it may',

  async run({ seed, timeIsUp, progress }) {
    const figures: Record<string, number> = {};
    for (let index = 0; !timeIsUp(); index++) {
      const { name, bytes } = inputAt(seed, index);
      const outcome = await attempt(name, bytes).catch((cause: unknown) => {
        throw new Error(`input ${index} of seed ${seed}, ${name}`, { cause });
      });
      const what = `${name} ${outcome === 'ok' ? 'taken' : 'refused'}`;
      figures[what] = (figures[what] ?? 0) + 1;
      if (index % 1000 === 0) progress(`${index.toLocaleString('en')} inputs`);
    }
    return figures;
  },
};
