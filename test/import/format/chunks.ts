/** Sources of bytes at hand, cut into chunks as a test wants them, and what a reader hands out of them. */

import type { RowPosition, RowReader } from '../../../src/import/format/row-reader.ts';
import type { Source } from '../../../src/import/source/source.ts';

export type Row =
  | { readonly key: Buffer; readonly value: Buffer; readonly position: RowPosition }
  | { readonly bad: string; readonly raw: Buffer; readonly position: RowPosition };

/** Chunks end at the offsets given. Each is overwritten when the next is asked for: a reader may not keep it. */
export function chunkedSource(bytes: Uint8Array, cuts: readonly number[], name = 'memory'): Source {
  return {
    name,
    file: undefined,
    document: undefined,
    storedBytes: bytes.length,
    takenBytes: 0,
    async *read(fromOffset: number): AsyncIterable<Uint8Array> {
      let at = fromOffset;
      for (const cut of [...cuts, bytes.length]) {
        if (cut <= at) continue;
        const chunk = Uint8Array.prototype.slice.call(bytes, at, cut);
        yield chunk;
        chunk.fill(0xaa);
        at = cut;
      }
    },
  };
}

/** Chunks of one size. */
export function evenSource(bytes: Uint8Array, chunkBytes: number, name?: string): Source {
  const cuts = Array.from({ length: Math.floor(bytes.length / chunkBytes) }, (_, i) => (i + 1) * chunkBytes);
  return chunkedSource(bytes, cuts, name);
}

export async function readRows(reader: RowReader, source: Source, from?: RowPosition): Promise<Row[]> {
  const rows: Row[] = [];
  const sink = {
    row(key: Uint8Array, keyFrom: number, keyTo: number, value: Uint8Array, from: number, to: number): void {
      rows.push({
        key: Buffer.from(key.subarray(keyFrom, keyTo)),
        value: Buffer.from(value.subarray(from, to)),
        position: reader.position(),
      });
    },
    bad(reason: string, raw: Uint8Array): void {
      rows.push({ bad: reason, raw: Buffer.from(raw), position: reader.position() });
    },
  };
  await reader.read(source, sink, from, new AbortController().signal);
  return rows;
}

/** Keys and values as text; bad rows as their reasons. */
export function shown(rows: readonly Row[]): string[] {
  return rows.map((row) => ('bad' in row ? `bad: ${row.bad}` : `${row.key} → ${row.value}`));
}
