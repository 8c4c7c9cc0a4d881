/** SIGKILL at random moments: every acknowledged commit is whole afterwards, no other is torn, nothing is left over. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { memoryDirectory, openText } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { tableFiles } from '../base/sst-files.ts';
import { DELETED, KEYSPACES, keyOf, WORKERS, writesOf } from './commits.ts';

/** Of each of two databases. */
const ROUNDS = Math.round(5 * LENGTH);
const HOOKS = new URL('../base/typescript-hooks.mjs', import.meta.url).href;
const CHILD = fileURLToPath(new URL('./crash-child.ts', import.meta.url));
/** The most that a child may tell once it is open, and how much longer it may live then: some is told at each commit. */
const LINES = 90;
const LINGER_MS = 10;

function spawnChild(dir: string) {
  return spawn(process.execPath, ['--import', HOOKS, CHILD, dir], { stdio: ['pipe', 'pipe', 'inherit'] });
}

class Crashes {
  readonly #dir: string;
  readonly #begun = new Set<number>();
  readonly #files = new Set<number>();
  readonly done = new Set<number>();
  /** The last commit that each worker was told of. */
  readonly #last = new Map<number, number>();
  /** Begun commits that a recovery did not find: no later one may. */
  readonly #lost = new Set<number>();
  #next = 0;
  #openMs = 50;
  /** Loaded and waiting: a process starts while the one before is looked after. */
  #ready: ReturnType<typeof spawnChild>;

  constructor(dir: string) {
    this.#dir = dir;
    this.#ready = spawnChild(dir);
  }

  /** One life of the child, ended by SIGKILL at a random moment: of its work, or `early`, while it opens. */
  async round(durability: 'fsync' | 'os', early: boolean): Promise<void> {
    mkdirSync(join(this.#dir, 'in'), { recursive: true });
    const child = this.#ready;
    const closed = once(child, 'close');
    const started = performance.now();
    child.stdin.write(`${durability} ${this.#next}\n`);
    if (early) setTimeout(() => child.kill('SIGKILL'), this.#openMs * Math.random() * 1.2);
    let left = Math.floor(Math.random() * LINES);
    for await (const line of createInterface(child.stdout)) {
      const [word, n = '', worker = ''] = line.split(' ');
      if (left-- === 0) setTimeout(() => child.kill('SIGKILL'), Math.random() * LINGER_MS);
      if (word === 'open') this.#openMs = performance.now() - started;
      else if (word === 'begun') this.#begin(Number(n));
      else if (word === 'files') this.#files.add(Number(n));
      else if (word === 'done') {
        this.done.add(Number(n));
        this.#last.set(Number(worker), Number(n));
      }
    }
    expect((await closed)[1]).toBe('SIGKILL');
    this.#ready = spawnChild(this.#dir);
  }

  async check(full: boolean): Promise<void> {
    const db = await openText(join(this.#dir, 'db'), { durability: 'os', compaction: 'off' });
    try {
      const found = new Map<string, string>();
      for (const keyspace of KEYSPACES) {
        for (const [key, value] of await db.keyspace(keyspace).iterator().all())
          found.set(`${keyspace} ${key}`, value);
      }
      const whole = new Set<number>();
      for (const n of this.#begun) {
        const writes = writesOf(n);
        const there = writes.filter(({ keyspace, key, value }) => found.get(`${keyspace} ${key}`) === value);
        if (there.length !== 0) expect(there, `commit ${n} is torn`).toHaveLength(writes.length);
        if (this.done.has(n))
          expect(there, `commit ${n} was acknowledged and is gone`).toHaveLength(writes.length);
        if (there.length === 0) this.#lost.add(n);
        else expect(this.#lost, `commit ${n} has come back`).not.toContain(n);
        if (there.length > 0) whole.add(n);
        for (const keyspace of KEYSPACES) expect(found.has(`${keyspace} ${keyOf(n, DELETED)}`)).toBe(false);
      }
      for (let worker = 0; worker < WORKERS; worker++) {
        const last = Number(found.get(`default last:${worker}`) ?? -1);
        expect(last).toBeGreaterThanOrEqual(this.#last.get(worker) ?? -1);
        if (last >= 0) expect(whole).toContain(last);
        this.#last.set(worker, last);
      }
      // L9: an input is taken only by a commit.
      for (const n of this.#files) if (!whole.has(n)) this.#expectInputs(n);
      expect((await db.verify({ full })).problems).toEqual([]);
      // Tables that range deletions hide go soon after the open, and while they are verified their files stay.
      await expect
        .poll(async () => tableFiles(join(this.#dir, 'db')).length - (await db.verify()).tables)
        .toBe(0);
      expect(readdirSync(join(this.#dir, 'db/staging'))).toEqual([]);
    } finally {
      await db.close();
    }
    rmSync(join(this.#dir, 'in'), { recursive: true });
    this.#files.clear();
  }

  end(): void {
    this.#ready.kill('SIGKILL');
  }

  #begin(n: number): void {
    this.#begun.add(n);
    this.#next = Math.max(this.#next, n + 1);
  }

  #expectInputs(n: number): void {
    for (const { keyspace, ingested } of writesOf(n)) {
      const path = join(this.#dir, 'in', `${n}-${keyspace}.sst`);
      if (ingested) expect(existsSync(path), `${path} was lost`).toBe(true);
    }
  }
}

// Two databases, because what a check costs grows with what the rounds before it have left.
test.each(['first', 'second'])(
  `${ROUNDS} crashes of a %s database`,
  async () => {
    const crashes = new Crashes(memoryDirectory());
    onTestFinished(() => crashes.end());
    for (let round = 0; round < ROUNDS; round++) {
      await crashes.round(round % 2 === 0 ? 'fsync' : 'os', round % 5 === 4);
      await crashes.check(round % 10 === 9 || round === ROUNDS - 1);
    }
    expect(crashes.done.size).toBeGreaterThan(ROUNDS);
  },
  900_000,
);
