/** The merge kernel against the merge by cursors: the same tables to the byte, whatever the inputs and the rule. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSluiceError, type SluiceError } from '../../../src/base/errors.ts';
import type { CompactionJob } from '../../../src/levels/compaction/job.ts';
import type { Workspace } from '../../../src/levels/compaction/workspace.ts';
import { tableName } from '../../../src/manifest/directory.ts';
import { ensureZstd } from '../../../src/sst/zstd.ts';
import { temporaryDirectory } from '../../base/temporary-directory.ts';
import { cursors, jobArbitrary, jobOf, kernels, type Outcome, run } from './jobs.ts';

async function runOrRefuse(job: CompactionJob, workspace: Workspace): Promise<Outcome | SluiceError> {
  try {
    return await run(job, workspace);
  } catch (error) {
    if (isSluiceError(error)) return error;
    throw error;
  }
}

function expectSame(a: Outcome | SluiceError, b: Outcome | SluiceError): void {
  if (a instanceof Error) throw a;
  if (b instanceof Error) throw b;
  expect(a.result).toEqual(b.result);
  expect(a.files.map((file, i) => file.equals(b.files[i] ?? Buffer.of()))).toEqual(b.files.map(() => true));
}

test('kernels and cursors write the same tables', async () => {
  await ensureZstd();
  const dir = join(temporaryDirectory(), 'tables');
  await fc.assert(
    fc.asyncProperty(jobArbitrary, async (spec) => {
      const job = jobOf(dir, spec);
      const byKernels = await runOrRefuse(job, kernels);
      const byCursors = await runOrRefuse(job, cursors);
      // One version of a key in two inputs is refused by both, each in its own words.
      if (!(byKernels instanceof Error && byCursors instanceof Error)) expectSame(byKernels, byCursors);
    }),
    { numRuns: 80 },
  );
});

/** Damage without a checksum to show it: what a check of blocks lets pass must come out the same, or be refused. */
test('damaged inputs are refused, or merged alike', async () => {
  const dir = join(temporaryDirectory(), 'tables');
  const flips = fc.array(fc.record({ at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }), {
    minLength: 1,
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(jobArbitrary, flips, async (spec, damage) => {
      const job = jobOf(dir, spec);
      const row = job.runs[0]?.[0];
      if (row === undefined) return;
      const path = join(dir, tableName(row.id));
      const file = readFileSync(path);
      // Data blocks come first; index and metadata are not what this is about.
      const dataBytes = Math.max(1, file.length - 1500);
      for (const { at, mask } of damage) file[at % dataBytes] = (file[at % dataBytes] ?? 0) ^ mask;
      writeFileSync(path, file);
      const byKernels = await runOrRefuse(job, kernels);
      if (!(byKernels instanceof Error)) expectSame(byKernels, await runOrRefuse(job, cursors));
    }),
    { numRuns: 80 },
  );
});
