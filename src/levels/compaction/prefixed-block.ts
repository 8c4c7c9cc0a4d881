/**
 * Blocks of tables whose keys are read under another prefix, written anew with the keys as they are read: so the kernel
 * merges them like any others. Entries share what their keys share, so it is only the first that has the prefix itself.
 */

import { equalRanges } from '../../base/bytes.ts';
import { putVarint } from '../../base/codec.ts';
import { SluiceError } from '../../base/errors.ts';
import { KEY_BYTES_MAX, TRAILER_BYTES } from '../../mvcc/internal-key.ts';
import { addedBytes, type PrefixRewrite } from '../../mvcc/prefix-rewrite.ts';

/** How much longer the numbers of an entry may get: two lengths of keys, from one byte to three. */
const GROWTH_BYTES = 4;

export class BlockPrefixer {
  readonly #prefix: PrefixRewrite;
  readonly #path: string;
  #at = 0;

  /** `path`: of the table, for messages. */
  constructor(prefix: PrefixRewrite, path: string) {
    this.#prefix = prefix;
    this.#path = path;
  }

  /** How many bytes the entries in [at, limit) need at most. */
  roomFor(bytes: Uint8Array, at: number, limit: number): number {
    let room = limit - at + this.#prefix.to.length;
    for (this.#at = at; this.#at < limit; ) {
      this.#number(bytes);
      const unshared = this.#number(bytes);
      const valueLength = this.#number(bytes);
      room += GROWTH_BYTES;
      this.#at += unshared + valueLength;
    }
    return room;
  }

  /**
   * The entries in [at, limit) written from `out` on, which may lie before them by what they grow at most. Returns their end.
   * @throws SluiceError CORRUPTION, INVALID_KEY of keys that no ingest has looked at
   */
  write(bytes: Uint8Array, at: number, limit: number, out: number): number {
    const { from, to } = this.#prefix;
    const added = addedBytes(this.#prefix);
    let end = out;
    for (this.#at = at; this.#at < limit; ) {
      const shared = this.#number(bytes);
      const unshared = this.#number(bytes);
      const valueLength = this.#number(bytes);
      this.#checkLength(shared + unshared);
      const cut = Math.max(0, from.length - shared);
      const first = end === out;
      if (cut > 0) this.#checkPrefix(bytes, this.#at, shared, cut);
      const rest = this.#at + cut;
      const next = this.#at + unshared + valueLength;
      end = putVarint(bytes, end, first ? 0 : shared + cut + added);
      end = putVarint(bytes, end, unshared - cut + (first ? to.length : 0));
      end = putVarint(bytes, end, valueLength);
      if (first) {
        bytes.set(to, end);
        end += to.length;
      }
      bytes.copyWithin(end, rest, next);
      end += next - rest;
      this.#at = next;
    }
    return end;
  }

  /** An internal key as it is read. @throws SluiceError CORRUPTION, INVALID_KEY */
  key(fileKey: Uint8Array): Uint8Array {
    const { from, to } = this.#prefix;
    this.#checkLength(fileKey.length);
    this.#checkPrefix(fileKey, 0, 0, from.length);
    const key = new Uint8Array(fileKey.length + addedBytes(this.#prefix));
    key.set(to);
    key.set(fileKey.subarray(from.length), to.length);
    return key;
  }

  /** That so many bytes of a key, from byte `shared` of it on, are those of the prefix: else its place is not where it seems. */
  #checkPrefix(bytes: Uint8Array, at: number, shared: number, length: number): void {
    if (equalRanges(bytes, at, length, this.#prefix.from, shared, length)) return;
    throw new SluiceError(
      'CORRUPTION',
      `${this.#path}: a key is without the prefix that the file was ingested by`,
    );
  }

  #checkLength(internalLength: number): void {
    const length = internalLength - TRAILER_BYTES + addedBytes(this.#prefix);
    if (length >= this.#prefix.to.length && length <= KEY_BYTES_MAX) return;
    const message = `${this.#path}: a key of ${internalLength - TRAILER_BYTES} bytes, of which its prefix makes ${length}; 65,535 are allowed`;
    throw new SluiceError(length > KEY_BYTES_MAX ? 'INVALID_KEY' : 'CORRUPTION', message);
  }

  #number(bytes: Uint8Array): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[this.#at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
}
