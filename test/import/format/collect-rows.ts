/** A reader's rows, in memory: with where each begins, so that reading can go on there. */

import { nodeEnv } from '../../../src/base/env/node-env.ts';
import type { RowPosition, RowReader, RowSink } from '../../../src/import/format/row-reader.ts';
import type { Source } from '../../../src/import/source/source.ts';

export interface Read {
  /** Keys and values as latin1 text. */
  readonly rows: (readonly [key: string, value: string])[];
  readonly bad: { readonly reason: string; readonly raw: Buffer }[];
  /** Of all rows, the bad ones included, in their order. */
  readonly positions: RowPosition[];
  readonly end: RowPosition;
  readonly error: unknown;
}

/** Bytes as a source, in chunks of a length; each chunk is overwritten when the next is asked for, as the contract allows. */
export function bytesSource(bytes: Uint8Array, chunkBytes: number, path?: string): Source {
  return {
    name: path ?? 'rows',
    file: path === undefined ? undefined : { fs: nodeEnv.fs, path },
    document: undefined,
    storedBytes: bytes.length,
    takenBytes: 0,
    async *read(fromOffset) {
      for (let at = fromOffset; at < bytes.length; at += chunkBytes) {
        const chunk = Uint8Array.from(bytes.subarray(at, at + chunkBytes));
        yield chunk;
        chunk.fill(0xdd);
      }
    },
  };
}

export async function collectRows(
  reader: RowReader,
  source: Source,
  from?: RowPosition,
  signal: AbortSignal = new AbortController().signal,
): Promise<Read> {
  const read: Omit<Read, 'end' | 'error'> = { rows: [], bad: [], positions: [] };
  const text = (bytes: Uint8Array, start: number, end: number) =>
    Buffer.from(bytes.subarray(start, end)).toString('latin1');
  const sink: RowSink = {
    row(key, keyFrom, keyTo, value, valueFrom, valueTo) {
      read.positions.push(reader.position());
      read.rows.push([text(key, keyFrom, keyTo), text(value, valueFrom, valueTo)]);
    },
    bad(reason, raw) {
      read.positions.push(reader.position());
      read.bad.push({ reason, raw: Buffer.from(raw) });
    },
  };
  let error: unknown;
  try {
    await reader.read(source, sink, from, signal);
  } catch (thrown) {
    error = thrown;
  }
  return { ...read, end: reader.position(), error };
}
