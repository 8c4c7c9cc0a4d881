/**
 * Which records of the log a replica has applied, and as which versions: durable with them, in the same write, so that what recovery
 * finds is exactly what is applied.
 *
 * Put transactions of an entry that follow each other have one position, which the first of them writes besides its own: an entry of the
 * keyspace `~cluster`. A crash may leave some of them: as many as there are versions. Any other commit has a row of
 * the manifest. Both reach back to the conflict horizon: the keyspace is a ring, and each of its entries is of one commit at least.
 *
 *     key    u64 big-endian: its place in the ring, of windowVersions + 1
 *     value  varint version, varint count, varint revision, varint index of the first record in its entry, rolling digest (16 bytes)
 *
 * The rolling digest after an entry is the first half of the SHA-256 of the digest before it, the version that each of its records has got
 * as u64 little-endian (0: it was refused, or takes none), and its bytes. A position has the one before its entry.
 */

import { createHash } from 'node:crypto';
import { at } from '../base/assert.ts';
import { ByteReader, putFixed64, putVarint } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';
import type { Edit } from '../manifest/rows.ts';
import { type Version, versionOf } from '../mvcc/version.ts';
import { RESERVED_KEYSPACE } from '../txn/catalog.ts';
import type { Engine } from '../txn/engine.ts';
import { Keyspace } from '../txn/keyspace.ts';
import { RunSection } from '../txn/run.ts';

/** `count` records from `index` on were committed one after the other, each with one version, from `version` on. */
export interface Position {
  readonly version: Version;
  readonly count: number;
  readonly revision: number;
  readonly index: number;
  /** Before the entry. */
  readonly digest: Uint8Array;
}

export const DIGEST_BYTES = 16;
export const FIRST_DIGEST = new Uint8Array(DIGEST_BYTES);

/** Rows that one edit drops beside what it is for. */
const DROPPED_MAX = 64;

export function rollDigest(before: Uint8Array, versions: readonly number[], entry: Uint8Array): Uint8Array {
  const numbers = new Uint8Array(8 * versions.length);
  for (let i = 0; i < versions.length; i++) putFixed64(numbers, 8 * i, at(versions, i));
  const hash = createHash('sha256').update(before).update(numbers).update(entry);
  return hash.digest().subarray(0, DIGEST_BYTES);
}

export class Positions {
  readonly #engine: Engine;
  readonly #windowVersions: number;
  readonly #all: Position[];
  /** Of the ring. */
  #nextPlace: number;

  /** `all`: oldest first. */
  private constructor(engine: Engine, windowVersions: number, all: Position[], nextPlace: number) {
    this.#engine = engine;
    this.#windowVersions = windowVersions;
    this.#all = all;
    this.#nextPlace = nextPlace;
  }

  /** As recovery has found them, back to the horizon. Of a new database: none. */
  static async load(engine: Engine, windowVersions: number): Promise<Positions> {
    const last = engine.publication.last;
    const all: Position[] = Array.from(engine.manifest.state.replicaCommits.values(), (row) => ({
      ...row,
      count: 1,
    }));
    let newest = { place: -1, version: 0 };
    const keyspace = new Keyspace(() => engine, RESERVED_KEYSPACE, 'buffer', 'buffer');
    for await (const [key, value] of keyspace.iterator()) {
      const position = decode(value, last);
      all.push(position);
      if (position.version > newest.version)
        newest = { place: Number(Buffer.from(key).readBigUInt64BE()), version: position.version };
    }
    all.sort((a, b) => a.version - b.version);
    const first = all.findIndex(({ version, count }) => version + count - 1 > last - windowVersions);
    const kept = first < 0 ? [] : all.slice(first);
    return new Positions(engine, windowVersions, kept, (newest.place + 1) % (windowVersions + 1));
  }

  /** Oldest first, none left out between them. */
  get all(): readonly Position[] {
    return this.#all;
  }

  get last(): Position | undefined {
    return this.#all.at(-1);
  }

  /** The first that lies in an entry after this revision. */
  after(revision: number): Position | undefined {
    return this.#all[this.#firstOf(revision + 1)];
  }

  /** The log has no entries up to this any more. One of the commits there stays, to tell that the next is the next. */
  forgetThrough(revision: number): void {
    const kept = this.#all.findIndex((position) => position.revision > revision);
    if (kept > 1) this.#all.splice(0, kept - 1);
  }

  /** Of each record of the entry, as far as one of them has a version: that, or 0. */
  versionsOf(revision: number): number[] {
    const versions: number[] = [];
    for (let i = this.#firstOf(revision); this.#all[i]?.revision === revision; i++) {
      const { version, count, index } = at(this.#all, i);
      while (versions.length < index) versions.push(0);
      // After a crash amid them, what was left and what came then are told twice, and alike.
      for (let n = 0; n < count; n++) versions[index + n] = version + n;
    }
    return versions;
  }

  /** The place of the first position at this revision or after it. */
  #firstOf(revision: number): number {
    let [low, high] = [0, this.#all.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (at(this.#all, middle).revision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Of put transactions; what the first of them writes besides its own. REQUIRES: their versions are taken in this turn. */
  section(position: Position): RunSection {
    const { version, count, revision, index, digest } = position;
    const key = Buffer.alloc(8);
    key.writeBigUInt64BE(BigInt(this.#nextPlace));
    const value = new Uint8Array(4 * 8 + DIGEST_BYTES);
    let end = 0;
    for (const number of [version, count, revision, index]) end = putVarint(value, end, number);
    value.set(digest, end);
    const section = new RunSection();
    section.set({ key, value: value.subarray(0, end + DIGEST_BYTES), statement: 1 });
    return section;
  }

  /** The versions of put transactions are taken: those of `section`. */
  addRun(position: Position): void {
    this.#nextPlace = (this.#nextPlace + 1) % (this.#windowVersions + 1);
    this.#all.push(position);
  }

  /** What a commit by the manifest has in its edit, with what has fallen out of the window. REQUIRES: its version is taken in this turn. */
  addRow(position: Position): Edit[] {
    this.#all.push(position);
    const { version, revision, index, digest } = position;
    const edits: Edit[] = [{ kind: 'addReplicaCommit', commit: { version, revision, index, digest } }];
    for (const old of this.#engine.manifest.state.replicaCommits.keys()) {
      if (old > version - this.#windowVersions || edits.length > DROPPED_MAX) break;
      edits.push({ kind: 'dropReplicaCommit', version: old });
    }
    return edits;
  }
}

/** `last`: the newest version that is there. A crash may have left less of the newest position's commits than it has. */
function decode(value: Uint8Array, last: Version): Position {
  const reader = new ByteReader(value);
  const [version, count] = [versionOf(reader.varint()), reader.varint()];
  const [revision, index] = [reader.varint(), reader.varint()];
  const left = Math.min(count, last - version + 1);
  if (left < 1)
    throw new SluiceError(
      'CORRUPTION',
      `The replica has a position at version ${version}, and commits up to ${last}`,
    );
  return { version, count: left, revision, index, digest: Uint8Array.from(reader.take(DIGEST_BYTES)) };
}
