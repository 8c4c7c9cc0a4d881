/** What the database of the story holds after each of its commits, and what a database is found to hold. */

import type { TextDb } from '../base/database.ts';
import { type Change, STEPS } from './crash-story.ts';

/** What the database holds: values by keyspace and key, those of a dataset's version under its name, '@' and number. */
export type Content = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** One that the database may have, and how many steps are done then. */
export interface Stage {
  readonly content: Content;
  readonly done: number;
}

/** From the empty database on: after each step, and after each commit of those that have several. */
export function stages(): Stage[] {
  let content: Content = new Map();
  const all: Stage[] = [{ content, done: 0 }];
  for (const [index, step] of STEPS.entries()) {
    const changes = step.commits ?? [step];
    for (const [i, change] of changes.entries()) {
      content = changed(content, change);
      all.push({ content, done: i === changes.length - 1 ? index + 1 : index });
    }
  }
  return all;
}

function changed(content: Content, { writes = [], drops = [] }: Change): Content {
  const next = new Map(content);
  for (const name of drops) next.delete(name);
  for (const [keyspace, entries] of writes) {
    const map = new Map(next.get(keyspace));
    for (const [key, value] of entries) {
      if (value === undefined) map.delete(key);
      else map.set(key, value);
    }
    next.set(keyspace, map);
  }
  return next;
}

/** That the story ever has. */
export const KEYSPACES = ['default', 'other', 'feats', 'nightly'] as const;

/** Comparable; a keyspace without entries is as none. */
export function show(content: Content): string {
  const list = [...content].filter(([, entries]) => entries.size > 0).sort();
  return JSON.stringify(list.map(([name, entries]) => [name, [...entries].sort()]));
}

/** Of a past version, without versions of datasets, which are the same at all. */
export async function pastContentOf(db: TextDb, at: number): Promise<Content> {
  using snapshot = db.snapshot({ at });
  const content = new Map<string, Map<string, string>>();
  for (const name of KEYSPACES) {
    content.set(name, new Map(await db.keyspace(name).iterator({ snapshot }).all()));
  }
  return content;
}

export async function contentOf(db: TextDb): Promise<Content> {
  const content = new Map<string, Map<string, string>>();
  for (const name of db.keyspaces()) {
    content.set(name, new Map(await db.keyspace(name).iterator().all()));
  }
  for (const name of db.datasets()) {
    for (const { version } of db.dataset(name).versions()) {
      await using view = db.dataset(name).at(version);
      content.set(`${name}@${version}`, new Map(await view.iterator().all()));
    }
  }
  return content;
}
