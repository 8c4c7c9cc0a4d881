/** What holds the log was restored from a backup: it lacks what replicas have applied, and may have something else in its place. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryLog } from '../../src/cluster/log/memory-log.ts';
import type { LogEntry, SharedLog } from '../../src/cluster/log/shared-log.ts';
import { outcomeOf } from '../base/database.ts';
import { writeSst } from '../base/sst-files.ts';
import { PassedLog } from './faults/passed-log.ts';
import { type TestCluster, type TextNode, threeNodes } from './nodes.ts';

/** As restored: with these entries and no others. */
class RestoredLog extends PassedLog {
  readonly #entries: readonly LogEntry[];

  constructor(inner: SharedLog, entries: readonly LogEntry[]) {
    super(inner);
    this.#entries = entries;
  }

  override async *read(after: number, signal: AbortSignal): AsyncGenerator<LogEntry> {
    for (const entry of this.#entries) if (entry.revision > after) yield entry;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  }

  override head(): Promise<number> {
    return Promise.resolve(this.#entries.at(-1)?.revision ?? 0);
  }
}

/** Of all kinds, each in an entry of its own. */
async function history(cluster: TestCluster, node: TextNode): Promise<void> {
  const path = join(cluster.dir, 'in.sst');
  await writeSst(path, [['f', '1']]);
  await node.put('a', '1');
  await node.transaction(async (txn) => txn.put('b', `${await txn.get('a')}`));
  await node.ingest(path);
  const [late, early] = [node.begin(), node.begin()];
  for (const txn of [late, early]) {
    await txn.get('c');
    txn.put('c', 'c');
  }
  await early.commit();
  expect(await outcomeOf(() => late.commit())).toBe('CONFLICT');
  await node.put('d', '1');
}

const moved = (entry: LogEntry | undefined, by: number): LogEntry[] =>
  entry === undefined ? [] : [{ ...entry, revision: entry.revision + by }];

const RESTORED: Record<string, (entries: readonly LogEntry[]) => readonly LogEntry[]> = {
  'without the last entry': (entries) => entries.slice(0, -1),
  'without most of them': (entries) => entries.slice(0, 2),
  'without any': () => [],
  'without the last, and with others since': (entries) => [
    ...entries.slice(0, -1),
    ...moved(entries.at(-1), 7),
  ],
  'with other bytes in one amid the others': (entries) =>
    entries.map((entry) =>
      entry.revision === 2 ? { ...entry, bytes: entries[0]?.bytes ?? entry.bytes } : entry,
    ),
  'with other bytes in the first': ([first, second, ...others]) =>
    first === undefined || second === undefined ? [] : [{ ...first, bytes: second.bytes }, second, ...others],
  'with a refused one less': (entries) => entries.filter(({ revision }) => revision !== 5),
  'with another order': ([first, second, ...others]) => [...moved(second, -1), ...moved(first, 1), ...others],
};

test.each(Object.entries(RESTORED))('a replica does not open over a log %s', async (_, restored) => {
  const { cluster, a } = await threeNodes();
  await history(cluster, a);
  expect(cluster.log.entries.map(({ revision }) => revision)).toEqual([1, 2, 3, 4, 5, 6]);
  await cluster.stop('a');
  const over = (entries: readonly LogEntry[]) =>
    cluster.open('a', { log: new RestoredLog(new MemoryLog(cluster.log, 'a'), entries) });
  const asItWas = [...cluster.log.entries];
  expect(await outcomeOf(() => over(restored(asItWas)))).toBe('DIVERGED');
  const again = await over(asItWas);
  expect(await again.get('d')).toBe('1');
});
