/**
 * Files between nodes: what the core asks of it. The bytes of ingested files never enter the log; records name them by digest,
 * and every node keeps an original of each (a hard link where it can) until every member has applied it and the conflict
 * horizon has passed.
 *
 * Digests are SHA-256, 64 lower-case hex digits.
 */

export interface FileFacts {
  readonly digest: string;
  readonly bytes: number;
}

export interface FileInFlight extends FileFacts {
  readonly received: number;
  readonly from: string;
}

export interface FileExchange {
  /** Where other nodes reach this one; undefined where it serves nobody. */
  readonly url: string | undefined;

  /**
   * Keeps the file at `path` under its digest, durably (L2) when it resolves: a hard link, or a copy on another file system. The
   * caller has computed the digest of these bytes. Of one that is held already: nothing.
   */
  hold(path: string, file: FileFacts): Promise<void>;
  has(digest: string): boolean;
  /** Where a held file is: never written to. REQUIRES: held. */
  path(digest: string): string;
  /** Held files, in no order. */
  digests(): readonly string[];
  /** No longer kept. */
  drop(digest: string): void;

  /**
   * Fetches a file from any of these nodes, trying one after the other, going on where a transfer broke off; held, durable and
   * verified when it resolves. Several calls for one digest are one transfer.
   *
   * @throws SluiceError UNAVAILABLE when no source has given it, NO_SPACE, ABORTED by the signal
   */
  pull(file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void>;
  /**
   * Asks the node at `peer` to pull the file from `sources`; resolves when that one holds it durably and has announced that in the log.
   *
   * @throws SluiceError UNAVAILABLE, NO_SPACE of the peer, ABORTED by the signal
   */
  ask(peer: string, file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void>;
  inFlight(): readonly FileInFlight[];

  /**
   * Makes at `dir` (which must not exist) a database directory of a checkpoint of the node at `peer`, and holds the files that that one
   * holds; durable when it resolves. On failure there is no directory.
   *
   * @throws SluiceError UNAVAILABLE, NO_SPACE, ABORTED by the signal
   */
  fetchCheckpoint(peer: string, dir: string, signal: AbortSignal): Promise<void>;

  close(): Promise<void>;
}

/** What a node answers to its peers: the core gives it to the exchange's server. */
export interface PeerService {
  /** Pulls it if it is not held, and announces it in the log as held. */
  stage(file: FileFacts, sources: readonly string[], signal: AbortSignal): Promise<void>;
  /** A checkpoint of the database, made at `dir`, which must not exist; the caller removes it. */
  checkpoint(dir: string): Promise<void>;
}

/** Makes the exchange of a node whose directory is `dir`; originals are in `DIR/cluster/files`. */
export type OpenFileExchange = (dir: string, service: PeerService) => Promise<FileExchange>;
