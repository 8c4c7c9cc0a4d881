import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createHeap, HEAP_BYTES_MAX } from '../../src/sst/heap.ts';
import { JsKernels } from '../../src/sst/kernels/js-kernels.ts';
import { KERNEL_RESERVED_BYTES, WasmKernels } from '../../src/sst/kernels/wasm-kernels.ts';

test('the committed WebAssembly is what its source compiles to', async () => {
  const script = new URL('../../scripts/build-kernels.mjs', import.meta.url).href;
  const { buildKernels } = (await import(script)) as { buildKernels(): Promise<string> };
  const committed = await readFile(new URL('../../src/sst/kernels/wasm-bytes.ts', import.meta.url), 'utf8');
  expect(await buildKernels()).toBe(committed);
});

test('a heap has the size asked for and is zero, and its kernels keep to their own area', () => {
  const heap = createHeap(KERNEL_RESERVED_BYTES + 100_000);
  expect(heap.bytes.length % 65536).toBe(0);
  expect(heap.bytes.length).toBeGreaterThanOrEqual(KERNEL_RESERVED_BYTES + 100_000);
  heap.kernels.lz4Compress(KERNEL_RESERVED_BYTES, 90_000, KERNEL_RESERVED_BYTES + 90_000, 8);
  expect(heap.bytes.subarray(KERNEL_RESERVED_BYTES).every((byte) => byte === 0)).toBe(true);
});

test('a heap of nearly 4 GiB can be had and used at both ends', () => {
  const heap = createHeap(HEAP_BYTES_MAX);
  expect(heap.bytes.length).toBe(HEAP_BYTES_MAX);
  const at = HEAP_BYTES_MAX - 4096;
  heap.bytes.fill(42, at);
  const checksum = heap.kernels.blockChecksum(4, at, 4095);
  expect(checksum).toBe(new JsKernels(heap.bytes).blockChecksum(4, at, 4095));
  const length = heap.kernels.lz4Compress(at, 4096, KERNEL_RESERVED_BYTES, 4096);
  heap.bytes.fill(0, at);
  expect(heap.kernels.lz4Decompress(KERNEL_RESERVED_BYTES, length, at, 4096)).toBe(true);
  expect(heap.bytes.subarray(at).every((byte) => byte === 42)).toBe(true);
});

test('SLUICE_KERNELS=js takes the TypeScript kernels', () => {
  const before = process.env['SLUICE_KERNELS'];
  try {
    delete process.env['SLUICE_KERNELS'];
    expect(createHeap(1 << 20).kernels).toBeInstanceOf(WasmKernels);
    process.env['SLUICE_KERNELS'] = 'js';
    expect(createHeap(1 << 20).kernels).toBeInstanceOf(JsKernels);
  } finally {
    if (before === undefined) delete process.env['SLUICE_KERNELS'];
    else process.env['SLUICE_KERNELS'] = before;
  }
});

test('a size that no heap can have is a TypeError', () => {
  for (const bytes of [0, KERNEL_RESERVED_BYTES - 1, 1.5e6 + 0.5, HEAP_BYTES_MAX + 1, Number.NaN]) {
    expect(() => createHeap(bytes)).toThrow(TypeError);
  }
});
