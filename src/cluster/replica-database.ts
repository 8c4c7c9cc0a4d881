/** The database of a replica, opened at a place from which the log goes on: made from a peer where it must be. */

import { isSluiceError, SluiceError, throwIfAborted } from '../base/errors.ts';
import { Db } from '../db.ts';
import { type Home, openWriter } from '../db-home.ts';
import type { Settings } from '../db-options.ts';
import { RESERVED_KEYSPACE } from '../txn/catalog.ts';
import type { Engine } from '../txn/engine.ts';
import { bootstrap } from './bootstrap.ts';
import type { FileExchange } from './files/file-exchange.ts';
import { type ClusterConfig, logLacks, type SharedLog } from './log/shared-log.ts';
import { LogCheck } from './log-check.ts';
import { Positions } from './position.ts';
import { EntryRecords } from './record/entry.ts';
import type { LogRecord } from './record/log-record.ts';
import { RequestIds } from './request-ids.ts';
import type { SharedFiles } from './shared-files.ts';
import { enterEntry } from './window-rebuild.ts';

export interface ReplicaDatabaseParts {
  /** Of the node: the database is in `root/db`. */
  readonly root: string;
  readonly node: string;
  readonly settings: Settings;
  readonly config: ClusterConfig;
  readonly log: SharedLog;
  readonly exchange: FileExchange;
  readonly files: SharedFiles;
  /** Ends what is waited for: of a peer, of the log. */
  readonly signal: AbortSignal;
}

export interface ReplicaDatabase {
  readonly home: Home;
  readonly positions: Positions;
  /** Of the commits there. */
  readonly requests: RequestIds;
}

/** @throws SluiceError as `open`; UNAVAILABLE where the log, or a peer that is needed, cannot be reached */
export async function openReplicaDatabase(parts: ReplicaDatabaseParts): Promise<ReplicaDatabase> {
  const { settings } = parts;
  let why: unknown;
  for (let attempt = 1; attempt <= 2; attempt++) {
    let home: Home | undefined;
    try {
      home = openWriter(settings);
      const positions = await positionsOf(home.engine, parts);
      return { home, positions, requests: await rebuildWindow(home.engine, positions, parts) };
    } catch (error) {
      if (home !== undefined) await closeHome(home, settings);
      const isHopeless = isSluiceError(error, 'TRIMMED') || isSluiceError(error, 'CORRUPTION');
      if (!isHopeless || attempt === 2) throw error;
      why = error;
    }
    settings.logger?.warn({ err: why }, 'this replica is made anew from a peer');
    await bootstrap({ ...parts, env: settings.env, why });
  }
  throw why;
}

/** Of no node any more. */
export function closeHome(
  { beforeClose: _, afterClose: __, ...home }: Home,
  settings: Settings,
): Promise<void> {
  return new Db(home, settings, 'buffer', 'buffer', undefined).close();
}

/** @throws SluiceError TRIMMED where the log does not reach back to them, DIVERGED where it has others */
async function positionsOf(
  engine: Engine,
  { config, log, settings }: ReplicaDatabaseParts,
): Promise<Positions> {
  if (engine.catalog.newest(RESERVED_KEYSPACE) === undefined) {
    if (engine.publication.last > 1) {
      const message = `${settings.dir} is a database of its own, not a cluster's replica: open it by itself, and import from it`;
      throw new SluiceError('NOT_A_DATABASE', message);
    }
    engine.keyspaces.make(RESERVED_KEYSPACE, false);
  }
  const positions = await Positions.load(engine, config.windowVersions);
  const trimmed = await log.trimmedThrough();
  const oldest = positions.all[0]?.revision;
  if ((oldest ?? 1) <= trimmed) {
    const message = `The log is kept from revision ${trimmed} on, and this replica asks for it from ${oldest ?? 0}`;
    throw new SluiceError('TRIMMED', message);
  }
  return positions;
}

/** L5: before anything is applied, the window has what those of the other replicas have. Returns the requests of those commits. */
async function rebuildWindow(
  engine: Engine,
  positions: Positions,
  { files, log, signal }: ReplicaDatabaseParts,
): Promise<RequestIds> {
  const requests = new RequestIds();
  const [oldest, newest] = [positions.all[0], positions.last];
  files.adopt(newest?.revision ?? 0);
  if (oldest === undefined || newest === undefined) return requests;
  // Else it would be waited for.
  if ((await log.head()) < newest.revision) throw logLacks(newest.revision);
  const check = new LogCheck(positions);
  const done = new AbortController();
  const ended = AbortSignal.any([signal, done.signal]);
  for await (const { bytes, revision } of log.read(oldest.revision - 1, ended)) {
    const records = new EntryRecords(bytes);
    check.next(revision, records);
    const bring = async (record: LogRecord): Promise<void> => {
      await files.bring(record, revision);
      files.named(record.files, revision);
    };
    const parts = { engine, pathOf: files.pathOf, requests, bring };
    await enterEntry(parts, records, positions.versionsOf(revision));
    if (revision >= newest.revision) break;
  }
  throwIfAborted(signal);
  done.abort();
  return requests;
}
