/**
 * Which records of the log a replica has applied, and as which versions: durable with each of them, in the same write, so that
 * what recovery finds is exactly what is applied.
 *
 * Of a put transaction it is an entry of its own in the keyspace `~cluster`, of any other commit a row of the manifest. Both reach back to
 * the conflict horizon: the keyspace is a ring by version, so each entry takes the place of the one that has passed it.
 *
 *     key    u64 big-endian: version modulo the window's versions
 *     value  varint version, varint revision, varint index of the record in its entry, rolling digest (16 bytes)
 *
 * The rolling digest after a record is the first half of the SHA-256 of the digest before it, the version that it has got
 * as u64 little-endian (0: it was refused, or takes none), and its bytes.
 */

import { createHash } from 'node:crypto';
import { ByteReader, putFixed64, putVarint } from '../base/codec.ts';
import type { Edit } from '../manifest/rows.ts';
import { type Version, versionOf } from '../mvcc/version.ts';
import { RESERVED_KEYSPACE } from '../txn/catalog.ts';
import type { Engine } from '../txn/engine.ts';
import { Keyspace } from '../txn/keyspace.ts';
import { RunSection } from '../txn/run.ts';

/** A commit, and where the log has it. */
export interface Position {
  readonly version: Version;
  readonly revision: number;
  readonly index: number;
  readonly digest: Uint8Array;
}

export const DIGEST_BYTES = 16;
export const FIRST_DIGEST = new Uint8Array(DIGEST_BYTES);

/** Rows that one edit drops beside what it is for. */
const DROPPED_MAX = 64;

export function rollDigest(before: Uint8Array, record: Uint8Array, version: number): Uint8Array {
  const number = new Uint8Array(8);
  putFixed64(number, 0, version);
  const hash = createHash('sha256').update(before).update(number).update(record);
  return hash.digest().subarray(0, DIGEST_BYTES);
}

/** What a put transaction writes beside its own. */
export function positionSection(position: Position, windowVersions: number): RunSection {
  const { version, revision, index, digest } = position;
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(version % windowVersions));
  const value = new Uint8Array(8 + 8 + 8 + DIGEST_BYTES);
  let at = putVarint(value, 0, version);
  at = putVarint(value, at, revision);
  at = putVarint(value, at, index);
  value.set(digest, at);
  const section = new RunSection();
  section.set({ key, value: value.subarray(0, at + DIGEST_BYTES), statement: 1 });
  return section;
}

/** What a commit by the manifest has in its edit, with what has fallen out of the window. */
export function positionEdits(engine: Engine, position: Position, windowVersions: number): Edit[] {
  const edits: Edit[] = [{ kind: 'addReplicaCommit', commit: position }];
  for (const version of engine.manifest.state.replicaCommits.keys()) {
    if (version > position.version - windowVersions || edits.length > DROPPED_MAX) break;
    edits.push({ kind: 'dropReplicaCommit', version });
  }
  return edits;
}

/** All commits in the window, oldest first; the last is how far the replica is. Of a new database: none. */
export async function loadPositions(engine: Engine, windowVersions: number): Promise<Position[]> {
  const positions: Position[] = [...engine.manifest.state.replicaCommits.values()];
  const keyspace = new Keyspace(() => engine, RESERVED_KEYSPACE, 'buffer', 'buffer');
  for await (const value of keyspace.values()) {
    const reader = new ByteReader(value);
    const [version, revision, index] = [versionOf(reader.varint()), reader.varint(), reader.varint()];
    positions.push({ version, revision, index, digest: Uint8Array.from(reader.take(DIGEST_BYTES)) });
  }
  positions.sort((a, b) => a.version - b.version);
  const last = positions.at(-1);
  if (last === undefined) return [];
  return positions.filter(
    ({ version }) => version === last.version || version > last.version - windowVersions,
  );
}
