/** Cases of a cluster: three nodes and three members of etcd as processes of this machine, which share its cores and its disk. */

import { needsFiles } from './files.mjs';
import { bytes, factor, megabytesPerSecond, millions, ms, rate } from './rows.mjs';

export function cluster({ scale, scratch, fileSet }) {
  const mb = Math.max(2, Math.round(1000 * scale));
  const set = fileSet('cluster', 10, mb * 50, 4000);
  const needs = [needsFiles(set)];
  const commits = Math.max(1000, Math.round(1_000_000 * scale));
  return [
    {
      name: 'cluster-commits',
      engines: ['sluice'],
      rows: commitRows(),
      task: (e) => ({ kind: 'clusterCommits', dir: scratch(e), measureMs: Math.max(300, 5000 * scale) }),
    },
    {
      name: 'cluster-ingest',
      engines: ['sluice'],
      needs,
      rows: {
        ingestMs: ms(`cluster, ingest of ${mb} MB in ten files until three nodes have it`),
        copyMs: ms('… its bytes sent to two nodes over loopback and synced'),
        toCopying: factor('… ingest, to that', { atMost: 1.5 }),
        bytesPerFile: bytes('… bytes of the log for each file', { atMost: 1024 }),
        p99Ms: ms('… p99 of reads meanwhile, worst node'),
        toIdle: factor('… to idle', { atMost: 2 }),
        lateP99Ms: ms('… p99 of how long a read that was due waited for the event loop, worst node'),
        idleLateP99Ms: ms('… idle'),
      },
      task: (e) => ({ kind: 'clusterIngest', dir: scratch(e), set }),
    },
    {
      name: 'cluster-catch-up',
      engines: ['sluice'],
      needs,
      rows: {
        catchUpMs: ms(
          `cluster, node that missed ${millions(commits)} commits and ${mb} MB of files, until it has them`,
        ),
        catchUpRate: rate('… commits'),
        bootstrapMs: ms('… new node, until it has all'),
        bootstrapMB: megabytesPerSecond('… of files'),
      },
      task: (e) => ({ kind: 'clusterCatchUp', dir: scratch(e), commits, set }),
    },
  ];
}

function commitRows() {
  const rows = {};
  for (const clients of [1, 64, 512]) {
    const label = `cluster, durable commits, ${clients} at once`;
    Object.assign(rows, {
      [`rate${clients}`]: rate(label),
      [`p50Ms${clients}`]: ms('… p50'),
      [`p99Ms${clients}`]: ms('… p99'),
      [`raw${clients}`]: rate('… puts of etcd itself, of the same bytes'),
      [`factor${clients}`]: factor('… commits to those', clients === 512 ? { atLeast: 10 } : {}),
    });
  }
  return {
    ...rows,
    transactionRate: rate('cluster, transactions that read a key and put it, 512 at once'),
    transactionP50Ms: ms('… p50'),
    transactionP99Ms: ms('… p99'),
  };
}
