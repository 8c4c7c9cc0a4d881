/**
 * L8: what grows with a file's bytes happens while it is staged. Its digest is made and it goes to the other nodes beside its check; the commit
 * waits for what is left. A file of which nothing comes is let go of like one of an old record.
 */

import { sharedSignal } from '../base/env/shared-signal.ts';
import { isSluiceError } from '../base/errors.ts';
import { sha256Of } from '../ingest/staging.ts';
import type { Table } from '../sst/table.ts';
import type { Engine } from '../txn/engine.ts';
import { FILES_AT_A_TIME } from './files/at-a-time.ts';
import type { FileExchange, FileFacts } from './files/file-exchange.ts';
import { Slots } from './files/slots.ts';
import type { SharedFiles } from './shared-files.ts';

interface Begun {
  readonly digest: Promise<string | undefined>;
  /** Whether a majority has it. */
  readonly spread: Promise<boolean>;
}

export interface HeadStartParts {
  readonly engine: Engine;
  readonly exchange: FileExchange;
  readonly files: SharedFiles;
  /** Fires when the node ends. */
  readonly signal: AbortSignal;
}

export class HeadStart {
  readonly #parts: HeadStartParts;
  readonly #signal: AbortSignal;
  readonly #slots = new Slots(FILES_AT_A_TIME);
  readonly #begun = new WeakMap<Table, Begun>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(parts: HeadStartParts) {
    this.#parts = parts;
    this.#signal = sharedSignal(parts.signal);
  }

  /** All its bytes are at the table's path. */
  begin(table: Table): void {
    const held = this.#hold(table);
    const digest = held.then((file) => file?.digest);
    const spread = this.#spread(held);
    this.#begun.set(table, { digest, spread });
    // A bug of ours is told to the commit, if there is one.
    const ended = Promise.allSettled([digest, spread]).then(() => {
      this.#underWay.delete(ended);
    });
    this.#underWay.add(ended);
  }

  /** Nothing is under way when it resolves. REQUIRES: the signal has fired. */
  async close(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** SHA-256 of the file, which may be nobody's yet. */
  async digestOf(table: Table): Promise<string> {
    const { env, checkThreads } = this.#parts.engine;
    return (await this.#begun.get(table)?.digest) ?? sha256Of(table.path, env, checkThreads, undefined);
  }

  /** Whether a majority had it: an append asks again. */
  async isSpread(table: Table): Promise<boolean> {
    return (await this.#begun.get(table)?.spread) ?? false;
  }

  /** Undefined: it could not be, which the commit finds too, if there is one. */
  async #hold(table: Table): Promise<FileFacts | undefined> {
    const { env, checkThreads } = this.#parts.engine;
    try {
      const { bytes } = env.fs.statSync(table.path);
      // On a thread beside the one that checks: the sooner it is known, the sooner the others have the file.
      const digest = await sha256Of(table.path, env, checkThreads?.inBrief, this.#signal);
      await this.#parts.exchange.hold(table.path, { digest, bytes });
      return { digest, bytes };
    } catch (error) {
      if (isSluiceError(error)) return undefined;
      throw error;
    }
  }

  async #spread(held: Promise<FileFacts | undefined>): Promise<boolean> {
    const file = await held;
    if (file === undefined) return false;
    try {
      return await this.#slots.run(this.#signal, () => this.#parts.files.offer(file, this.#signal));
    } catch (error) {
      if (isSluiceError(error)) return false;
      throw error;
    }
  }
}
