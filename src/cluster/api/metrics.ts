/** /metrics: what the database, the cluster and the server say of themselves, in Prometheus' text format 0.0.4. */

import type { DatabaseStats } from '../../txn/stats.ts';
import type { HttpCounters } from '../http/node-server.ts';
import type { NodeStatus } from './served-node.ts';

export interface MetricsSource {
  readonly stats: DatabaseStats;
  readonly status: NodeStatus;
  readonly http: HttpCounters;
  readonly received: { readonly files: number; readonly bytes: number };
}

type Labels = Readonly<Record<string, string>>;

class Exposition {
  readonly #lines: string[] = [];

  gauge(name: string, help: string, values: Iterable<readonly [Labels, number]> | number): void {
    this.#metric(name, 'gauge', help, values);
  }

  counter(name: string, help: string, values: Iterable<readonly [Labels, number]> | number): void {
    this.#metric(name, 'counter', help, values);
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  #metric(
    name: string,
    type: string,
    help: string,
    values: Iterable<readonly [Labels, number]> | number,
  ): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    const samples = typeof values === 'number' ? [[{}, values] as const] : values;
    for (const [labels, value] of samples) this.#lines.push(`${name}${labelText(labels)} ${value}`);
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

export function metricsText(source: MetricsSource): string {
  const out = new Exposition();
  databaseMetrics(out, source.stats);
  clusterMetrics(out, source);
  httpMetrics(out, source.http);
  return out.toString();
}

function databaseMetrics(out: Exposition, stats: DatabaseStats): void {
  const { keyspaces, replica, blockCache, transactions, compaction, log } = stats;
  out.gauge('sluicedb_version', 'Version that reads see', stats.version);
  out.gauge('sluicedb_log_bytes', 'Bytes of the write-ahead log', log.bytes);
  out.gauge(
    'sluicedb_memtable_bytes',
    'Bytes in memory that no table has yet',
    keyspaces.map(({ name, memtableBytes }) => [{ keyspace: name }, memtableBytes] as const),
  );
  const levels = keyspaces.flatMap(({ name, levels }) =>
    levels.map((level, i) => [{ keyspace: name, level: String(i) }, level] as const),
  );
  out.gauge(
    'sluicedb_tables',
    'Tables of a level',
    levels.map(([labels, { tables }]) => [labels, tables] as const),
  );
  out.gauge(
    'sluicedb_table_bytes',
    'Bytes of the tables of a level',
    levels.map(([labels, { bytes }]) => [labels, bytes] as const),
  );
  if (replica !== undefined) {
    const what = "of what the replica keeps of its place in the cluster's log";
    out.gauge('sluicedb_replica_memtable_room_bytes', `Memory ${what}`, replica.memtableRoomBytes);
    out.gauge('sluicedb_replica_table_bytes', `Bytes in tables ${what}`, replica.bytes);
  }
  out.counter('sluicedb_block_cache_hits_total', 'Blocks found in the cache', blockCache.hits);
  out.counter('sluicedb_block_cache_misses_total', 'Blocks read for not being there', blockCache.misses);
  out.gauge('sluicedb_transactions_active', 'Transactions under way', transactions.active);
  out.counter('sluicedb_conflicts_total', 'Commits refused for a conflict', transactions.conflicts);
  out.gauge('sluicedb_conflict_window_bytes', 'Kept of recent commits', transactions.windowBytes);
  out.gauge('sluicedb_snapshots_open', 'Snapshots that hold back garbage', stats.snapshots.open);
  out.gauge(
    'sluicedb_oldest_snapshot_seconds',
    'Age of the oldest snapshot',
    stats.snapshots.oldestAgeMs / 1000,
  );
  out.gauge('sluicedb_compactions_running', 'Compactions under way', compaction.running);
  out.gauge('sluicedb_poisoned', 'Whether nothing more is written', stats.poisoned === undefined ? 0 : 1);
}

function clusterMetrics(out: Exposition, { status, received }: MetricsSource): void {
  const { lag, files, members, condition } = status;
  out.gauge(
    'sluicedb_up',
    'Whether the node takes part: 0 when it is halted',
    condition === 'halted' ? 0 : 1,
  );
  out.gauge('sluicedb_applied_revision', 'Newest entry of the log that is applied', status.appliedRevision);
  // Without a sample while the log does not tell.
  const told = (value: number | undefined) => (value === undefined ? [] : [[{}, value] as const]);
  out.gauge('sluicedb_lag_revisions', 'How far the node is behind the log', told(lag.revisions));
  out.gauge('sluicedb_lag_records', 'Transactions that it has not applied', told(lag.records));
  out.gauge('sluicedb_lag_bytes', 'Bytes of those, with the files that they name', told(lag.bytes));
  out.gauge('sluicedb_lag_seconds', 'Age of the oldest of those', lag.seconds);
  out.gauge('sluicedb_commits_pending', 'Commits that wait for their outcome', status.pendingCommits);
  out.gauge('sluicedb_members', 'Live nodes of the cluster', members.length);
  out.gauge(
    'sluicedb_member_applied_revision',
    'As the members announce it',
    members.map(({ node, appliedRevision }) => [{ node }, appliedRevision] as const),
  );
  out.gauge('sluicedb_files_held', 'Originals of ingested files that are kept', files.held);
  out.gauge('sluicedb_files_held_bytes', 'Bytes of those', files.bytes);
  out.gauge('sluicedb_files_in_flight', 'Files on their way here', files.inFlight.length);
  const awaited = files.inFlight.reduce((sum, { bytes, received }) => sum + bytes - received, 0);
  out.gauge('sluicedb_files_in_flight_bytes', 'Bytes of those that are not here yet', awaited);
  out.counter('sluicedb_files_received_total', 'Files that came from other nodes', received.files);
  out.counter('sluicedb_files_received_bytes_total', 'Bytes of those', received.bytes);
}

function httpMetrics(out: Exposition, http: HttpCounters): void {
  out.counter(
    'sluicedb_http_answers_total',
    'Answers, by status',
    [...http.answers].map(([status, count]) => [{ status }, count] as const),
  );
  out.gauge('sluicedb_http_requests', 'Requests under way', http.underWay);
  out.counter('sluicedb_http_unauthorized_total', 'Requests without a right token', http.unauthorized);
}
