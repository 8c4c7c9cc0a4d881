/**
 * How the rows of datasets are coded (format.ts):
 *
 *     "S" + keyspace name, UTF-8   [lastId, [[id, tree, base | null, version, timeMs, ingest id, message | null], …],
 *                                   [[version, id], …]]
 */

import type { Version } from '../mvcc/version.ts';
import { Fields, open } from './fields.ts';
import type { DatasetRow, TreeId } from './rows.ts';

export function datasetValues({ lastId, versions, activations }: DatasetRow): unknown[] {
  return [
    lastId,
    versions.map((v) => [v.id, v.tree, v.base ?? null, v.version, v.timeMs, v.ingestId, v.message ?? null]),
    activations.map(({ version, id }) => [version, id]),
  ];
}

export function decodeDataset(key: Uint8Array, value: Uint8Array): DatasetRow {
  const name = Buffer.from(key).toString('utf8', 1);
  const what = `the row of dataset ${name}`;
  const f = open(what, key, value);
  return {
    name,
    lastId: f.number(),
    versions: f.list().map((values) => {
      const v = new Fields(what, values);
      return {
        id: v.number(),
        tree: v.number<TreeId>(),
        base: v.numberOrNull() ?? undefined,
        version: v.number<Version>(),
        timeMs: v.number(),
        ingestId: v.text(),
        message: v.textOrNull() ?? undefined,
      };
    }),
    activations: f.list().map((values) => {
      const a = new Fields(what, values);
      return { version: a.number<Version>(), id: a.number() };
    }),
  };
}
