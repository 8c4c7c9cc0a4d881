/**
 * The LMDB environment under the manifest, with the fences that lmdb-js 3.5 needs:
 *
 * - only `transactionSync`, and its callback has braces: returning the promise of a `put` makes the commit a later
 *   microtask, and the caller goes on to unlink files that an uncommitted edit drops;
 * - `overlappingSync: false`: otherwise a failed sync of the meta page is reported as success;
 * - `noSubdir: false`: otherwise a path with a dot in its last part becomes a file;
 * - values are encoded by us, before the transaction, so that what throws inside it is LMDB;
 * - reads happen at open and refresh only, so no read transaction of ours pins pages or stands in `readers`.
 */

import { open, type RootDatabase, type Transaction } from 'lmdb';
import { type ErrorCode, SluiceError } from '../base/errors.ts';
import type { Write } from './format.ts';

const READERS_MAX = 1024;

/** Of lmdb and of the system, as lmdb-js gives them: in `code`, as numbers. */
const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [-30797, 'CORRUPTION'], // MDB_CORRUPTED
  [-30796, 'CORRUPTION'], // MDB_PAGE_NOTFOUND
  [-30794, 'UNSUPPORTED_FORMAT'], // MDB_VERSION_MISMATCH
  [-30793, 'CORRUPTION'], // MDB_INVALID: not an LMDB file
  [2, 'FILE_NOT_FOUND'],
  [1, 'PERMISSION'],
  [13, 'PERMISSION'],
  [30, 'PERMISSION'],
  [28, 'NO_SPACE'],
]);

type Lmdb = RootDatabase<Uint8Array, Uint8Array> & { getWriteTxnId(): number };

/** Read-only: a read transaction that keeps the writer from removing files, open until its last holder lets go. */
interface Pin {
  readonly transaction: Transaction;
  holders: number;
}

export class Store {
  readonly #path: string;
  readonly #db: Lmdb;
  /** What the state was read from last. */
  #pin: Pin | undefined;
  /** All that are held, the newest included. */
  readonly #pins = new Set<Pin>();

  constructor(path: string, readOnly: boolean) {
    this.#path = path;
    try {
      this.#db = open<Uint8Array, Uint8Array>({
        path,
        readOnly,
        noSubdir: false,
        encoding: 'binary',
        keyEncoding: 'binary',
        overlappingSync: false,
        cache: false,
        maxReaders: READERS_MAX,
      }) as Lmdb;
    } catch (cause) {
      throw storeError(cause, `open the manifest ${path}`);
    }
  }

  /** The newest committed transaction. */
  lastCommitId(): number {
    return this.#try('read', () => {
      const { lastTxnId } = this.#db.getStats() as { lastTxnId: number };
      this.#db.resetReadTxn();
      return lastTxnId;
    });
  }

  /** Whether a pin of this process is seen by the writer: not without write access to LMDB's lock file. */
  get pinsAreSeen(): boolean {
    return !this.#db.readerList().includes('no reader locks');
  }

  /** Calls onRow for every row, in key order. With `pin` the snapshot stays open until the next pin, for longer if held. */
  read(pin: boolean, onRow: (key: Uint8Array, value: Uint8Array) => void): void {
    this.#db.resetReadTxn();
    const before = this.#pin;
    const transaction = this.#db.useReadTransaction();
    try {
      for (const { key, value } of this.#db.getRange({ transaction })) onRow(key, value);
    } catch (error) {
      transaction.done();
      this.#db.resetReadTxn();
      throw error instanceof SluiceError ? error : storeError(error, `read the manifest ${this.#path}`);
    }
    if (pin) {
      this.#pin = { transaction, holders: 1 };
      this.#pins.add(this.#pin);
      if (before !== undefined) this.#letGo(before);
    } else transaction.done();
    this.#db.resetReadTxn();
  }

  /** Keeps the newest pin until the returned function is called, or `close`. */
  holdPin(): () => void {
    const pin = this.#pin;
    if (pin === undefined) return () => undefined;
    pin.holders++;
    let held = true;
    return () => {
      if (held) this.#letGo(pin);
      held = false;
    };
  }

  #letGo(pin: Pin): void {
    pin.holders--;
    if (pin.holders === 0 && this.#pins.delete(pin)) pin.transaction.done();
  }

  /** One durable transaction. Returns its id. Whatever it throws, the outcome is open. */
  commit(writes: readonly Write[]): number {
    let id = 0;
    const db = this.#db;
    const result: unknown = db.transactionSync(() => {
      for (const { key, value } of writes) {
        if (value === undefined) db.remove(key);
        else db.put(key, value);
      }
      id = db.getWriteTxnId();
    });
    if (result !== undefined) throw new Error('the transaction did not commit before it returned');
    return id;
  }

  /** The oldest transaction that a reader of any process has open. Readers that died are cleared first. */
  oldestReader(): number | undefined {
    return this.#try('list the readers of', () => {
      this.#db.resetReadTxn(); // ours would count
      this.#db.readerCheck();
      let oldest: number | undefined;
      for (const line of this.#db.readerList().split('\n')) {
        const id = /^\s*\d+\s+[0-9a-f]+\s+(\d+)\s*$/i.exec(line)?.[1]; // pid, thread, transaction or "-"
        if (id !== undefined && (oldest === undefined || Number(id) < oldest)) oldest = Number(id);
      }
      return oldest;
    });
  }

  async close(): Promise<void> {
    for (const { transaction } of this.#pins) transaction.done();
    this.#pins.clear();
    this.#pin = undefined;
    await this.#db.close();
  }

  #try<T>(action: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw storeError(error, `${action} the manifest ${this.#path}`);
    }
  }
}

function storeError(cause: unknown, action: string): SluiceError {
  const number = cause instanceof Error && 'code' in cause ? Number(cause.code) : 0;
  const text = cause instanceof Error ? cause.message : String(cause);
  return new SluiceError(CODES.get(number) ?? 'IO', `Could not ${action}: ${text}`, { cause });
}
