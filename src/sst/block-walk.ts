/** The entries of a validated block in an array, one after the other: for blocks that no cursor and no kernel is given. */

import { ByteReader } from '../base/codec.ts';
import type { OwnBlock } from './block-cache.ts';

export interface BlockEntry {
  /** Internal. */
  readonly key: Uint8Array;
  readonly valueStart: number;
  readonly valueLength: number;
}

export function* entriesOf(block: OwnBlock): Generator<BlockEntry, void, undefined> {
  const reader = new ByteReader(block.bytes, block.start, block.restartsAt);
  let last = new Uint8Array(0);
  while (!reader.done) {
    const shared = reader.varint();
    const unshared = reader.varint();
    const valueLength = reader.varint();
    const key = new Uint8Array(shared + unshared);
    key.set(last.subarray(0, shared));
    key.set(reader.take(unshared), shared);
    yield { key, valueStart: reader.skip(valueLength), valueLength };
    last = key;
  }
}
