/**
 * The read methods that a database, a keyspace, and both inside a transaction have in common: one implementation over
 * a ReadSource, with encodings by keyspace and by call.
 */

import { checkEncodings, checkFlag, checkOptions, checkSignal } from '../base/arguments.ts';
import { BufferCopier } from '../base/buffer-copier.ts';
import { successor } from '../base/bytes.ts';
import { decode, type EncodingName, encode, type Input, type Output } from '../base/encoding.ts';
import { throwIfAborted } from '../base/errors.ts';
import { checkKey, TYPE_VALUE } from '../mvcc/internal-key.ts';
import type { Probe } from '../mvcc/probe.ts';
import { SHARED_BYTES } from './batch-copier.ts';
import { SluiceCursor } from './batch-cursor.ts';
import { entryShape, keyShape, type Shape, SluiceIterator, valueShape } from './iterator.ts';
import { keyString, ownBytes } from './read-set.ts';
import type { Bounds, ReadSource } from './read-source.ts';
import type { ScanSettings } from './scan-batches.ts';
import type { Snapshot } from './snapshot.ts';

export interface EncodingOptions<
  KE extends EncodingName = EncodingName,
  VE extends EncodingName = EncodingName,
> {
  readonly keyEncoding?: KE;
  readonly valueEncoding?: VE;
}

export interface GetOptions<KE extends EncodingName, VE extends EncodingName>
  extends EncodingOptions<KE, VE> {
  /** Read as of this snapshot instead of now. */
  readonly snapshot?: Snapshot;
  readonly signal?: AbortSignal;
}

export interface ReadOptions<KE extends EncodingName, VE extends EncodingName> extends GetOptions<KE, VE> {
  /**
   * In a cluster: waits until all is applied here that was committed anywhere before the call. Elsewhere that is so by itself, and in
   * a transaction it is `transaction()` that takes it.
   */
  readonly linearizable?: boolean;
}

export interface RangeOptions<KE extends EncodingName> {
  readonly gt?: Input<KE>;
  readonly gte?: Input<KE>;
  readonly lt?: Input<KE>;
  readonly lte?: Input<KE>;
}

export interface IteratorOptions<KE extends EncodingName, VE extends EncodingName>
  extends GetOptions<KE, VE>,
    RangeOptions<KE> {
  readonly reverse?: boolean;
  /** How many entries at most; -1 or absent: all. */
  readonly limit?: number;
}

export interface CursorOptions<KE extends EncodingName> extends RangeOptions<KE> {
  /** Of the bounds and of seek targets; a cursor hands out bytes. */
  readonly keyEncoding?: KE;
  /** Read as of this snapshot instead of now. */
  readonly snapshot?: Snapshot;
  readonly signal?: AbortSignal;
  readonly reverse?: boolean;
  /** How many entries at most; -1 or absent: all. */
  readonly limit?: number;
  /** False: keys only, and every value empty. Default true. */
  readonly values?: boolean;
}

/** A cursor's batches: they stay in the processor's cache while they are looked at. */
const BATCH_BYTES = 65536;

const EMPTY_OPTIONS = {};

export abstract class Readable<KE extends EncodingName, VE extends EncodingName> {
  readonly keyEncoding: KE;
  readonly valueEncoding: VE;
  protected readonly keyspaceName: string;
  readonly #copier = new BufferCopier();

  constructor(keyspaceName: string, keyEncoding: KE, valueEncoding: VE) {
    this.keyspaceName = keyspaceName;
    this.keyEncoding = keyEncoding;
    this.valueEncoding = valueEncoding;
  }

  /** @throws SluiceError CLOSED when what is read from is no more: not even what is in memory is handed out then. */
  protected abstract checkOpen(): void;

  /** `checkOpen` of what is read from now, whatever takes its place. */
  protected openCheck(): () => void {
    return () => this.checkOpen();
  }

  /** Resolves when what was committed anywhere before the call can be read. */
  protected async catchUp(_signal: AbortSignal | undefined): Promise<void> {}

  /** Where the reads go, with a snapshot or as of now. @throws SluiceError CLOSED when it is gone. */
  protected abstract source(at: Snapshot | undefined): ReadSource;

  /** The value, or undefined on a miss. Never blocks the event loop on the disk. */
  async get<K extends EncodingName = KE, V extends EncodingName = VE>(
    key: Input<K>,
    options: ReadOptions<K, V> = EMPTY_OPTIONS,
  ): Promise<Output<V> | undefined> {
    checkReadOptions(options);
    throwIfAborted(options.signal);
    if (options.linearizable === true) await this.catchUp(options.signal);
    const bytes = this.#keyBytes(key, options);
    const source = this.source(options.snapshot);
    let probe = source.lookup(this.keyspaceName, bytes, options.snapshot);
    if (probe === undefined) {
      probe = await source.lookupLater(this.keyspaceName, ownBytes(bytes, key), options.snapshot);
    }
    return this.#value(probe, options);
  }

  /** As `get`, reading by pread what is not in memory. */
  getSync<K extends EncodingName = KE, V extends EncodingName = VE>(
    key: Input<K>,
    options: GetOptions<K, V> = EMPTY_OPTIONS,
  ): Output<V> | undefined {
    checkReadOptions(options);
    const bytes = this.#keyBytes(key, options);
    const source = this.source(options.snapshot);
    return this.#value(source.lookupSync(this.keyspaceName, bytes, options.snapshot), options);
  }

  /** Values in the order of the keys, undefined for each miss; all as of one version. */
  async getMany<K extends EncodingName = KE, V extends EncodingName = VE>(
    keys: readonly Input<K>[],
    options: ReadOptions<K, V> = EMPTY_OPTIONS,
  ): Promise<(Output<V> | undefined)[]> {
    checkReadOptions(options);
    if (options.linearizable === true) await this.catchUp(options.signal);
    if (!Array.isArray(keys)) throw new TypeError('keys must be an array');
    const encoded = keys.map((key) => ownBytes(this.#keyBytes(key, options), key));
    const { at, done } = this.snapshotFor(options.snapshot);
    try {
      const values: (Output<V> | undefined)[] = [];
      for (const bytes of encoded) {
        if (options.signal !== undefined) throwIfAborted(options.signal);
        const source = this.source(at);
        let probe = source.lookup(this.keyspaceName, bytes, at);
        if (probe === undefined) probe = await source.lookupLater(this.keyspaceName, bytes, at);
        values.push(this.#value(probe, options));
      }
      return values;
    } finally {
      done();
    }
  }

  /** Whether the key has a value. */
  async has<K extends EncodingName = KE>(
    key: Input<K>,
    options: ReadOptions<K, VE> = EMPTY_OPTIONS,
  ): Promise<boolean> {
    checkReadOptions(options);
    throwIfAborted(options.signal);
    if (options.linearizable === true) await this.catchUp(options.signal);
    const bytes = this.#keyBytes(key, options);
    const source = this.source(options.snapshot);
    let probe = source.lookup(this.keyspaceName, bytes, options.snapshot);
    if (probe === undefined) {
      probe = await source.lookupLater(this.keyspaceName, ownBytes(bytes, key), options.snapshot);
    }
    return probe.found && probe.type === TYPE_VALUE;
  }

  /** Entries as [key, value], in key order. The state is that of this call (or of the snapshot). */
  iterator<K extends EncodingName = KE, V extends EncodingName = VE>(
    options: IteratorOptions<K, V> = EMPTY_OPTIONS,
  ): SluiceIterator<[Output<K>, Output<V>]> {
    const [keyEncoding, valueEncoding] = this.#encodings(options);
    return this.#iterate(options, entryShape(keyEncoding, valueEncoding), true);
  }

  keys<K extends EncodingName = KE>(
    options: IteratorOptions<K, EncodingName> = EMPTY_OPTIONS,
  ): SluiceIterator<Output<K>> {
    return this.#iterate(options, keyShape(this.#encodings(options)[0]), false);
  }

  values<V extends EncodingName = VE>(
    options: IteratorOptions<EncodingName, V> = EMPTY_OPTIONS,
  ): SluiceIterator<Output<V>> {
    return this.#iterate(options, valueShape(this.#encodings(options)[1]), true);
  }

  /**
   * For scans at full speed: entries by the batch, as borrowed bytes that the next step overwrites. The state is that of this
   * call (or of the snapshot).
   */
  cursor<K extends EncodingName = KE>(options: CursorOptions<K> = EMPTY_OPTIONS): SluiceCursor {
    const keyEncoding = this.#encodings(options)[0];
    const { values = true } = options;
    checkFlag(values, 'options.values');
    const settings = this.#scan(options, keyEncoding, 'cursor', BATCH_BYTES, values);
    return new SluiceCursor(settings, (key) => encode(keyEncoding, key, 'key'));
  }

  /** One version for the several reads of a call. */
  protected abstract snapshotFor(given: Snapshot | undefined): { at: Snapshot | undefined; done: () => void };

  #iterate<T>(
    options: IteratorOptions<EncodingName, EncodingName>,
    shape: Shape<T>,
    withValues: boolean,
  ): SluiceIterator<T> {
    const keyEncoding = this.#encodings(options)[0];
    const settings = this.#scan(options, keyEncoding, 'iterator', SHARED_BYTES, withValues);
    return new SluiceIterator(settings, shape, (key) => encode(keyEncoding, key, 'key'));
  }

  #scan(
    options: CursorOptions<EncodingName>,
    keyEncoding: EncodingName,
    what: string,
    batchBytes: number,
    withValues: boolean,
  ): ScanSettings {
    const { limit = -1, reverse = false, signal } = options;
    checkFlag(reverse, 'options.reverse');
    if (!Number.isInteger(limit) || limit < -1) {
      throw new TypeError(
        `options.limit must be a non-negative integer, or -1 for no limit; got ${String(limit)}`,
      );
    }
    const bounds = rangeBounds(options, keyEncoding);
    return {
      scan: this.source(options.snapshot).scan(this.keyspaceName, bounds, options.snapshot),
      checkOpen: this.openCheck(),
      reverse,
      limit: limit === -1 ? Number.POSITIVE_INFINITY : limit,
      signal,
      lower: bounds.lower === undefined ? '' : keyString(bounds.lower, 0, bounds.lower.length),
      upper: bounds.upper === undefined ? undefined : keyString(bounds.upper, 0, bounds.upper.length),
      withValues,
      batchBytes,
      what,
    };
  }

  #keyBytes(key: unknown, options: EncodingOptions): Uint8Array {
    const bytes = encode(options.keyEncoding ?? this.keyEncoding, key, 'key');
    checkKey(bytes);
    return bytes;
  }

  #value<V extends EncodingName>(
    probe: Probe,
    options: EncodingOptions<EncodingName, V>,
  ): Output<V> | undefined {
    if (!probe.found || probe.type !== TYPE_VALUE) return undefined;
    // A call without an encoding of its own has V = VE.
    const encoding = (options.valueEncoding ?? this.valueEncoding) as V;
    return decode(encoding, probe.valueBytes, probe.valueStart, probe.valueLength, this.#copier);
  }

  #encodings<K extends EncodingName, V extends EncodingName>(options: EncodingOptions<K, V>): [K, V] {
    checkReadOptions(options);
    const { keyEncoding = this.keyEncoding, valueEncoding = this.valueEncoding } = options;
    return [keyEncoding as K, valueEncoding as V];
  }
}

/** Nothing is looked at in the usual call, which gives no options. */
function checkReadOptions(options: ReadOptions<EncodingName, EncodingName>): void {
  if (options === EMPTY_OPTIONS) return;
  checkOptions(options);
  checkEncodings(options);
  checkSignal(options.signal);
  checkFlag(options.linearizable, 'options.linearizable');
}

/** gt and gte, lt and lte as one half-open range; where both of a pair are given the narrower counts. */
export function rangeBounds(options: RangeOptions<EncodingName>, keyEncoding: EncodingName): Bounds {
  const { gt, gte, lt, lte } = options;
  let lower = gte === undefined ? undefined : encode(keyEncoding, gte, 'options.gte');
  if (gt !== undefined) lower = larger(lower, successor(encode(keyEncoding, gt, 'options.gt')));
  let upper = lt === undefined ? undefined : encode(keyEncoding, lt, 'options.lt');
  if (lte !== undefined) upper = smaller(upper, successor(encode(keyEncoding, lte, 'options.lte')));
  return { lower: lower && Uint8Array.from(lower), upper: upper && Uint8Array.from(upper) };
}

function larger(a: Uint8Array | undefined, b: Uint8Array): Uint8Array {
  return a === undefined || Buffer.compare(a, b) < 0 ? b : a;
}

function smaller(a: Uint8Array | undefined, b: Uint8Array): Uint8Array {
  return a === undefined || Buffer.compare(a, b) > 0 ? b : a;
}
