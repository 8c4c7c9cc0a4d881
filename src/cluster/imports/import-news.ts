/**
 * What this node tells the others of the imports that it has claimed: that one is in another state at once, how far it is once a second.
 * Only the newest of each is told, and again until it is.
 */

import type { Env } from '../../base/env/env.ts';
import { isSluiceError } from '../../base/errors.ts';
import type { ImportLedger } from '../../import/import-ledger.ts';
import type { ImportRow, SharedImportRow } from '../../manifest/rows.ts';
import type { Logger } from '../../txn/engine.ts';
import type { ImportClaim } from '../../txn/proposer.ts';
import { infoOfRow } from './import-info.ts';

const TOLD_MS = 1000;
const RETRY_MS = 1000;

type News = Pick<SharedImportRow, 'id' | 'epoch' | 'state' | 'info'>;

export interface ImportNewsParts {
  readonly env: Env;
  readonly logger: Logger | undefined;
  /** Resolves when it is known everywhere. @throws SluiceError CONFLICT when the import is another node's */
  readonly tell: (news: News) => Promise<void>;
}

export class ImportNews implements ImportLedger {
  readonly #parts: ImportNewsParts;
  readonly #claims = new Map<string, number>();
  readonly #waiting = new Map<string, News>();
  readonly #told = new Map<string, { readonly state: string; readonly atMs: number }>();
  readonly #closing = new AbortController();
  #settling: { readonly id: string; readonly resolve: () => void }[] = [];
  #telling: string | undefined;
  #pumping = false;
  #wake = new AbortController();

  constructor(parts: ImportNewsParts) {
    this.#parts = parts;
  }

  claimed(id: string, epoch: number): void {
    this.#claims.set(id, epoch);
    this.#told.delete(id);
  }

  /** Another node has it. */
  lost(id: string): void {
    this.#claims.delete(id);
    this.#waiting.delete(id);
    this.#settle();
  }

  /** Of the claim that this node has; undefined: of none. */
  epochOf(id: string): number | undefined {
    return this.#claims.get(id);
  }

  claimOf(row: ImportRow): ImportClaim | undefined {
    // What is not this node's any more has an epoch that no row has: its commit is refused.
    const epoch = this.#claims.get(row.id) ?? 0;
    return { id: row.id, epoch, info: JSON.stringify(infoOfRow(row, undefined)) };
  }

  changed(row: ImportRow, failure: unknown): void {
    const epoch = this.#claims.get(row.id);
    if (epoch === undefined || this.#closing.signal.aborted) return;
    const info = JSON.stringify(infoOfRow(row, failure));
    this.#add({ id: row.id, epoch, state: row.state, info });
  }

  /** Of one that has no row, or whose row does not say so. */
  failed(news: News): void {
    if (!this.#closing.signal.aborted) this.#add(news);
  }

  #add(news: News): void {
    this.#waiting.set(news.id, news);
    this.#wake.abort();
    if (!this.#pumping) void this.#pump();
  }

  /** Resolves when what there is to tell of it was told, or could not be at the first try. */
  settled(id: string): Promise<void> {
    if (!this.#waiting.has(id) && this.#telling !== id) return Promise.resolve();
    return new Promise((resolve) => this.#settling.push({ id, resolve }));
  }

  close(): void {
    this.#closing.abort();
    this.#wake.abort();
    this.#waiting.clear();
    this.#telling = undefined;
    this.#settle();
  }

  async #pump(): Promise<void> {
    const { clock } = this.#parts.env;
    this.#pumping = true;
    while (this.#waiting.size > 0 && !this.#closing.signal.aborted) {
      this.#wake = new AbortController();
      const [news, waitMs] = this.#next();
      const pauseMs = waitMs === 0 ? await this.#tell(news) : waitMs;
      if (pauseMs > 0) await clock.sleep(pauseMs, this.#wake.signal).catch(() => undefined);
    }
    this.#pumping = false;
  }

  /** What is due first, and when. REQUIRES: something waits. */
  #next(): readonly [News, number] {
    const nowMs = this.#parts.env.clock.monotonicMs();
    let first: readonly [News, number] | undefined;
    for (const news of this.#waiting.values()) {
      const told = this.#told.get(news.id);
      const isNew = told === undefined || told.state !== news.state;
      const waitMs = isNew ? 0 : Math.max(0, told.atMs + TOLD_MS - nowMs);
      if (first === undefined || waitMs < first[1]) first = [news, waitMs];
    }
    if (first === undefined) throw new TypeError('there must be news');
    return first;
  }

  /** Resolves with how long to wait before the next. */
  async #tell(news: News): Promise<number> {
    const { env, logger, tell } = this.#parts;
    const { id, state } = news;
    this.#waiting.delete(id);
    this.#telling = id;
    let pauseMs = 0;
    try {
      await tell(news);
      this.#told.set(id, { state, atMs: env.clock.monotonicMs() });
    } catch (err) {
      if (isSluiceError(err, 'CONFLICT')) this.lost(id);
      else if (!this.#closing.signal.aborted) {
        logger?.warn({ err, import: id }, 'the other nodes could not be told how far an import is');
        if (!this.#waiting.has(id)) this.#waiting.set(id, news);
        pauseMs = RETRY_MS;
      }
    }
    this.#telling = undefined;
    this.#settle(pauseMs > 0 ? id : undefined);
    return pauseMs;
  }

  /** @param failed told no more before those that wait for it go on */
  #settle(failed?: string): void {
    const settling = this.#settling;
    this.#settling = settling.filter(
      ({ id }) => id !== failed && (this.#waiting.has(id) || this.#telling === id),
    );
    for (const each of settling) if (!this.#settling.includes(each)) each.resolve();
  }
}
