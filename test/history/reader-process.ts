/** A process that reads beside the writer, and tells what it saw: reader-process.ts DIRECTORY NAME */

import { answer } from '../base/child-answers.ts';
import { openText, TINY } from '../base/database.ts';
import { SeededRandom } from '../base/seeded-random.ts';
import type { RecordedTransaction } from './history.ts';
import { nowNs, Recorder } from './recorder.ts';
import { everything, Names, randomReads } from './workload.ts';

const [dir = '', name = ''] = process.argv.slice(2);
const PAUSE_MS = 2;
const CATCH_UP_MS_MAX = 20_000;

const recorder = new Recorder(name, false);
const db = await openText(dir, { ...TINY, readOnly: true });

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

answer({
  /** So many snapshots, each of a refreshed database. */
  async read(
    epoch: number,
    elements: number,
    seed: number,
    snapshots: number,
  ): Promise<RecordedTransaction[]> {
    const random = new SeededRandom(seed);
    const names = new Names(epoch, 0, elements);
    for (let left = snapshots; left > 0; left--) {
      const refreshedAt = nowNs();
      await db.refresh();
      await Promise.all(
        [0, 1, 2].map(() =>
          recorder.snapshot(db, (reader) => randomReads(reader, random, names), refreshedAt),
        ),
      );
    }
    return recorder.take();
  },

  /** Waits until it sees the version, and reads everything. */
  async catchUp(epoch: number, version: number): Promise<RecordedTransaction[]> {
    const until = performance.now() + CATCH_UP_MS_MAX;
    for (await db.refresh(); db.version < version; await db.refresh()) {
      if (performance.now() > until) throw new Error(`sees version ${db.version}, not ${version}`);
      await pause();
    }
    await recorder.snapshot(db, (reader) => reader.scan(everything(epoch)));
    return recorder.take();
  },

  close: (): Promise<void> => db.close(),
});
