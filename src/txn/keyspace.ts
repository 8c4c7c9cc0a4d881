/** A keyspace outside transactions: reads as of now or of a snapshot; every write call is a transaction of its own. */

import { checkEncodings, checkOptions } from '../base/arguments.ts';
import { checkEncodingName, type EncodingName, encode, type Input } from '../base/encoding.ts';
import { checkKey, checkValue } from '../mvcc/internal-key.ts';
import type { Version } from '../mvcc/version.ts';
import { checkKeyspaceName } from './catalog.ts';
import { mergeRuns } from './commit-layers.ts';
import type { Engine } from './engine.ts';
import { Overlay } from './overlay.ts';
import { deletedSpan } from './range-argument.ts';
import { pooledCopy } from './read-set.ts';
import type { ReadSource } from './read-source.ts';
import { type EncodingOptions, type RangeOptions, Readable } from './readable.ts';
import { Snapshot } from './snapshot.ts';

export interface PutOperation<KE extends EncodingName, VE extends EncodingName> extends EncodingOptions {
  readonly type: 'put';
  readonly key: Input<KE>;
  readonly value: Input<VE>;
  /** Another keyspace's name; it must exist. */
  readonly keyspace?: string;
}

export interface DelOperation<KE extends EncodingName> extends EncodingOptions {
  readonly type: 'del';
  readonly key: Input<KE>;
  readonly keyspace?: string;
}

/** With no bounds it deletes all keys. */
export interface DeleteRangeOperation<KE extends EncodingName> extends RangeOptions<KE> {
  readonly type: 'deleteRange';
  readonly keyEncoding?: EncodingName;
  readonly keyspace?: string;
}

export type BatchOperation<KE extends EncodingName, VE extends EncodingName> =
  | PutOperation<KE, VE>
  | DelOperation<KE>
  | DeleteRangeOperation<KE>;

const BESIDES_RANGE = ['type', 'keyEncoding', 'keyspace'];

const NO_OPTIONS: EncodingOptions = {};

export class Keyspace<
  KE extends EncodingName = 'buffer',
  VE extends EncodingName = 'buffer',
> extends Readable<KE, VE> {
  /** For the database; users call `db.keyspace(name)`. Called for each operation: a read-only database is replaced on refresh. */
  protected readonly engine: () => Engine;

  constructor(engine: () => Engine, name: string, keyEncoding: KE, valueEncoding: VE) {
    super(name, keyEncoding, valueEncoding);
    this.engine = engine;
  }

  get name(): string {
    return this.keyspaceName;
  }

  /** For the transaction. By the manifest: a refresh of a read-only database brings another engine. */
  checkOwner(engine: Engine): void {
    if (this.engine().manifest !== engine.manifest)
      throw new TypeError('keyspace belongs to another database');
  }

  /** One put, durable (by the database's `durability`) when it resolves with its commit version. Never conflicts. */
  put<K extends EncodingName = KE, V extends EncodingName = VE>(
    key: Input<K>,
    value: Input<V>,
    options: EncodingOptions<K, V> = NO_OPTIONS as EncodingOptions<K, V>,
  ): Promise<Version> {
    try {
      checkWriteOptions(options);
      return this.#submit(this.#key(key, options), this.#value(value, options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Deletes the key; deleting what is not there is fine. */
  del<K extends EncodingName = KE>(
    key: Input<K>,
    options: EncodingOptions<K, EncodingName> = NO_OPTIONS as EncodingOptions<K, EncodingName>,
  ): Promise<Version> {
    try {
      checkWriteOptions(options);
      return this.#submit(this.#key(key, options), undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Deletes every key in the range, whatever their number, at the cost of one commit; without bounds, all keys. Never
   * conflicts.
   */
  async deleteRange<K extends EncodingName = KE>(
    range: RangeOptions<K>,
    options: EncodingOptions<K, EncodingName> = NO_OPTIONS as EncodingOptions<K, EncodingName>,
  ): Promise<Version> {
    checkWriteOptions(options);
    const overlay = new Overlay();
    const span = deletedSpan(range, options.keyEncoding ?? this.keyEncoding);
    if (span !== undefined) overlay.deleteRange(this.keyspaceName, span);
    return this.#commit(overlay);
  }

  /**
   * Several puts, deletes and range deletions, all or nothing; a later operation on a key wins. Keys and values may be changed
   * as soon as this returns.
   */
  async batch(
    operations: readonly BatchOperation<KE, VE>[],
    options: EncodingOptions = NO_OPTIONS,
  ): Promise<Version> {
    if (!Array.isArray(operations)) throw new TypeError('operations must be an array');
    checkWriteOptions(options);
    const overlay = new Overlay();
    for (const operation of operations as readonly BatchOperation<KE, VE>[]) {
      checkOptions(operation, 'operation');
      const keyspace = operation.keyspace ?? this.keyspaceName;
      if (keyspace !== this.keyspaceName) checkKeyspaceName(keyspace, 'operation.keyspace');
      const encodings = options === NO_OPTIONS ? operation : { ...options, ...operation };
      if (operation.type === 'deleteRange') {
        const span = deletedSpan(operation, encodings.keyEncoding ?? this.keyEncoding, BESIDES_RANGE);
        if (span !== undefined) overlay.deleteRange(keyspace, span);
        continue;
      }
      const key = this.#key(operation.key, encodings);
      overlay.write(keyspace, key, this.#operationValue(operation, encodings));
    }
    return this.#commit(overlay);
  }

  /** What was written to the overlay may be the caller's still. */
  async #commit(overlay: Overlay): Promise<Version> {
    const engine = this.engine();
    engine.checkWritable();
    if (overlay.isEmpty) return engine.publication.visible;
    return (engine.proposer ?? engine.committer).commitBlind(mergeRuns(overlay.layers));
  }

  protected override checkOpen(): void {
    this.engine().checkOpen();
  }

  protected override openCheck(): () => void {
    const engine = this.engine();
    return () => {
      if (engine.endedBy !== undefined) throw engine.endedBy;
      this.checkOpen();
    };
  }

  protected override catchUp(signal: AbortSignal | undefined): Promise<void> {
    return this.engine().proposer?.caughtUp(signal) ?? Promise.resolve();
  }

  protected override source(at: Snapshot | undefined): ReadSource {
    const engine = this.engine();
    engine.checkOpen();
    return at === undefined ? engine.reader : Snapshot.sourceOf(at, engine);
  }

  protected override snapshotFor(given: Snapshot | undefined): {
    at: Snapshot | undefined;
    done: () => void;
  } {
    if (given !== undefined) return { at: given, done: () => undefined };
    const snapshot = this.engine().snapshot();
    return { at: snapshot, done: () => snapshot.close() };
  }

  /** The bytes are encoded into the log batch before this returns, unless there is no room: then they are copied. */
  #submit(key: Uint8Array, value: Uint8Array | undefined): Promise<Version> {
    const engine = this.engine();
    engine.checkWritable();
    if (engine.proposer !== undefined) return engine.proposer.put(this.keyspaceName, key, value);
    engine.catalog.requireNewest(this.keyspaceName);
    const room = engine.throttle.room(key.length + (value?.length ?? 0));
    if (room === undefined) return engine.pipeline.submitOne(this.keyspaceName, key, value);
    return this.#submitLater(room, pooledCopy(key), value && pooledCopy(value));
  }

  async #submitLater(room: Promise<void>, key: Uint8Array, value: Uint8Array | undefined): Promise<Version> {
    await room;
    const engine = this.engine();
    // Others have waited too, and may have filled what there was.
    for (let full = engine.throttle.hardRoom(); full !== undefined; full = engine.throttle.hardRoom())
      await full;
    engine.checkWritable();
    engine.catalog.requireNewest(this.keyspaceName);
    return engine.pipeline.submitOne(this.keyspaceName, key, value);
  }

  #key(key: unknown, options: EncodingOptions): Uint8Array {
    const { keyEncoding } = options;
    if (keyEncoding !== undefined) checkEncodingName(keyEncoding, 'options.keyEncoding');
    const bytes = encode(keyEncoding ?? this.keyEncoding, key, 'key');
    checkKey(bytes);
    return bytes;
  }

  #value(value: unknown, options: EncodingOptions): Uint8Array {
    const { valueEncoding } = options;
    if (valueEncoding !== undefined) checkEncodingName(valueEncoding, 'options.valueEncoding');
    const bytes = encode(valueEncoding ?? this.valueEncoding, value, 'value');
    checkValue(bytes);
    return bytes;
  }

  #operationValue(
    operation: PutOperation<KE, VE> | DelOperation<KE>,
    encodings: EncodingOptions,
  ): Uint8Array | undefined {
    switch (operation.type) {
      case 'put':
        return this.#value(operation.value, encodings);
      case 'del':
        return undefined;
      default:
        throw new TypeError(
          `operation.type must be 'put', 'del' or 'deleteRange'; got ${String((operation as { type: unknown }).type)}`,
        );
    }
  }
}

function checkWriteOptions(options: EncodingOptions): void {
  if (options === NO_OPTIONS) return;
  checkOptions(options);
  checkEncodings(options);
}
