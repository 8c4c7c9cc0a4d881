/** Between the main thread and the one that makes the manifests' transactions durable. */

import type { MessagePort } from 'node:worker_threads';
import type { ThreadError } from '../base/thread-error.ts';
import type { Write } from './format.ts';

/** Opens a manifest; all else about it goes through the port. */
export interface ToWriterThread {
  readonly path: string;
  readonly port: MessagePort;
  /** Shared: at ANSWERS a number that grows with every answer and wakes who waits for it, at OPENING how far it has come. */
  readonly state: Int32Array;
}

export const ANSWERS = 0;
export const OPENING = 1;
export const NOT_BEGUN = 0;
export const BEGUN = 1;
/** The manifest was closed before the thread came to open it. */
export const NOT_WANTED = 2;

export type ToManifest =
  | { readonly kind: 'commit'; readonly writes: Uint8Array }
  /** Of a manifest that is being closed: answered when the thread has let go of it. */
  | { readonly kind: 'close' };

export type FromManifest =
  | { readonly kind: 'opened' }
  | { readonly kind: 'committed'; readonly id: number }
  | { readonly kind: 'failed'; readonly error: ThreadError }
  | { readonly kind: 'closed' };

const HEAD_BYTES = 8;
/** In place of a value's length: the key is removed. */
const REMOVED = 0xffffffff;

/** Of each write the lengths of key and value, 4 bytes each, then both: one buffer, which can be handed over. */
export function packWrites(writes: readonly Write[]): Uint8Array<ArrayBuffer> {
  let bytes = 0;
  for (const { key, value } of writes) bytes += HEAD_BYTES + key.length + (value?.length ?? 0);
  const packed = new Uint8Array(bytes);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const { key, value } of writes) {
    view.setUint32(at, key.length, true);
    view.setUint32(at + 4, value?.length ?? REMOVED, true);
    packed.set(key, at + HEAD_BYTES);
    at += HEAD_BYTES + key.length;
    if (value === undefined) continue;
    packed.set(value, at);
    at += value.length;
  }
  return packed;
}

/** As `packWrites` was given them; the arrays lie in `packed`. */
export function unpackWrites(packed: Uint8Array): Write[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const writes: Write[] = [];
  for (let at = 0; at < packed.length; ) {
    const keyEnd = at + HEAD_BYTES + view.getUint32(at, true);
    const valueLength = view.getUint32(at + 4, true);
    const key = packed.subarray(at + HEAD_BYTES, keyEnd);
    const valueEnd = valueLength === REMOVED ? keyEnd : keyEnd + valueLength;
    writes.push({ key, value: valueLength === REMOVED ? undefined : packed.subarray(keyEnd, valueEnd) });
    at = valueEnd;
  }
  return writes;
}
