import { createHeap, type Heap, heapOf } from '../../src/sst/heap.ts';
import { KERNEL_RESERVED_BYTES } from '../../src/sst/kernels/wasm-kernels.ts';

/** The same kernels twice, each in a heap of its own; tests use offsets from START on. */
export const START = KERNEL_RESERVED_BYTES;

export function bothHeaps(bytes: number): { wasm: Heap; js: Heap } {
  const wasm = createHeap(START + bytes);
  return { wasm, js: heapOf(new Uint8Array(wasm.bytes.length)) };
}
