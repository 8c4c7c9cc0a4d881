/**
 * What a transaction has read: points (found or missed), ranges up to where each scan really stopped, and the
 * keyspaces, whose pointers it depends on.
 *
 * Keys are held as latin1 strings, one character a byte: they hash fast, and compare as their bytes do.
 */

import { copyInto } from '../base/bytes.ts';
import type { FileRead } from './file-reads.ts';

/** [lower, upper); an undefined upper end means "to the end". The iterator that reads moves its own end outwards. */
export interface ReadRange {
  lower: string;
  upper: string | undefined;
}

export class ReadSet {
  readonly points = new Map<string, Set<string>>();
  readonly ranges = new Map<string, ReadRange[]>();
  readonly files: FileRead[] = [];
  /** Not read, but written to by a transaction that has read something: known at its commit. */
  written: ReadonlySet<string> = new Set();

  get isEmpty(): boolean {
    return this.points.size === 0 && this.ranges.size === 0 && this.files.length === 0;
  }

  *keyspaces(): Iterable<string> {
    yield* this.points.keys();
    for (const keyspace of this.ranges.keys()) if (!this.points.has(keyspace)) yield keyspace;
    for (const { keyspace } of this.files) yield keyspace;
  }

  addPoint(keyspace: string, key: Uint8Array): void {
    let set = this.points.get(keyspace);
    if (set === undefined) {
      set = new Set();
      this.points.set(keyspace, set);
    }
    set.add(keyString(key, 0, key.length));
  }

  /** Records a range of which nothing has been read yet; the caller widens it as it reads. */
  addRange(keyspace: string, at: string): ReadRange {
    const range: ReadRange = { lower: at, upper: at };
    const ranges = this.ranges.get(keyspace);
    if (ranges === undefined) this.ranges.set(keyspace, [range]);
    else ranges.push(range);
    return range;
  }
}

/** V8 has such arrays in its heap; asked for its ArrayBuffer, one moves out for good: what that costs, see `pooledCopy`. */
const IN_HEAP_BYTES_MAX = 64;

export function keyString(bytes: Uint8Array, start: number, length: number): string {
  if (Buffer.isBuffer(bytes)) return bytes.toString('latin1', start, start + length);
  if (bytes.length <= IN_HEAP_BYTES_MAX) {
    let string = '';
    for (let i = start; i < start + length; i++) string += String.fromCharCode(bytes[i] as number);
    return string;
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1');
}

export function keyBytes(key: string): Uint8Array {
  return Buffer.from(key, 'latin1');
}

/** The smallest key after `key`. */
export function keyAfter(key: string): string {
  return `${key}\0`;
}

export function inRange(key: string, range: ReadRange): boolean {
  return key >= range.lower && (range.upper === undefined || key < range.upper);
}

/** Bytes that the caller may go on to change are copied; those that an encoder has just made are not. */
export function ownBytes(bytes: Uint8Array, input: unknown): Uint8Array {
  return bytes === input ? pooledCopy(bytes) : bytes;
}

/**
 * Small ones are pieces of Node's pool. An ArrayBuffer each would be four allocations outside V8's heap, which after a collection
 * malloc puts together again all at once: 10 ms and more of the event loop for what a second of batches leaves.
 */
export function pooledCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  copyInto(bytes, 0, bytes.length, copy, 0);
  return copy;
}
