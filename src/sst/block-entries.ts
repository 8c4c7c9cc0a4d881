/** Entries of small blocks with plain keys (metaindex, properties), each with its key whole. Checked as it goes. */

import { ByteReader } from '../base/codec.ts';
import { SluiceError } from '../base/errors.ts';
import { type BlockPlace, BlockShape, readShape } from './data-block.ts';

/** Names share little, and usually nothing: keys that each have all of the one before could grow without end. */
const SHARED_BYTES_MAX = 1 << 16;

export type MetaVisitor = (key: string, value: Uint8Array, valueStart: number) => void;

/** `valueStart` is the position of the value in `bytes`. Keys are Latin-1. */
export function forEachMetaEntry(
  bytes: Uint8Array,
  start: number,
  length: number,
  place: BlockPlace,
  visit: MetaVisitor,
): void {
  const shape = new BlockShape();
  readShape(bytes, start, length, shape, place);
  const reader = new ByteReader(bytes, start, shape.restartsAt);
  let key = '';
  let keyBytes = 0;
  while (!reader.done) {
    const shared = reader.varint();
    const unshared = reader.varint();
    const valueLength = reader.varint();
    keyBytes += shared + unshared;
    if (shared > key.length || keyBytes > length + SHARED_BYTES_MAX) {
      throw new SluiceError('CORRUPTION', `${place.path}: block at offset ${place.offset}: a key is damaged`);
    }
    const tail = reader.take(unshared);
    key = key.slice(0, shared) + Buffer.from(tail.buffer, tail.byteOffset, tail.length).toString('latin1');
    const valueStart = reader.skip(valueLength);
    visit(key, bytes.subarray(valueStart, valueStart + valueLength), valueStart);
  }
}
