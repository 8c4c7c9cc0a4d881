/** `sluicedb/cluster`, the second of the package's two entries: a database replicated over several nodes, and a client of them. */

export type { ImportStatus } from './api/import-routes.ts';
export type { NodeStatus } from './api/served-node.ts';
export type { ClusterDb } from './cluster-db.ts';
export type { ClusterStatus } from './cluster-node.ts';
export type { ContentComparison } from './contents.ts';
export type { FileInFlight } from './files/file-exchange.ts';
export type { PullLimits } from './files/pulls.ts';
export {
  type Bytes,
  type CallOptions,
  type ClientBatch,
  type ClientCondition,
  type ClientImport,
  type ClientIngest,
  type ClientIngestResult,
  type ClientWrite,
  ClusterClient,
  type ClusterClientOptions,
  type CommitOptions,
  type ReadOptions,
  type ScanOptions,
  type UploadedFile,
} from './http/client.ts';
export type { HttpLimits } from './http/limits.ts';
export { ConditionFailed } from './http/status-codes.ts';
export type { HttpOptions, NodeTls } from './http-options.ts';
export type { ReplicaLag } from './lag.ts';
export type { EtcdOptions } from './log/etcd/etcd-options.ts';
export type { MemberCondition, MemberState } from './log/shared-log.ts';
export { type NodeOptions, openClusterNode as openCluster } from './open-node.ts';
