/** An etcd of a test's own, and logs in it; both end with the test. */

import { onTestFinished } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { openEtcdLog } from '../../src/cluster/log/etcd/etcd-log.ts';
import type { EtcdOptions } from '../../src/cluster/log/etcd/etcd-options.ts';
import type { SharedLog } from '../../src/cluster/log/shared-log.ts';
import { EtcdCluster, type EtcdStart } from '../fixtures/etcd.ts';

/** Of one member, unless told otherwise. */
export async function startEtcd(start: EtcdStart): Promise<EtcdCluster> {
  const etcd = await EtcdCluster.start({ members: 1, ...start });
  onTestFinished(() => etcd.stop());
  return etcd;
}

export async function openLog(options: EtcdOptions): Promise<SharedLog> {
  const log = await openEtcdLog('access', options, nodeEnv);
  onTestFinished(() => log.close());
  return log;
}
