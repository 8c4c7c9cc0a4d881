/** The TypeScript side of `entries.h`: sorted entries in one flat file. */

import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';

export interface Entry {
  readonly key: Uint8Array;
  /** undefined: a delete. */
  readonly value: Uint8Array | undefined;
}

const HEADER_BYTES = 9;

export function readEntries(path: string): Entry[] {
  const bytes = readFileSync(path);
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; ) {
    const keyAt = at + HEADER_BYTES;
    const valueAt = keyAt + bytes.readUInt32LE(at + 1);
    const end = valueAt + bytes.readUInt32LE(at + 5);
    if (end > bytes.length) throw new Error(`${path} is cut short`);
    entries.push({
      key: bytes.subarray(keyAt, valueAt),
      value: bytes[at] === 1 ? bytes.subarray(valueAt, end) : undefined,
    });
    at = end;
  }
  return entries;
}

export function writeEntries(path: string, entries: Iterable<Entry>): void {
  const parts: Uint8Array[] = [];
  for (const { key, value } of entries) {
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = value === undefined ? 0 : 1;
    header.writeUInt32LE(key.length, 1);
    header.writeUInt32LE(value?.length ?? 0, 5);
    parts.push(header, key);
    if (value !== undefined) parts.push(value);
  }
  writeFileSync(path, Buffer.concat(parts));
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** One line an entry, to compare whole tables with a readable difference. */
export function linesOf(entries: Iterable<Entry>): string[] {
  return Array.from(entries, ({ key, value }) => `${hexOf(key)} ${value === undefined ? '-' : hexOf(value)}`);
}

/** Throws where they differ, with all lines of both. Thousands of equal ones are told by their bytes. */
export function expectEntries(got: readonly Entry[], wanted: readonly Entry[]): void {
  if (got.length === wanted.length && got.every((entry, i) => isSame(entry, wanted[i]))) return;
  expect(linesOf(got)).toEqual(linesOf(wanted));
  throw new Error('entries that differ have the same lines');
}

function isSame(a: Entry, b: Entry | undefined): boolean {
  if (b === undefined || compareBytes(a.key, b.key) !== 0) return false;
  if (a.value === undefined || b.value === undefined) return a.value === b.value;
  return compareBytes(a.value, b.value) === 0;
}
