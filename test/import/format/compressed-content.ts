/** What the files in test/fixtures/compressed hold. */

import { SeededRandom } from '../../base/seeded-random.ts';

/** 300 KB of words: several blocks of bzip2 -1, and of ZSTD. */
export function words(): Buffer {
  const random = new SeededRandom(7);
  const vocabulary = ['sluice', 'gate', 'water', 'lock', 'weir', 'ford', 'dam', 'bank\n'];
  let text = '';
  while (text.length < 300_000) text += `${random.pick(vocabulary)} `;
  return Buffer.from(text);
}

/** Runs of all lengths around those that run-length coding treats apart. */
export function runs(): Buffer {
  const parts: Buffer[] = [];
  for (const length of [1, 2, 3, 4, 5, 6, 254, 255, 256, 258, 259, 260, 263, 264, 518, 5000])
    parts.push(Buffer.alloc(length, length), Buffer.from([length & 1]));
  return Buffer.concat(parts);
}

/** Every byte value, and nothing to be gained. */
export function noise(): Buffer {
  const random = new SeededRandom(8);
  return Buffer.from(Array.from({ length: 3000 }, () => random.below(256)));
}
