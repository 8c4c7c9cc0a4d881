/** Ingests of many files: what is under way at a time is bounded, and leaves nothing behind. */

import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { numbered, writeSst } from '../base/sst-files.ts';
import { clientOf, cluster } from './http-nodes.ts';

const FILES = 24;

/** Names of warnings of the process from now on. */
function warnings(): string[] {
  const names: string[] = [];
  const heard = (warning: Error): void => void names.push(`${warning.name}: ${warning.message}`);
  process.on('warning', heard);
  onTestFinished(() => void process.off('warning', heard));
  return names;
}

test('listeners do not pile up, on nodes that are asked and on one that comes later', async () => {
  const warned = warnings();
  const nodes = cluster();
  const [a, b] = [await nodes.start('a'), await nodes.start('b')];
  const files = Array.from({ length: FILES }, (_, i) => join(nodes.dir, `${i}.sst`));
  for (const [i, path] of files.entries()) await writeSst(path, numbered(i * 100, i * 100 + 10));
  const { version } = await clientOf(a).ingest({ files, into: 'rows' });
  const c = await nodes.start('c');
  for (const node of [b, c]) {
    const { values } = await clientOf(node).getMany(['k000000', 'k002309'], {
      keyspace: 'rows',
      linearizable: true,
    });
    expect(values.map(String)).toEqual(['v0', 'v2309']);
    expect(node.db.version).toBe(version);
  }
  expect(warned).toEqual([]);
});

/** A composite signal stays in the set of one that lives as long as the server: a leak of every request. */
test('requests enter nothing into what lives as long as the server', async () => {
  const nodes = cluster();
  const client = clientOf(await nodes.start('a'));
  const composed = vi.spyOn(AbortSignal, 'any');
  onTestFinished(() => composed.mockRestore());
  for (let i = 0; i < 3; i++) await client.status();
  expect(composed).not.toHaveBeenCalled();
});
