/** At a cluster that nothing disturbs any more: all nodes hold the same, nothing that anybody was told is missing, and nothing is left over on any disk. */

import { isDeepStrictEqual } from 'node:util';
import { KEYSPACES } from '../../model/history.ts';
import { show } from '../../simulation/journal.ts';
import { contentOf } from '../../simulation/life.ts';
import { everythingOf } from '../everything.ts';
import { counts } from './counts.ts';
import type { NodeHost } from './node-host.ts';
import type { TextNode, World } from './node-process.ts';
import { Order } from './order.ts';

const SETTLE_MS = 500;
const SETTLE_TRIES = 60;
/** Nothing of the log is in a window any more after so many times the window, however they lie. */
const WINDOWS = 2;
const WINDOW_VERSIONS_MAX = 16;

interface Looked {
  readonly host: NodeHost;
  readonly db: TextNode;
}

export async function lastLook(hosts: readonly NodeHost[], world: World): Promise<void> {
  const nodes = await Promise.all(hosts.map(async (host) => ({ host, db: (await host.steady()).db })));
  const [first] = nodes;
  if (first === undefined) throw new Error('there are nodes');
  // What is asked for is made, and takes a version.
  await first.db.caughtUp();
  for (const keyspace of KEYSPACES) first.db.keyspace(keyspace);
  await sameVersion(nodes);
  await sameOnAll(nodes, world.keepsAll);
  counts.commits += world.journal.commits;
  counts.unknown += world.journal.unknown.length;
  const order = new Order(world.journal, await contentOf(first.db), first.db.version);
  if (!order.explain()) counts.unexplored++;
  for (const { host, db } of nodes) await compact(host, db);
  if (world.keepsAll || world.windowVersions > WINDOW_VERSIONS_MAX) return;
  await noFileIsLeft(nodes, world);
  for (const node of nodes) await wholeDisk(node);
}

/** What nobody waits for may still be on its way. */
async function sameVersion(nodes: readonly Looked[]): Promise<void> {
  for (let tries = 0; tries < SETTLE_TRIES; tries++) {
    await Promise.all(nodes.map(({ db }) => db.caughtUp()));
    const states = await Promise.all(nodes.map(({ db }) => db.status()));
    const pending = states.some(({ pendingCommits, lag }) => pendingCommits > 0 || (lag.revisions ?? 0) > 0);
    if (!pending && new Set(nodes.map(({ db }) => db.version)).size === 1) return;
    await nodes[0]?.host.machine.schedule.sleep(SETTLE_MS);
  }
  const told = nodes.map(({ host, db }) => `${host.name} is at ${db.version}`).join(', ');
  throw new Error(`the nodes do not come to the same version: ${told}`);
}

async function sameOnAll(nodes: readonly Looked[], keepsAll: boolean): Promise<void> {
  const all = await Promise.all(
    nodes.map(async ({ host, db }) => ({
      name: host.name,
      digest: await db.contentDigest(),
      shown: show(await contentOf(db)),
      everything: keepsAll ? await everythingOf(db) : undefined,
    })),
  );
  for (const { name, ...held } of all) {
    const { name: other, ...wanted } = all[0] ?? { name: '' };
    if (isDeepStrictEqual(held, wanted)) continue;
    throw new Error(`${name} and ${other} differ:\n${difference(held, wanted)}`);
  }
}

/** The first of them, by where it is. */
function difference(one: unknown, other: unknown, at = ''): string {
  const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
  if (!isObject(one) || !isObject(other))
    return `${at}: ${JSON.stringify(one)}, and ${JSON.stringify(other)}`;
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const [left, right]: unknown[] = [Reflect.get(one, key), Reflect.get(other, key)];
    if (!isDeepStrictEqual(left, right)) return difference(left, right, `${at}.${key}`);
  }
  return `${at}: nothing`;
}

async function compact({ name }: NodeHost, db: TextNode): Promise<void> {
  const before = show(await contentOf(db));
  await db.compactRange();
  if (show(await contentOf(db)) !== before) throw new Error(`a compaction of ${name} has changed ${before}`);
  const { problems } = await db.verify({ full: true });
  if (problems.length > 0) throw new Error(`verify of ${name}: ${JSON.stringify(problems)}`);
}

/** As `run.ts` of one machine: a compaction under way passes, a leak stays. REQUIRES: nothing is in the window, which has tables that nothing else names. */
async function wholeDisk({ host, db }: Looked): Promise<void> {
  const { machine, name } = host;
  for (let tries = 0; ; tries++) {
    const { tables } = await db.verify();
    const there = machine.names('db/tables');
    const rest = ['db/staging', 'cluster/partial', 'cluster/checkpoints'].flatMap((each) =>
      machine.names(each),
    );
    const directories = machine.names('').filter((each) => each.startsWith('db') && each !== 'db');
    if (there.length === tables && rest.length + directories.length === 0) return;
    if (tries === SETTLE_TRIES) {
      const left = [...rest, ...directories].join(', ');
      throw new Error(`${name} names ${tables} tables, and its disk has ${there}; besides: ${left}`);
    }
    await machine.schedule.sleep(SETTLE_MS);
  }
}

/** Originals go when no window has them any more, and the log is trimmed. */
async function noFileIsLeft(nodes: readonly Looked[], { log, windowVersions }: World): Promise<void> {
  const [first] = nodes;
  const { head } = log.hub;
  for (let i = 0; i < WINDOWS * windowVersions; i++) await first?.db.put('last', String(i));
  for (let tries = 0; ; tries++) {
    const left = nodes.flatMap(({ host }) =>
      host.machine.names('cluster/files').map((name) => `${host.name} ${name}`),
    );
    const told = [...log.hub.files].filter(([, holders]) => holders.size > 0);
    if (left.length + told.length === 0 && log.hub.trimmed >= head) return;
    if (tries === SETTLE_TRIES)
      throw new Error(
        `files are left: ${left.join(', ')}; the log is trimmed through ${log.hub.trimmed} of ${head}, and has holders of ${told.length}`,
      );
    await first?.host.machine.schedule.sleep(SETTLE_MS);
  }
}
