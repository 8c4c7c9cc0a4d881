/**
 * A heap is one memory with the kernels that work in it: memtable arenas, block cache and I/O buffers live there, so that
 * nothing is copied in to be worked on, and JavaScript holds offsets, not objects.
 *
 * The size is reserved up front, since growing a WebAssembly memory detaches every view of it; the operating system
 * commits pages when they are first written.
 */

import { JsKernels } from './kernels/js-kernels.ts';
import type { Kernels } from './kernels/kernels.ts';
import { createMemory, KERNEL_RESERVED_BYTES, WasmKernels } from './kernels/wasm-kernels.ts';

const PAGE_BYTES = 65536;
/** Offsets are unsigned 32-bit; the last pages stay unused so that no end of a range wraps around. */
export const HEAP_BYTES_MAX = 4294967296 - 64 * PAGE_BYTES;

export interface Heap {
  readonly bytes: Uint8Array;
  readonly kernels: Kernels;
}

/** Room in [start, limit) of a heap; `start` is a multiple of 8. */
export interface HeapRoom {
  readonly heap: Heap;
  readonly start: number;
  readonly limit: number;
}

export interface HeapRange {
  readonly heap: Heap;
  readonly start: number;
  readonly length: number;
}

/**
 * A memory of `bytes` bytes, rounded up to 64 KiB and zeroed, of which offsets 0 to KERNEL_RESERVED_BYTES belong to the
 * kernels. With the environment variable SLUICE_KERNELS=js it is a plain array with the TypeScript kernels.
 * Throws TypeError for a size below KERNEL_RESERVED_BYTES or above HEAP_BYTES_MAX, RangeError when memory cannot be had.
 */
export function createHeap(bytes: number): Heap {
  if (!(Number.isSafeInteger(bytes) && bytes >= KERNEL_RESERVED_BYTES && bytes <= HEAP_BYTES_MAX)) {
    throw new TypeError(
      `bytes must be an integer from ${KERNEL_RESERVED_BYTES} to ${HEAP_BYTES_MAX}, not ${bytes}`,
    );
  }
  const pages = Math.ceil(bytes / PAGE_BYTES);
  if (usesJsKernels()) return heapOf(new Uint8Array(pages * PAGE_BYTES));
  const memory = createMemory(pages);
  return { bytes: new Uint8Array(memory.buffer), kernels: new WasmKernels(memory) };
}

function usesJsKernels(): boolean {
  return process.env['SLUICE_KERNELS'] === 'js';
}

/** Larger heaps are not kept, nor more of them. */
const IDLE_BYTES_MAX = 4 << 20;
const IDLE_MAX = 4;
/** By whether their kernels are JavaScript. */
const idleHeaps: readonly [wasm: Heap[], js: Heap[]] = [[], []];

/** As `createHeap`, but not zeroed: one that was given back, if it can be. Making one costs more than a small table. */
export function takeHeap(bytes: number): Heap {
  const idle = idleHeaps[usesJsKernels() ? 1 : 0];
  const place = idle.findIndex((heap) => heap.bytes.length >= bytes);
  return idle.splice(place, place < 0 ? 0 : 1)[0] ?? createHeap(bytes);
}

/** REQUIRES: nobody uses it any more. */
export function giveHeapBack(heap: Heap): void {
  const idle = idleHeaps[heap.kernels instanceof WasmKernels ? 0 : 1];
  if (idle.length < IDLE_MAX && heap.bytes.length <= IDLE_BYTES_MAX) idle.push(heap);
}

/** Kernels over an array that exists already, all of which is the caller's: for blocks too large for the engine's heap. */
export function heapOf(bytes: Uint8Array): Heap {
  return { bytes, kernels: new JsKernels(bytes) };
}
