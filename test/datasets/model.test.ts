/**
 * Random lives of a dataset against maps: a version is what was published, whatever is written, flushed, compacted, dropped
 * or reopened meanwhile; and a version made live is its state plus nothing.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DatasetView } from '../../src/index.ts';
import { makeMemoryDirectory, openText, outcomeOf, type TextDb, TINY } from '../base/database.ts';
import { type Entry, writeSst } from '../base/sst-files.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
const key = fc.constantFrom(...KEYS);
const entries = fc.uniqueArray(fc.tuple(key, fc.boolean()), {
  minLength: 1,
  maxLength: 4,
  selector: ([k]) => k,
});

type Step =
  | {
      readonly op: 'base' | 'delta';
      readonly hidden: boolean;
      readonly files: readonly (readonly (readonly [string, boolean])[])[];
    }
  | { readonly op: 'put' | 'del' | 'deleteFrom'; readonly key: string }
  | { readonly op: 'activate' | 'drop' | 'view'; readonly of: number }
  | { readonly op: 'rollback' | 'flush' | 'compact' | 'reopen' | 'snapshot' | 'checkpoint' };

const files = fc.array(entries, { minLength: 1, maxLength: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ op: fc.constantFrom('base', 'delta', 'delta'), hidden: fc.boolean(), files }),
  fc.record({ op: fc.constantFrom('put', 'put', 'del', 'deleteFrom'), key }),
  fc.record({ op: fc.constantFrom('activate', 'activate', 'drop', 'view'), of: fc.nat() }),
  fc.record({ op: fc.constantFrom('rollback', 'flush', 'compact', 'reopen', 'snapshot', 'checkpoint') }),
);

type Content = ReadonlyMap<string, string>;
const sorted = (content: Content): [string, string][] => [...content].sort(([a], [b]) => (a < b ? -1 : 1));

class Life {
  db: TextDb;
  readonly #dir: string;
  #live = new Map<string, string>();
  #current: number | undefined;
  #versions: { readonly id: number; readonly content: Content }[] = [];
  /** Readers that were opened, and what they must see to the end. */
  #held: { close(): void; read(): Promise<unknown>; readonly content: Content }[] = [];
  #next = 0;
  #lastId = 0;

  constructor(db: TextDb, dir: string) {
    this.db = db;
    this.#dir = dir;
  }

  async act(step: Step): Promise<void> {
    const feats = this.db.dataset('feats');
    const keyspace = this.db.keyspace('feats');
    switch (step.op) {
      case 'base':
      case 'delta':
        return this.#publish(step.op, step.files, step.hidden);
      case 'put':
        await keyspace.put(step.key, `own${++this.#next}`);
        this.#live.set(step.key, `own${this.#next}`);
        return;
      case 'del':
        await keyspace.del(step.key);
        this.#live.delete(step.key);
        return;
      case 'deleteFrom':
        await keyspace.deleteRange({ gte: step.key });
        for (const each of KEYS) if (each >= step.key) this.#live.delete(each);
        return;
      case 'activate': {
        const version = this.#versions[step.of % this.#versions.length];
        if (version === undefined) return;
        await feats.activate(version.id);
        return this.#become(version);
      }
      case 'rollback':
        return this.#rollback();
      case 'drop': {
        const version = this.#versions[step.of % this.#versions.length];
        if (version === undefined) return;
        const outcome = await outcomeOf(() => feats.drop(version.id));
        expect(outcome).toBe(version.id === this.#current ? 'DATASET_VERSION_LIVE' : 'ok');
        if (outcome === 'ok') this.#versions = this.#versions.filter((each) => each !== version);
        return;
      }
      case 'view': {
        const version = this.#versions[step.of % this.#versions.length];
        if (version === undefined) return;
        const view: DatasetView<'utf8', 'utf8'> = feats.at(version.id);
        this.#held.push({
          close: () => view.close(),
          read: () => view.iterator().all(),
          content: version.content,
        });
        return;
      }
      case 'snapshot': {
        const snapshot = this.db.snapshot();
        const read = () => this.db.keyspace('feats').iterator({ snapshot }).all();
        this.#held.push({ close: () => snapshot.close(), read, content: new Map(this.#live) });
        return;
      }
      case 'flush':
        return this.db.flush();
      case 'compact':
        return this.db.compactRange();
      case 'reopen':
        this.release();
        await this.db.close();
        this.db = await openText(join(this.#dir, 'db'), TINY);
        return;
      case 'checkpoint': {
        const path = join(this.#dir, `checkpoint${++this.#next}`);
        await this.db.checkpoint(path);
        const copy = await openText(path, TINY);
        await this.check(copy);
        await copy.close();
      }
    }
  }

  async #publish(
    kind: 'base' | 'delta',
    list: readonly (readonly (readonly [string, boolean])[])[],
    hidden: boolean,
  ): Promise<void> {
    const paths: string[] = [];
    const on = this.#versions.find(({ id }) => id === this.#current);
    const content = new Map(kind === 'delta' ? on?.content : []);
    const live = new Map(kind === 'delta' ? this.#live : []);
    for (const file of list) {
      const value = `v${++this.#next}`;
      const given = file.map(([k, isPut]): Entry => [k, isPut ? value : undefined]);
      for (const [k, v] of given) {
        for (const map of [content, live]) {
          if (v === undefined) map.delete(k);
          else map.set(k, v);
        }
      }
      paths.push((await writeSst(join(this.#dir, `${this.#next}.sst`), given)).path);
    }
    const publish = () => this.db.dataset('feats').publish(paths, { kind, mode: 'move', activate: !hidden });
    if (kind === 'delta' && on === undefined) {
      expect(await outcomeOf(publish)).toBe('DATASET_VERSION_NOT_FOUND');
      return;
    }
    const { version } = await publish();
    expect(version).toBe(++this.#lastId);
    this.#versions.push({ id: version, content });
    if (hidden) return;
    this.#current = version;
    this.#live = live;
  }

  async #rollback(): Promise<void> {
    const index = this.#versions.findIndex(({ id }) => id === this.#current);
    const version = this.#versions[index - 1];
    const outcome = await outcomeOf(async () =>
      expect(await this.db.dataset('feats').rollback()).toBe(version?.id),
    );
    expect(outcome).toBe(version === undefined ? 'DATASET_VERSION_NOT_FOUND' : 'ok');
    if (version !== undefined) this.#become(version);
  }

  #become({ id, content }: { readonly id: number; readonly content: Content }): void {
    this.#current = id;
    this.#live = new Map(content);
  }

  async check(db = this.db): Promise<void> {
    const feats = db.dataset('feats');
    expect(await db.keyspace('feats').iterator().all()).toEqual(sorted(this.#live));
    expect(feats.current).toBe(this.#current);
    expect(feats.versions().map(({ version }) => version)).toEqual(this.#versions.map(({ id }) => id));
    for (const { id, content } of this.#versions) {
      using view = feats.at(id);
      expect(await view.iterator().all()).toEqual(sorted(content));
      expect(await view.getMany(KEYS)).toEqual(KEYS.map((each) => content.get(each)));
    }
    for (const { read, content } of this.#held) expect(await read()).toEqual(sorted(content));
  }

  release(): void {
    for (const { close } of this.#held.splice(0)) close();
  }
}

test('random lives', async () => {
  const root = makeMemoryDirectory();
  let lives = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
        const dir = join(root, String(++lives));
        mkdirSync(dir);
        const life = new Life(await openText(join(dir, 'db'), TINY), dir);
        try {
          for (const each of steps) {
            await life.act(each);
            await life.check();
          }
          life.release();
          await expect.poll(() => life.db.stats().droppedGenerations).toEqual([]);
          expect((await life.db.verify({ full: true })).problems).toEqual([]);
        } finally {
          await life.db.close();
          rmSync(dir, { recursive: true });
        }
      }),
      { numRuns: 60 },
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}, 600_000);
