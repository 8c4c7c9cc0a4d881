/** The datasets of a database, or of a cluster by one of its nodes: what the commands do to either. */

import { createReadStream } from 'node:fs';
import { nodeEnv } from '../base/env/node-env.ts';
import type { DatasetVersionStatus } from '../cluster/api/dataset-routes.ts';
import type { ClientDataset } from '../cluster/http/client-dataset.ts';
import type { Db } from '../db.ts';
import type { DatasetVersion } from '../txn/dataset/dataset.ts';
import type { DatasetChange } from '../txn/dataset/diff.ts';
import { asksNode, withClient } from './cluster-flags.ts';
import type { Arguments } from './command.ts';
import { withDatabase, withWritable } from './database.ts';

export type Change = DatasetChange<'buffer', 'buffer'>;

/** As `datasets` tells it. */
export type ListedVersion = Pick<
  DatasetVersion,
  'version' | 'kind' | 'base' | 'live' | 'time' | 'message' | 'ingest' | 'tables' | 'bytes' | 'entries'
> & {
  readonly commit: number;
  readonly files: readonly {
    readonly file: string;
    readonly bytes: number;
    readonly entries: number;
    readonly sha256?: string | undefined;
  }[];
};

export interface DatasetDoor {
  /** By name. */
  list(): Promise<ReadonlyMap<string, readonly ListedVersion[]>>;
  dataset(name: string): {
    activate(version: number): Promise<unknown>;
    rollback(): Promise<number>;
    drop(versions: readonly number[]): Promise<readonly number[]>;
    retain(keep: number): Promise<readonly number[]>;
    diff(before: number, after: number, signal: AbortSignal | undefined): AsyncIterable<Change>;
  };
}

export function withDatasets<T>(
  args: Arguments,
  writes: boolean,
  use: (door: DatasetDoor) => Promise<T>,
): Promise<T> {
  if (asksNode(args)) {
    return withClient(args, (client) =>
      use({
        list: async () =>
          new Map((await client.datasets()).map(({ name, versions }) => [name, versions.map(listedOf)])),
        dataset: (name) => ofClient(client.dataset(name)),
      }),
    );
  }
  const act = (db: Db): Promise<T> => use(ofDatabase(db));
  return writes ? withWritable(args, false, act) : withDatabase(args, act);
}

function ofDatabase(db: Db): DatasetDoor {
  return {
    list: async () => new Map(db.datasets().map((name) => [name, db.dataset(name).versions()])),
    dataset: (name) => {
      const dataset = db.dataset(name);
      return {
        activate: (version) => dataset.activate(version),
        rollback: () => dataset.rollback(),
        drop: async (versions) => {
          for (const version of versions) await dataset.drop(version);
          return versions;
        },
        retain: (keep) => dataset.retain(keep),
        diff: (before, after, signal) => dataset.diff(before, after, signal === undefined ? {} : { signal }),
      };
    },
  };
}

function ofClient(dataset: ClientDataset): ReturnType<DatasetDoor['dataset']> {
  return {
    activate: (version) => dataset.activate(version),
    rollback: () => dataset.rollback(),
    drop: (versions) => dataset.drop(versions),
    retain: (keep) => dataset.retain(keep),
    diff: (before, after, signal) => dataset.diff(before, after, signal === undefined ? {} : { signal }),
  };
}

export function listedOf({ time, base, message, ...version }: DatasetVersionStatus): ListedVersion {
  return { ...version, base, message, time: new Date(time) };
}

/** Sends the files to the node and publishes them there. */
export async function publishAt(
  args: Arguments,
  name: string,
  files: readonly string[],
  options: object,
  signal: AbortSignal | undefined,
): Promise<ListedVersion> {
  const call = signal === undefined ? {} : { signal };
  // One that is not there is told before anything is sent.
  for (const file of files) nodeEnv.fs.statSync(file);
  return withClient(args, async (client) => {
    const uploads: string[] = [];
    for (const file of files) uploads.push((await client.upload(createReadStream(file), call)).upload);
    return listedOf(await client.dataset(name).publish({ ...options, uploads }, call));
  });
}
