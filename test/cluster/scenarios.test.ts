/** Every scenario of test/scenarios, played against a cluster: sessions and statements go through all its nodes in turn. */

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseScenario } from '../../src/cli/scenario/parse.ts';
import { playScenario } from '../../src/cli/scenario/play.ts';
import type { OpenDatabase } from '../../src/cli/scenario/stage.ts';
import type { Scene } from '../../src/cli/scenario/syntax.ts';
import { makeMemoryDirectory } from '../base/database.ts';
import { LENGTH } from '../base/length.ts';
import { CLUSTERS, openingNodes } from './clusters.ts';
import { RoamingClusters } from './roaming.ts';

const folder = new URL('../scenarios/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

/** Scenes say when memtables are flushed, and need no members' news. */
const SMALL = { blockCacheBytes: 1 << 20, memtableBytes: 1 << 18, ...{ announceMs: 1000 } };

/** A cluster's conflict window is `windowVersions`, the same on all nodes, and not what one machine has memory for. */
function isOfClusters({ steps }: Scene): boolean {
  const first = steps[0]?.statement;
  return first?.kind !== 'options' || first.options.conflictWindowBytes === undefined;
}

describe.each(CLUSTERS)('$name', (cluster) => {
  const openNode = openingNodes(cluster);
  const every = LENGTH > 1 ? 1 : cluster.every;
  test.concurrent.each(files)('%s', async (name) => {
    const scenario = parseScenario(readFileSync(new URL(name, folder), 'utf8'));
    const scenes = scenario.scenes.filter((scene, i) => i % every === 0 && isOfClusters(scene));
    const clusters = new RoamingClusters(openNode);
    const parent = makeMemoryDirectory();
    try {
      const open: OpenDatabase = (dir, options) => clusters.open(dir, { ...SMALL, ...options });
      const played = await playScenario({ ...scenario, scenes }, { parent, open, onStep: clusters.settled });
      expect(played.problems).toEqual([]);
      const failed = played.failed.map((step) => ({ step, gave: played.outcomes.get(step) }));
      expect(failed).toEqual([]);
    } finally {
      rmSync(parent, { recursive: true });
    }
  });
});
