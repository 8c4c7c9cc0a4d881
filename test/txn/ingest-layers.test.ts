/** Files of one ingest that overlap come in the order of the list; those apart share one layer. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StagedFile } from '../../src/ingest/staging.ts';
import { layerFiles } from '../../src/txn/overlay.ts';

type Range = readonly [first: number, last: number];

function depthsOf(ranges: readonly Range[]): number[] {
  const files = ranges.map(([first, last]) => {
    const file: Partial<StagedFile> = {
      keyspace: 'default',
      smallest: Uint8Array.of(first),
      largest: Uint8Array.of(last),
    };
    return file as StagedFile;
  });
  return layerFiles(files).map(({ depth }) => depth);
}

/** As the definition has it: deeper than every earlier file that it overlaps, and no deeper than that takes. */
function byDefinition(ranges: readonly Range[]): number[] {
  const depths: number[] = [];
  for (const [first, last] of ranges) {
    const under = depths.filter((_, i) => {
      const [start = 0, end = 0] = ranges[i] ?? [];
      return start <= last && first <= end;
    });
    depths.push(under.length === 0 ? 0 : Math.max(...under) + 1);
  }
  return depths;
}

test('depths are by definition, whatever the ranges', () => {
  const range = fc.tuple(fc.nat(40), fc.nat(8)).map(([first, length]): Range => [first, first + length]);
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
      expect(depthsOf(ranges)).toEqual(byDefinition(ranges));
    }),
    { numRuns: 1000 },
  );
});
