import type { TestImportOptions } from './rows.ts';

/** Many runs, several passes, duplicates and bad rows. */
export const KILLED_IMPORT: TestImportOptions = {
  id: 'one',
  path: 'ingest',
  threads: 4,
  runBytes: 40_000,
  fanIn: 4,
  onBadRow: 'skip',
};
