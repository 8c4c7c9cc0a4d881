/** What is told of imports beyond the node that runs them: a cluster's other nodes know them too. A database alone has none. */

import type { ImportRow } from '../manifest/rows.ts';
import type { ImportClaim } from '../txn/proposer.ts';

export interface ImportLedger {
  /** The row is another, durably. `failure`: what has failed it, in state 'failed'. */
  changed(row: ImportRow, failure: unknown): void;
  /** What the commit of the import has to name: it fails with CONFLICT where the import is another node's by then. */
  claimOf(row: ImportRow): ImportClaim | undefined;
}
