/**
 * How the rows of imports that the nodes of a cluster share are coded (format.ts):
 *
 *     "N" + import id, UTF-8   [epoch, node, session, state, version | null, spec, info]
 */

import type { Version } from '../mvcc/version.ts';
import { type Fields, open } from './fields.ts';
import type { ImportState, SharedImportRow } from './rows.ts';

export function sharedImportValues(r: SharedImportRow): unknown[] {
  return [r.epoch, r.node, r.session, r.state, r.version ?? null, r.spec, r.info];
}

export function decodeSharedImport(key: Uint8Array, value: Uint8Array): SharedImportRow {
  const id = Buffer.from(key).toString('utf8', 1);
  return sharedImportOf(id, open(`the shared row of import ${id}`, key, value));
}

export function sharedImportOf(id: string, f: Fields): SharedImportRow {
  return {
    id,
    epoch: f.number(),
    node: f.text(),
    session: f.text(),
    state: f.text<ImportState>(),
    version: f.numberOrNull<Version>() ?? undefined,
    spec: f.text(),
    info: f.text(),
  };
}
