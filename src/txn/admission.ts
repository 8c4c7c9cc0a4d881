/**
 * Whether an ingest may go where its files would go: `requireBottom` and `maxImpact`, asked in the synchronous section of
 * its commit with the levels that the files then get, before a version is taken.
 */

import { SluiceError } from '../base/errors.ts';
import type { StagedFile } from '../ingest/staging.ts';
import { pendingBytes } from '../levels/compaction/level-targets.ts';
import type { CompactionLimits } from '../levels/compaction/pick.ts';
import type { Tree } from '../levels/tree.ts';
import { LEVEL_COUNT } from '../manifest/rows.ts';
import { NO_VERSION } from '../mvcc/version.ts';
import type { MaxImpact } from './ingest-options.ts';
import type { Admission } from './overlay.ts';

interface PlacedFile {
  readonly file: StagedFile;
  readonly level: number;
}

interface Placed {
  readonly tree: Tree;
  /** What the whole commit puts into the tree. */
  readonly all: readonly PlacedFile[];
  /** What the ingest does. */
  readonly own: readonly PlacedFile[];
  readonly limits: CompactionLimits;
}

/** @throws SluiceError NOT_BOTTOM_LEVEL, IMPACT_EXCEEDED */
export function checkAdmission({ requireBottom, maxImpact }: Admission, placed: Placed): void {
  const above = placed.own.find(({ level }) => level !== LEVEL_COUNT - 1);
  if (requireBottom && above !== undefined) {
    throw new SluiceError(
      'NOT_BOTTOM_LEVEL',
      `${above.file.source} would go to level ${above.level}, and requireBottom wants level ${LEVEL_COUNT - 1}: ` +
        'explainIngest names what is in its way; compact that range, or ingest without requireBottom',
    );
  }
  if (maxImpact !== undefined) checkImpact(maxImpact, placed);
}

function checkImpact({ level0Tables, pendingCompactionBytes }: MaxImpact, placed: Placed): void {
  const { tree, all, own, limits } = placed;
  const before = tree.view.levels;
  const after = before.add(all.map(({ file, level }) => ({ ...file, ...NO_ROW, tree: tree.id, level })));
  const tables = after.tables[0]?.length ?? 0;
  if (level0Tables !== undefined && tables > level0Tables && own.some(({ level }) => level === 0)) {
    throw exceeded(`level 0 would have ${tables} tables, and level0Tables is ${level0Tables}`);
  }
  if (pendingCompactionBytes === undefined) return;
  const [old, next] = [before, after].map((levels) => pendingBytes(levels, limits, limits.level0Trigger));
  if (next === undefined || old === undefined || next <= pendingCompactionBytes || next <= old) return;
  throw exceeded(
    `compactions would have ${Math.round(next)} bytes to write, and pendingCompactionBytes is ${pendingCompactionBytes}`,
  );
}

const NO_ROW = {
  minVersion: NO_VERSION,
  maxVersion: NO_VERSION,
  globalVersion: NO_VERSION,
  source: 'ingest',
  ingestId: undefined,
} as const;

function exceeded(what: string): SluiceError {
  return new SluiceError(
    'IMPACT_EXCEEDED',
    `The ingest has more impact than maxImpact allows: ${what}. Try again when compaction has caught up, or raise the bound`,
  );
}
