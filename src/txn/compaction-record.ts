/** What compactions have done since open: counted, and told as events. */

import type { CompactionResult } from '../levels/compaction/job.ts';
import type { Merge, Move } from '../levels/compaction/pick.ts';
import type { Tree } from '../levels/tree.ts';
import type { Engine } from './engine.ts';

export interface CompactionCounts {
  /** Since open. */
  readonly merges: number;
  readonly moves: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly entriesDropped: number;
  readonly failures: number;
  /** Of the last merge, when it failed. */
  readonly lastError: string | undefined;
}

export class CompactionRecord {
  readonly #engine: Engine;
  #counts: CompactionCounts = {
    merges: 0,
    moves: 0,
    bytesRead: 0,
    bytesWritten: 0,
    entriesDropped: 0,
    failures: 0,
    lastError: undefined,
  };

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get counts(): CompactionCounts {
    return this.#counts;
  }

  moved(tree: Tree, moves: Move['moves'], reason: string): void {
    this.#counts = { ...this.#counts, moves: this.#counts.moves + moves.length };
    this.#engine.events.emit({
      kind: 'compaction',
      keyspace: this.#engine.keyspaceOf(tree.id),
      reason,
      inputTables: moves.length,
      outputTables: moves.length,
      level: Math.max(...moves.map(({ level }) => level)),
      bytesRead: 0,
      bytesWritten: 0,
      entriesRead: 0,
      entriesWritten: 0,
      ms: 0,
    });
  }

  merged(tree: Tree, merge: Merge, result: CompactionResult, ms: number): void {
    const { entriesRead, entriesWritten, bytesRead, bytesWritten, outputs } = result;
    const before = this.#counts;
    this.#counts = {
      ...before,
      merges: before.merges + 1,
      bytesRead: before.bytesRead + bytesRead,
      bytesWritten: before.bytesWritten + bytesWritten,
      entriesDropped: before.entriesDropped + entriesRead - entriesWritten,
      lastError: undefined,
    };
    if (this.#engine.isDropped(tree.id)) return;
    this.#engine.events.emit({
      kind: 'compaction',
      keyspace: this.#engine.keyspaceOf(tree.id),
      reason: merge.reason,
      inputTables: merge.inputs.length,
      outputTables: outputs.length,
      level: merge.level,
      bytesRead,
      bytesWritten,
      entriesRead,
      entriesWritten,
      ms,
    });
  }

  failed({ message }: Error): void {
    this.#counts = { ...this.#counts, failures: this.#counts.failures + 1, lastError: message };
  }
}
