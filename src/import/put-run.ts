/**
 * An import of few rows by the ordinary way to write: read on this thread, and put in one transaction. That is as atomic, and
 * done before threads have started. Nothing of it is kept but what it put: it has no row in the manifest.
 */

import { formatKey } from '../base/bytes.ts';
import { encode } from '../base/encoding.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import type {
  EntryIterable,
  ImportProgress,
  ImportResult,
  ImportSource,
  ImportState,
  ImportTask,
} from '../import-options.ts';
import { checkKey, checkValue } from '../mvcc/internal-key.ts';
import type { Engine } from '../txn/engine.ts';
import { Transaction, TransactionCore } from '../txn/transaction.ts';
import { badRowError, keyFault, tooManyBadRows } from './bad-rows.ts';
import { makeReader } from './format/make-reader.ts';
import type { RowReader, RowSink } from './format/row-reader.ts';
import type { ImportSpec } from './import-spec.ts';
import { expandSources, makeSource } from './source/make-source.ts';
import { sourceName } from './source/source-spec.ts';
import { DUPLICATE, RejectFile } from './thread/reject-file.ts';

/** From about so many bytes on threads are faster, their start included; bench: import-paths. */
const PUT_BYTES_MAX = 1 << 20;
const PUT_ENTRIES_MAX = 5000;

/** Whether an import is to be put. @throws TypeError where `path: 'put'` cannot be had */
export function isPut(
  source: ImportSource,
  spec: ImportSpec,
  id: string | undefined,
  { env }: Engine,
): boolean {
  const { path, publish, ingest, inputs, presorted } = spec;
  if (path === 'ingest') return false;
  const { create: _, ...policies } = ingest;
  const asked = Object.values(policies).some((value) => value !== undefined);
  const needsTables = id !== undefined || publish !== undefined || asked || presorted;
  if (path === 'put') {
    if (!needsTables) return true;
    throw new TypeError(
      "options.path 'put' leaves no room for options.id, publish, presorted and policies of options.ingest",
    );
  }
  if (needsTables) return false;
  if (inputs === undefined) return Array.isArray(source) && source.length <= PUT_ENTRIES_MAX;
  let bytes = 0;
  for (const input of inputs) {
    if (!env.fs.existsSync(input)) return false;
    const stat = env.fs.statSync(input);
    bytes += stat.bytes;
    if (!stat.isFile || bytes > PUT_BYTES_MAX || /\.(gz|zst)$/i.test(input)) return false;
  }
  return true;
}

interface PutRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly source: string;
  readonly row: number;
}

export class PutRun implements ImportTask, RowSink {
  readonly id: string;
  readonly done: Promise<ImportResult>;
  state: ImportState = 'start';
  readonly #engine: Engine;
  readonly #spec: ImportSpec;
  readonly #source: ImportSource;
  readonly #rows = new Map<string, PutRow>();
  readonly #rejects: RejectFile | undefined;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(progress: ImportProgress) => void>();
  readonly #startMs: number;
  #sourceName = 'the entries given';
  #reader: RowReader | undefined;
  #row = 0;
  #rowsRead = 0;
  #rowsBad = 0;
  #rowsDuplicate = 0;
  #rowsLoaded = 0;

  constructor(engine: Engine, spec: ImportSpec, source: ImportSource, signal: AbortSignal | undefined) {
    this.id = engine.newIngestId();
    this.#engine = engine;
    this.#spec = spec;
    this.#source = source;
    this.#startMs = engine.env.clock.monotonicMs();
    const { rejectFile } = spec;
    this.#rejects =
      rejectFile === undefined ? undefined : new RejectFile(engine.env.fs, `${rejectFile}.part`, 0);
    const onAbort = (): void => this.#stop.abort(signal?.reason);
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.done = this.#run().finally(() => signal?.removeEventListener('abort', onAbort));
    this.done.catch(() => undefined);
  }

  async #run(): Promise<ImportResult> {
    try {
      await this.#engine.env.clock.turn();
      this.#enter('feeding');
      if (this.#spec.inputs === undefined) await this.#readEntries(this.#source as EntryIterable);
      else await this.#readSources(this.#spec.inputs);
      this.#checkRatio();
      this.#checkStopped();
      this.#enter('importing');
      const version = await this.#put();
      this.#rowsLoaded = this.#rows.size;
      this.#keepRejects();
      this.#enter('imported');
      return this.#result(version);
    } catch (error) {
      this.#enter(isSluiceError(error, 'ABORTED') ? 'cancelled' : 'failed');
      throw error;
    } finally {
      this.#rejects?.close();
    }
  }

  async #readEntries(entries: EntryIterable): Promise<void> {
    const { keyEncoding, valueEncoding } = this.#spec;
    for await (const [key, value] of entries) {
      this.#checkStopped();
      const keyBytes = encode(keyEncoding, key, 'the key of an entry');
      const valueBytes = encode(valueEncoding, value, 'the value of an entry');
      checkKey(keyBytes);
      checkValue(valueBytes);
      this.row(keyBytes, 0, keyBytes.length, valueBytes, 0, valueBytes.length);
    }
  }

  async #readSources(inputs: readonly string[]): Promise<void> {
    const { env } = this.#engine;
    for (const spec of expandSources(env.fs, inputs, this.#spec.compression)) {
      this.#checkStopped();
      this.#sourceName = sourceName(spec);
      this.#row = 0;
      this.#reader = await makeReader(this.#spec.format);
      await this.#reader.read(makeSource(spec, env), this, undefined, this.#stop.signal);
    }
  }

  row(
    key: Uint8Array,
    keyFrom: number,
    keyTo: number,
    value: Uint8Array,
    valueFrom: number,
    valueTo: number,
  ): void {
    const fault = keyFault(keyTo - keyFrom);
    if (fault !== undefined) {
      this.bad(fault, key.subarray(keyFrom, keyTo));
      return;
    }
    const own = key.slice(keyFrom, keyTo);
    const source = this.#sourceName;
    const row = { key: own, value: value.slice(valueFrom, valueTo), source, row: ++this.#row };
    this.#rowsRead++;
    const name = Buffer.from(own).toString('latin1');
    const before = this.#rows.get(name);
    if (before !== undefined) this.#duplicate(before, row);
    if (before === undefined || this.#spec.duplicates === 'last') this.#rows.set(name, row);
  }

  #duplicate(before: PutRow, { key, value, source, row }: PutRow): void {
    this.#rowsDuplicate++;
    const { duplicates } = this.#spec;
    if (duplicates === 'error') {
      const message = `The key ${formatKey(key)} comes twice: in row ${before.row} of ${before.source} and in row ${row} of ${source}`;
      throw new SluiceError('KEY_EXISTS', message, { keys: [Buffer.from(key)] });
    }
    if (duplicates === 'skip-and-report') {
      this.#rejects?.add({ source, row, offset: undefined, reason: DUPLICATE, key, value });
    }
  }

  bad(reason: string, raw: Uint8Array): void {
    const row = ++this.#row;
    this.#rowsRead++;
    this.#rowsBad++;
    const source = this.#sourceName;
    const offset = this.#reader?.position().offset ?? 0;
    const place = { source, row, offset, reason };
    if (!this.#spec.skipsBadRows) throw badRowError(place);
    this.#rejects?.add({ ...place, raw });
    const { maxBadRows = Number.POSITIVE_INFINITY } = this.#spec;
    if ((maxBadRows > 0 && maxBadRows < 1) || this.#rowsBad <= maxBadRows) return;
    throw tooManyBadRows(maxBadRows, place);
  }

  /** A ratio is known at the end. */
  #checkRatio(): void {
    const { maxBadRows } = this.#spec;
    if (maxBadRows === undefined || maxBadRows >= 1 || this.#rowsBad <= maxBadRows * this.#rowsRead) return;
    const message = `${this.#rowsBad} of ${this.#rowsRead} rows are bad, more than options.maxBadRows: ${maxBadRows} allows`;
    throw new SluiceError('BAD_INPUT', message);
  }

  async #put(): Promise<number> {
    const { into, ingest } = this.#spec;
    const engine = this.#engine;
    if (ingest.create === false) engine.catalog.requireNewest(into);
    else engine.keyspaces.ensure(into);
    const txn = new Transaction(new TransactionCore(engine, false), 'buffer', 'buffer');
    try {
      const keyspace = txn.keyspace(into);
      for (const { key, value } of this.#rows.values()) keyspace.put(key, value);
      return (await txn.commit()).version;
    } finally {
      txn.abort();
    }
  }

  #keepRejects(): void {
    const { rejectFile } = this.#spec;
    if (rejectFile === undefined) return;
    this.#rejects?.touch();
    this.#rejects?.sync();
    this.#engine.env.fs.renameSync(`${rejectFile}.part`, rejectFile);
  }

  #result(version: number): ImportResult {
    return {
      id: this.id,
      replayed: false,
      version,
      path: 'put',
      rowsRead: this.#rowsRead,
      rowsLoaded: this.#rowsLoaded,
      rowsDuplicate: this.#rowsDuplicate,
      rowsBad: this.#rowsBad,
      tables: 0,
      bytesWritten: 0,
      elapsedMs: this.#elapsedMs,
      rejectFile: this.#spec.rejectFile,
      datasetVersion: undefined,
    };
  }

  get #elapsedMs(): number {
    return this.#engine.env.clock.monotonicMs() - this.#startMs;
  }

  progress(): ImportProgress {
    const rowsSorted = this.#rowsRead - this.#rowsBad;
    return {
      id: this.id,
      state: this.state,
      phase: this.state === 'imported' ? 'done' : this.state === 'importing' ? 'commit' : 'read',
      bytesRead: 0,
      bytesTotal: undefined,
      rowsRead: this.#rowsRead,
      rowsBad: this.#rowsBad,
      rowsDuplicate: this.#rowsDuplicate,
      rowsSorted,
      rowsWritten: this.#rowsLoaded,
      rowsLoaded: this.#rowsLoaded,
      bytesWritten: 0,
      elapsedMs: this.#elapsedMs,
      rowsPerSecond: Math.round((this.#rowsRead * 1000) / Math.max(1, this.#elapsedMs)),
      etaMs: undefined,
    };
  }

  /** It is soon done. */
  async pause(): Promise<void> {}

  resume(): void {}

  async cancel(): Promise<void> {
    this.#stop.abort();
    await this.done.catch(() => undefined);
  }

  on(listener: (progress: ImportProgress) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #checkStopped(): void {
    const { aborted, reason } = this.#stop.signal;
    if (aborted) throw new SluiceError('ABORTED', 'The import was cancelled', { cause: reason });
  }

  #enter(state: ImportState): void {
    this.state = state;
    for (const listener of this.#listeners) listener(this.progress());
  }
}
