/**
 * SIGKILL while a database is at a job: what was acknowledged is there, all of it is sound, and nothing is left over. A life is
 * a process of its own (`job-child.ts`), which tells when the job begins.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { listBackups } from '../../src/index.ts';
import { openText, type TextDb, TINY } from '../base/database.ts';
import { live } from './lives.ts';

/** When the job is under way, in ms after it began. What waits for a timer first begins later. */
const WINDOWS_MS = {
  flush: [0, 8],
  compaction: [0, 12],
  subcompaction: [0, 40],
  ingest: [0, 12],
  collection: [40, 65],
  checkpoint: [0, 12],
  backup: [0, 15],
  publication: [0, 12],
  recovery: [0, 60],
} as const;

export type Job = keyof typeof WINDOWS_MS;
export const JOBS = Object.keys(WINDOWS_MS) as Job[];

/** @param share of the time that the job may take */
export function killMsOf(job: Job, share: number): number {
  const [from, to] = WINDOWS_MS[job];
  return from + (to - from) * share;
}

export async function expectPuts(db: TextDb, puts: Iterable<number>): Promise<void> {
  const keys = new Set(await db.keys({ gte: 'put', lt: 'pv' }).all());
  const lost = [...puts].filter((n) => !keys.has(`put${String(n).padStart(6, '0')}`));
  expect(lost, 'acknowledged and gone').toEqual([]);
}

/** A database that is killed again and again, at one job or several. */
export class Killed {
  readonly #dir: string;
  /** Acknowledged, by any life. */
  readonly #puts = new Set<number>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** One life that ends at the job; then what it left. */
  async once(job: Job, killMs: number): Promise<void> {
    const life = await live(this.#dir, job, { killMs });
    expect([life.signal, life.errors]).toEqual(['SIGKILL', []]);
    for (const n of life.puts) this.#puts.add(n);
    const db = await openText(join(this.#dir, 'db'), { ...TINY, compaction: 'off' });
    try {
      await expectPuts(db, this.#puts);
      expect((await db.verify({ full: true })).problems).toEqual([]);
      expect(readdirSync(join(this.#dir, 'db/staging'))).toEqual([]);
    } finally {
      await db.close();
    }
  }

  /** What lives have made beside the database is whole, or made again in spite of what a kill left of it. */
  async leftovers(): Promise<void> {
    const names = (pattern: RegExp): string[] => readdirSync(this.#dir).filter((name) => pattern.test(name));
    for (const name of names(/^checkpoint-\d+-\d+$/)) {
      const copy = await openText(join(this.#dir, name), TINY);
      expect((await copy.verify({ full: true })).problems).toEqual([]);
      await copy.close();
    }
    const backups = join(this.#dir, 'backups');
    for (const { problems } of await listBackups(backups, { full: true })) expect(problems).toEqual([]);
    const db = await openText(join(this.#dir, 'db'), TINY);
    for (const name of names(/\.partial-checkpoint$/)) {
      await db.checkpoint(join(this.#dir, name.replace('.partial-checkpoint', '')));
    }
    await db.backup(backups);
    await db.close();
    expect(names(/\.partial/)).toEqual([]);
  }
}
