/** Options of `openCluster`: their defaults and their checks. */

import type { EncodingName } from '../base/encoding.ts';
import type { DbOptions } from '../db-options.ts';
import type { OpenFileExchange } from './files/file-exchange.ts';
import type { SharedLog } from './log/shared-log.ts';

/** A node's database is written to, and made where there is none; the window is the cluster's. */
const NOT_OF_NODES = ['readOnly', 'createIfMissing', 'errorIfExists', 'conflictWindowBytes'] as const;

export interface ClusterOptions<
  KE extends EncodingName = EncodingName,
  VE extends EncodingName = EncodingName,
> extends Omit<DbOptions<KE, VE>, (typeof NOT_OF_NODES)[number]> {
  /** This node's own: the database is in `dir/db`, files of records in `dir/cluster`. */
  readonly dir: string;
  /** This node's name, as no other node of the cluster has it: letters, digits, `.`, `_` and `-`. */
  readonly node: string;
  /** This node's connection; closed with the database. */
  readonly log: SharedLog;
  readonly files: OpenFileExchange;
  /** How many nodes the cluster is to have; 3. What the first node says holds for all, as do the window's versions. */
  readonly replicas?: number;
  /** How many versions back a transaction's snapshot may lie; 65,536. */
  readonly windowVersions?: number;
  /** How long a commit waits for the log, for a majority, and, unless it has files, for this node to have applied it; 30,000. */
  readonly commitTimeoutMs?: number;
  /** How often this node tells the others how far it is; 1,000. */
  readonly announceMs?: number;
}

export interface ClusterSettings {
  readonly node: string;
  readonly replicas: number;
  readonly windowVersions: number;
  readonly commitTimeoutMs: number;
  readonly announceMs: number;
}

export function resolveClusterOptions(options: ClusterOptions): ClusterSettings {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object');
  for (const name of NOT_OF_NODES)
    if (Reflect.get(options, name) !== undefined)
      throw new TypeError(`options.${name} is for a database alone, not for a cluster's node`);
  const { dir, node, log, files } = options;
  if (typeof dir !== 'string' || dir === '') throw new TypeError('options.dir must be a non-empty path');
  checkNodeName(node, 'options.node');
  if (typeof log?.append !== 'function') throw new TypeError('options.log must be a shared log');
  if (typeof files !== 'function') throw new TypeError('options.files must open an exchange of files');
  return {
    node,
    replicas: integer(options.replicas, 'replicas', 3, 1, 100),
    windowVersions: integer(options.windowVersions, 'windowVersions', 65_536, 16, 10_000_000),
    commitTimeoutMs: integer(options.commitTimeoutMs, 'commitTimeoutMs', 30_000, 1, 2 ** 31 - 1),
    announceMs: integer(options.announceMs, 'announceMs', 1000, 1, 60_000),
  };
}

/** @throws TypeError */
export function checkNodeName(node: unknown, argument: string): asserts node is string {
  if (typeof node !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(node))
    throw new TypeError(`${argument} must be 1 to 64 letters, digits, dots, underscores and hyphens`);
}

function integer(value: unknown, name: string, byDefault: number, min: number, max: number): number {
  if (value === undefined) return byDefault;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new TypeError(`options.${name} must be an integer from ${min} to ${max}; got ${String(value)}`);
}
