/**
 * A lane that is read and sorted on this thread, chunk by chunk between turns of the event loop: where the file system is one
 * that other threads do not have (a test's).
 */

import type { MessagePort } from 'node:worker_threads';
import type { Env } from '../base/env/env.ts';
import type { EntryFeed } from './main-feed.ts';
import { IS_INLINE, obeyLater } from './thread/control.ts';
import { fedChunks } from './thread/fed-chunks.ts';
import { LaneReader } from './thread/lane-reader.ts';
import type { FinishedRun, LaneJob, RunEnd, SortJob } from './thread/messages.ts';
import { SorterTarget } from './thread/record-target.ts';
import { Sorter } from './thread/sorter.ts';

export interface InlineLane {
  readonly job: LaneJob;
  readonly sort: SortJob;
  /** Of bytes that are fed. */
  readonly fed: MessagePort | undefined;
  /** In place of sources. */
  readonly entries: EntryFeed | undefined;
}

/** `onRun`: of each run that is being written. @throws what reading throws; SluiceError ABORTED when it is to stop: no run begins then */
export async function readInline(
  { job, sort, fed, entries }: InlineLane,
  env: Env,
  onRun: (writing: Promise<FinishedRun>) => void,
): Promise<void> {
  const { control } = job;
  Atomics.store(control, IS_INLINE, 1);
  const sorter = new Sorter(sort, env.fs);
  const target = new SorterTarget(sorter, control, (end: RunEnd) => onRun(sorter.finish(end)));
  const beforeChunk = async (): Promise<void> => {
    await env.clock.turn();
    await obeyLater(control, env.clock);
  };
  if (entries !== undefined) return entries.send(job, target);
  const chunks = fed === undefined ? undefined : fedChunks(fed);
  await new LaneReader(job, env, target).read({ fed: chunks, beforeChunk });
}
