/**
 * What a replica holds, as a digest. A record asks for it, so that each replica takes its snapshot at the same place of the log, however
 * far the others are; it is computed beside what goes on, and announced.
 */

import { createHash } from 'node:crypto';
import { ByteWriter } from '../base/byte-writer.ts';
import { throwIfAborted } from '../base/errors.ts';
import type { Engine } from '../txn/engine.ts';
import { Keyspace } from '../txn/keyspace.ts';
import type { Snapshot } from '../txn/snapshot.ts';
import type { Comparison } from './divergence.ts';
import type { ContentDigest, MemberCondition, MemberState } from './log/shared-log.ts';

/** So many of the newest are announced: others may take longer over theirs. */
const KEPT = 4;
/** Hashed at once; then whoever waits has his turn. */
const PIECE_BYTES = 256 << 10;

/** What the nodes that live have at one place of the log. */
export interface ContentComparison {
  readonly revision: number;
  readonly version: number;
  /** Whether all that could tell have the same. */
  readonly same: boolean;
  /** Without a digest: one that has halted before it could tell. */
  readonly nodes: readonly {
    readonly node: string;
    readonly condition: MemberCondition;
    readonly digest: string | undefined;
  }[];
}

export interface ContentsParts {
  readonly engine: Engine;
  readonly signal: AbortSignal;
  readonly onDone: () => void;
  /** What is here cannot be read. */
  readonly onFailed: (error: unknown) => void;
}

export class Contents {
  readonly #parts: ContentsParts;
  #digests: readonly ContentDigest[] = [];
  #begun: { readonly revision: number; readonly version: number } | undefined;
  #computing: Promise<void> = Promise.resolve();

  constructor(parts: ContentsParts) {
    this.#parts = parts;
  }

  /** Oldest first. */
  get digests(): readonly ContentDigest[] {
    return this.#digests;
  }

  /** Where the newest of them is, or will be, as of. */
  get begun(): { readonly revision: number; readonly version: number } | undefined {
    return this.#begun;
  }

  /** The record at this revision is being applied: all before it is visible, and nothing after it. */
  begin(revision: number): void {
    const snapshot = this.#parts.engine.snapshot();
    this.#begun = { revision, version: snapshot.version };
    // One after the other: each reads all that there is.
    this.#computing = this.#computing.then(() => this.#compute(revision, snapshot));
  }

  async #compute(revision: number, snapshot: Snapshot): Promise<void> {
    const { engine, signal, onDone, onFailed } = this.#parts;
    try {
      const digest = await contentDigest(engine, snapshot, signal);
      this.#digests = [...this.#digests, { revision, version: snapshot.version, digest }].slice(-KEPT);
      onDone();
    } catch (error) {
      if (!signal.aborted) onFailed(error);
    } finally {
      snapshot.close();
    }
  }

  /** Whether a member had the same at the newest place that both tell of; undefined: there is none. */
  compare({ contents = [] }: MemberState): Comparison | undefined {
    for (const { revision, digest } of this.#digests.toReversed()) {
      const theirs = contents.find((each) => each.revision === revision);
      if (theirs !== undefined) return { revision, agrees: theirs.digest === digest };
    }
    return undefined;
  }

  /** Once the signal has fired. */
  async close(): Promise<void> {
    await this.#computing;
  }
}

/** Undefined while one that lives has still to tell. */
export function compared(
  { revision, version }: { readonly revision: number; readonly version: number },
  members: readonly MemberState[],
): ContentComparison | undefined {
  // One that is only coming will be compared the next time.
  const nodes = members
    .filter(({ condition }) => condition !== 'starting')
    .map(({ node, condition, contents = [] }) => {
      const digest = contents.find((each) => each.revision === revision)?.digest;
      return { node, condition, digest };
    });
  if (nodes.some(({ condition, digest }) => digest === undefined && condition !== 'halted')) return undefined;
  const told = new Set(nodes.flatMap(({ digest }) => (digest === undefined ? [] : [digest])));
  return { revision, version, same: told.size <= 1, nodes };
}

/** SHA-256 of all keyspaces' names, keys and values, each after its length as u32 little-endian. @throws SluiceError CORRUPTION, ABORTED … */
export async function contentDigest(
  engine: Engine,
  snapshot: Snapshot,
  signal?: AbortSignal,
): Promise<string> {
  const { clock } = engine.env;
  const hash = createHash('sha256');
  const piece = new ByteWriter(2 * PIECE_BYTES);
  const length = Buffer.alloc(4);
  const add = (bytes: Uint8Array): void => {
    length.writeUInt32LE(bytes.length);
    piece.append(length, 0, 4);
    piece.append(bytes, 0, bytes.length);
  };
  const flush = async (): Promise<void> => {
    hash.update(piece.bytes.subarray(0, piece.length));
    piece.clear();
    await clock.turn();
    engine.checkOpen();
    throwIfAborted(signal);
  };
  for (const name of engine.catalog.names(snapshot.version)) {
    add(Buffer.from(name));
    const cursor = new Keyspace(() => engine, name, 'buffer', 'buffer').cursor({ snapshot });
    try {
      for await (const batch of cursor) {
        for (let i = 0; i < batch.count; i++) {
          add(batch.key(i));
          add(batch.value(i));
          // A batch goes with the cursor's next step, not with a turn.
          if (piece.length >= PIECE_BYTES) await flush();
        }
      }
    } finally {
      cursor.close();
    }
  }
  await flush();
  return hash.digest('hex');
}
