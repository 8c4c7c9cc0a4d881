/**
 * Syncs of files that are received, few at a time: each takes a thread of Node's pool for as long as the disk takes, and others are for
 * readers whose blocks are not in memory.
 */

import { sharedSignal } from '../../base/env/shared-signal.ts';
import type { SyncFile } from './piece-writer.ts';
import { Slots } from './slots.ts';

const SYNCS_AT_A_TIME = 2;

/** Makes durable what is written to a file, when it is its turn. */
export function fewSyncs(): SyncFile {
  const slots = new Slots(SYNCS_AT_A_TIME);
  const always = sharedSignal(new AbortController().signal);
  return (file) => slots.run(always, () => file.datasync());
}
