/**
 * Point lookups in a table whose keys are read under another prefix: while the table is searched, the probe has the key
 * as the file has it, and that key's hash; the filter was made of those.
 */

import { EMPTY_BYTES } from '../base/bytes.ts';
import { FileKey, type PrefixRewrite, WITHIN } from '../mvcc/prefix-rewrite.ts';
import type { Probe } from '../mvcc/probe.ts';

export class PrefixedProbe {
  readonly #fileKey: FileKey;
  #key: Uint8Array = EMPTY_BYTES;
  #keyStart = 0;
  #keyLength = 0;
  #hashed = false;
  #hashLow = 0;
  #hashHigh = 0;

  constructor(prefix: PrefixRewrite) {
    this.#fileKey = new FileKey(prefix);
  }

  /** False: no key of the file is read as the probe's, which stays as it is. True: `leave` must follow in the same turn. */
  enter(probe: Probe): boolean {
    const fileKey = this.#fileKey;
    const { key, keyStart, keyLength } = probe;
    if (fileKey.set(key, keyStart, keyLength) !== WITHIN || fileKey.length === 0) return false;
    this.#key = key;
    this.#keyStart = keyStart;
    this.#keyLength = keyLength;
    this.#hashed = probe.hashed;
    this.#hashLow = probe.hashLow;
    this.#hashHigh = probe.hashHigh;
    probe.key = fileKey.bytes;
    probe.keyStart = fileKey.start;
    probe.keyLength = fileKey.length;
    probe.hashed = false;
    return true;
  }

  leave(probe: Probe): void {
    probe.key = this.#key;
    probe.keyStart = this.#keyStart;
    probe.keyLength = this.#keyLength;
    probe.hashed = this.#hashed;
    probe.hashLow = this.#hashLow;
    probe.hashHigh = this.#hashHigh;
    this.#key = EMPTY_BYTES;
  }
}
