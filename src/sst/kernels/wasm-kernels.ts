/** The kernels compiled to WebAssembly, working in a memory that they share with JavaScript. */

import type { Kernels } from './kernels.ts';
import { WASM_BASE64 } from './wasm-bytes.ts';

/** Offsets below this are the kernels' static data and scratch tables (assembly/layout.ts). */
export const KERNEL_RESERVED_BYTES = 0x40000;

const KEY_HASH_HIGH = 0x22000;

type Ranges = (src: number, length: number, dst: number, bytes: number) => number;

interface Exports {
  blockChecksum(type: number, start: number, length: number): number;
  keyHash(start: number, length: number): number;
  lz4Compress: Ranges;
  lz4Decompress: Ranges;
  snappyCompress: Ranges;
  snappyDecompress: Ranges;
  snappyRawLength(src: number, length: number): number;
}

/** What we use of the global `WebAssembly`, which neither the ES library nor Node's types declare. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
interface WasmApi {
  readonly Memory: new (size: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}
const api = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;

/** Of a fixed number of 64 KiB pages. */
export function createMemory(pages: number): WasmMemory {
  return new api.Memory({ initial: pages, maximum: pages });
}

/** Compiled once in each thread that makes a heap. */
let compiled: object | undefined;

export class WasmKernels implements Kernels {
  readonly #exports: Exports;
  readonly #high: Uint32Array;

  /** REQUIRES: at least KERNEL_RESERVED_BYTES of memory. */
  constructor(memory: WasmMemory) {
    compiled ??= new api.Module(Buffer.from(WASM_BASE64, 'base64'));
    const instance = new api.Instance(compiled, { env: { memory } });
    this.#exports = instance.exports as Exports;
    this.#high = new Uint32Array(memory.buffer, KEY_HASH_HIGH, 1);
  }

  // WebAssembly returns signed numbers, hence `>>> 0`.

  blockChecksum(type: number, start: number, length: number): number {
    return this.#exports.blockChecksum(type, start, length) >>> 0;
  }

  keyHash(start: number, length: number): number {
    return this.#exports.keyHash(start, length) >>> 0;
  }

  get keyHashHigh(): number {
    return this.#high[0] as number;
  }

  lz4Compress(src: number, length: number, dst: number, capacity: number): number {
    return this.#exports.lz4Compress(src, length, dst, capacity) >>> 0;
  }

  lz4Decompress(src: number, length: number, dst: number, rawLength: number): boolean {
    return this.#exports.lz4Decompress(src, length, dst, rawLength) !== 0;
  }

  snappyCompress(src: number, length: number, dst: number, capacity: number): number {
    return this.#exports.snappyCompress(src, length, dst, capacity) >>> 0;
  }

  snappyDecompress(src: number, length: number, dst: number, rawLength: number): boolean {
    return this.#exports.snappyDecompress(src, length, dst, rawLength) !== 0;
  }

  snappyRawLength(src: number, length: number): number {
    return this.#exports.snappyRawLength(src, length);
  }
}
