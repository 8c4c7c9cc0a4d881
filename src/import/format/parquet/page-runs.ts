/**
 * Runs within the pages of a Parquet column: of levels, of a dictionary's indices, of booleans. hyparquet 1.31.5 writes out a
 * run of any length, whatever the page may hold, so all of them are looked at before it does: those of compressed pages when they
 * are decompressed, of which hyparquet tells the lengths and the place only.
 */

/** Of a data page, by its header and its column. */
export interface PageShape {
  readonly values: number;
  /** Of version 2: its levels are not compressed, and have been looked at. */
  readonly nulls: number | undefined;
  /** The highest levels; 0: there are none. */
  readonly repetition: number;
  readonly definition: number;
  readonly encoding: string;
  readonly isBoolean: boolean;
}

const VALUES_MAX = 1 << 24;
const DICTIONARY: readonly string[] = ['PLAIN_DICTIONARY', 'RLE_DICTIONARY'];
const LENGTH_BYTES = 4;

/** @throws Error when runs of the decompressed page claim more values than it has */
export function checkRuns(page: Uint8Array, shape: PageShape): void {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const { values, nulls, encoding, isBoolean } = shape;
  let at = 0;
  const levels = nulls === undefined ? [shape.repetition, shape.definition] : [];
  for (const most of levels) {
    if (most === 0) continue;
    checkRun(view, at + LENGTH_BYTES, 32 - Math.clz32(most), values);
    at += LENGTH_BYTES + view.getUint32(at, true);
  }
  // Of nulls in a page of version 1 the levels know: it has so many values at most.
  const most = values - (nulls ?? 0);
  if (DICTIONARY.includes(encoding) && !isBoolean) {
    if (at < view.byteLength) checkRun(view, at + 1, view.getUint8(at), most);
  } else if (encoding === 'RLE' || DICTIONARY.includes(encoding)) checkRun(view, at + LENGTH_BYTES, 1, most);
}

/** What ends too early hyparquet refuses: it is the end here. */
function checkRun(view: DataView, from: number, bits: number, values: number): void {
  let at = from;
  for (let seen = 0; seen < values && at < view.byteLength; ) {
    let head = 0;
    for (let scale = 1; at < view.byteLength; scale *= 128) {
      const byte = view.getUint8(at++);
      head += (byte & 127) * scale;
      if (byte < 128) break;
    }
    const isPacked = head % 2 === 1;
    const units = Math.floor(head / 2);
    // The last of packed runs may be filled up.
    const most = isPacked ? (bits === 0 ? values + 7 : VALUES_MAX) : values;
    const claimed = isPacked ? units * 8 : units;
    if (claimed > most) throw new Error(`a page of ${values} values has a run of ${claimed}`);
    seen += claimed;
    at += isPacked ? units * bits : (bits + 7) >> 3;
  }
}

export type Decompress = (input: Uint8Array, bytes: number) => Uint8Array;

/**
 * Compressed pages of the column that is about to be read, by where they are and how long. Columns within another have their own
 * buffers each, and pages of several may be at one place of theirs, of the same lengths too: such a page has to be right as any.
 */
export class PageShapes {
  readonly #shapes = new Map<string, (PageShape | undefined)[]>();

  clear(): void {
    this.#shapes.clear();
  }

  /** @param shape undefined: it has no runs */
  add(offset: number, storedBytes: number, rawBytes: number, shape: PageShape | undefined): void {
    const key = keyOf(offset, storedBytes, rawBytes);
    this.#shapes.set(key, [...(this.#shapes.get(key) ?? []), shape]);
  }

  /** Tells also of runs that claim more than their page has. `decompress` throws what it throws. */
  checked(decompress: Decompress): Decompress {
    return (input, rawBytes) => {
      const page = decompress(input, rawBytes);
      const shapes = this.#shapes.get(keyOf(input.byteOffset, input.length, rawBytes));
      if (shapes === undefined) throw new Error('a page is not where its header is');
      for (const shape of shapes) if (shape !== undefined) checkRuns(page, shape);
      return page;
    };
  }
}

function keyOf(offset: number, storedBytes: number, rawBytes: number): string {
  return `${offset} ${storedBytes} ${rawBytes}`;
}
