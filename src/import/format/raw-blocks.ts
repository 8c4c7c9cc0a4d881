/** Raw Snappy and LZ4, as other formats wrap them, by the kernels of our tables. Damage is BAD_INPUT. */

import { SluiceError } from '../../base/errors.ts';
import { giveHeapBack, type Heap, heapOf, takeHeap } from '../../sst/heap.ts';
import { KERNEL_RESERVED_BYTES } from '../../sst/kernels/wasm-kernels.ts';

/** Of one size, so that it is made once. Beyond it JavaScript does it where the bytes are. */
const HEAP_BYTES = 4 << 20;
/** Three bytes of Snappy stand for 64 at most. */
const SNAPPY_FACTOR_MAX = 22;

/** Snappy says how long it is; more than `maxBytes` is damage, as is nothing. */
export function unsnapped(input: Uint8Array, maxBytes: number): Uint8Array {
  const most = Math.min(maxBytes, input.length * SNAPPY_FACTOR_MAX);
  return inHeap(input, most, (heap, src, dst) => {
    const raw = heap.kernels.snappyRawLength(src, input.length);
    if (raw <= 0 || raw > maxBytes) throw damaged('Snappy', `it claims ${raw} bytes, of at most ${maxBytes}`);
    if (raw > most || !heap.kernels.snappyDecompress(src, input.length, dst, raw))
      throw damaged('Snappy', 'it does not decompress');
    return raw;
  });
}

/** An LZ4 block does not say how long it is. */
export function unlz4(input: Uint8Array, rawBytes: number): Uint8Array {
  return inHeap(input, rawBytes, (heap, src, dst) => {
    if (!heap.kernels.lz4Decompress(src, input.length, dst, rawBytes))
      throw damaged('LZ4', 'it does not decompress');
    return rawBytes;
  });
}

/** `run` decompresses from `src` to `dst`, where there are `most` bytes of room, and says how many they are. */
function inHeap(
  input: Uint8Array,
  most: number,
  run: (heap: Heap, src: number, dst: number) => number,
): Uint8Array {
  const bytes = KERNEL_RESERVED_BYTES + input.length + most;
  const heap = bytes <= HEAP_BYTES ? takeHeap(HEAP_BYTES) : heapOf(new Uint8Array(bytes));
  try {
    const src = KERNEL_RESERVED_BYTES;
    const dst = src + input.length;
    heap.bytes.set(input, src);
    return heap.bytes.slice(dst, dst + run(heap, src, dst));
  } finally {
    giveHeapBack(heap);
  }
}

function damaged(codec: string, what: string): SluiceError {
  return new SluiceError('BAD_INPUT', `${codec}: ${what}`);
}
