/**
 * The cursor of a table whose keys are read under another prefix: what it is told is translated to keys of the file, and
 * keys that it shows are copied behind the prefix. Values, versions and blocks are the table cursor's own.
 */

import { copyInto, equalRanges } from '../base/bytes.ts';
import { SluiceError } from '../base/errors.ts';
import { type Cursor, PENDING, READY, type Status } from '../mvcc/cursor.ts';
import type { Gathering } from '../mvcc/gathering.ts';
import { type EntryType, KEY_BYTES_MAX, TYPE_DELETE } from '../mvcc/internal-key.ts';
import {
  AFTER_ALL,
  addedBytes,
  BEFORE_ALL,
  FileKey,
  type PrefixRewrite,
  WITHIN,
} from '../mvcc/prefix-rewrite.ts';
import { NO_VERSION, type Version } from '../mvcc/version.ts';

export class PrefixedCursor implements Cursor {
  valid = false;
  keyBytes: Uint8Array;
  readonly keyStart = 0;
  keyLength = 0;
  version: Version = NO_VERSION;
  type: EntryType = TYPE_DELETE;
  valueBytes: Uint8Array;
  valueStart = 0;
  valueLength = 0;

  readonly #inner: Cursor;
  readonly #prefix: PrefixRewrite;
  readonly #path: string;
  readonly #target: FileKey;
  /** A reader's wish as the inner cursor is told it, and whose it is. */
  #own: Gathering | undefined;
  #ownFor: Gathering | undefined;

  /** `inner`: of the table at `path`, which is taken over. */
  constructor(inner: Cursor, prefix: PrefixRewrite, path: string) {
    this.#inner = inner;
    this.#prefix = prefix;
    this.#path = path;
    this.#target = new FileKey(prefix);
    this.keyBytes = new Uint8Array(prefix.to.length + 64);
    this.keyBytes.set(prefix.to);
    this.valueBytes = inner.valueBytes;
  }

  first(): Status {
    return this.#moved(this.#inner.first());
  }

  last(): Status {
    return this.#moved(this.#inner.last());
  }

  seek(key: Uint8Array, keyStart: number, keyLength: number, version: Version): Status {
    const target = this.#target;
    const place = target.set(key, keyStart, keyLength);
    if (place === BEFORE_ALL) return this.first();
    if (place === AFTER_ALL) return this.#end();
    return this.#moved(this.#inner.seek(target.bytes, target.start, target.length, version));
  }

  seekBefore(key: Uint8Array, keyStart: number, keyLength: number, inclusive: boolean): Status {
    const target = this.#target;
    const place = target.set(key, keyStart, keyLength);
    if (place === BEFORE_ALL) return this.#end();
    if (place === AFTER_ALL) return this.last();
    return this.#moved(this.#inner.seekBefore(target.bytes, target.start, target.length, inclusive));
  }

  next(): Status {
    return this.#moved(this.#inner.next());
  }

  prev(): Status {
    return this.#moved(this.#inner.prev());
  }

  gather(gathering: Gathering): boolean {
    const inner = this.#inner;
    const { hasEnd, endBytes, endStart, endLength } = gathering;
    if (inner.gather === undefined) return false;
    if (this.#own === undefined || this.#ownFor !== gathering) {
      this.#ownFor = gathering;
      this.#own = gathering.under(this.#prefix);
    }
    const own = this.#own;
    own.hasEnd = false;
    if (hasEnd) {
      const target = this.#target;
      const place = target.set(endBytes, endStart, endLength);
      if (place === BEFORE_ALL) return false;
      if (place === WITHIN) own.endBefore(target.bytes, target.start, target.length);
    }
    if (!inner.gather(own)) return false;
    gathering.decided = own.decided;
    this.#show(inner);
    return true;
  }

  load(): Promise<void> {
    return this.#inner.load();
  }

  loadSync(): void {
    this.#inner.loadSync();
  }

  close(): void {
    this.valid = false;
    this.#inner.close();
  }

  #end(): Status {
    this.valid = false;
    return READY;
  }

  #moved(status: Status): Status {
    if (status === PENDING) return PENDING;
    const inner = this.#inner;
    this.valid = inner.valid;
    if (inner.valid) this.#show(inner);
    return READY;
  }

  #show(inner: Cursor): void {
    const { from, to } = this.#prefix;
    const rest = inner.keyLength - from.length;
    const length = to.length + rest;
    // L9: keys in blocks that no ingest has looked at.
    const { keyBytes, keyStart } = inner;
    if (rest < 0 || !equalRanges(keyBytes, keyStart, from.length, from, 0, from.length))
      throw this.#withoutPrefix();
    if (length > KEY_BYTES_MAX) throw this.#tooLong(inner.keyLength);
    if (length > this.keyBytes.length) {
      this.keyBytes = new Uint8Array(length * 2);
      this.keyBytes.set(to);
    }
    copyInto(keyBytes, keyStart + from.length, rest, this.keyBytes, to.length);
    this.keyLength = length;
    this.version = inner.version;
    this.type = inner.type;
    if (this.valueBytes !== inner.valueBytes) this.valueBytes = inner.valueBytes;
    this.valueStart = inner.valueStart;
    this.valueLength = inner.valueLength;
  }

  #withoutPrefix(): SluiceError {
    const message = `${this.#path}: a key is without the prefix that the file was ingested by`;
    return new SluiceError('CORRUPTION', message);
  }

  #tooLong(bytes: number): SluiceError {
    const message = `${this.#path}: a key of ${bytes} bytes is ${bytes + addedBytes(this.#prefix)} with its prefix; 65,535 are allowed`;
    return new SluiceError('INVALID_KEY', message);
  }
}
