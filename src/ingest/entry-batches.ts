/** Many entries at once, of stored bytes, in the two ways in which callers have them. */

/**
 * Entries one behind the other, as a cursor hands them out: entry i has its key at `bytes[offsets[2i] … offsets[2i + 1])` and
 * its value from there up to `offsets[2i + 2]`.
 */
export interface EntryBatch {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  readonly count: number;
}

/** Byte strings as Apache Arrow lays out a column of them: number i is `bytes[offsets[i] … offsets[i + 1])`. */
export interface BytesColumn {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

/** Entries as two columns: key i and value i are an entry. */
export interface EntryColumns {
  readonly keys: BytesColumn;
  readonly values: BytesColumn;
  readonly count: number;
}

/** Both, as one: key i begins at `keys.offsets[step * i]`, value i at `values.offsets[step * i + shift]`; each ends at the next offset. */
export interface Entries extends EntryColumns {
  readonly step: 1 | 2;
  readonly shift: 0 | 1;
}

/** @throws TypeError for what has not the form of either. */
export function entriesOf(batch: EntryBatch | EntryColumns): Entries {
  if (typeof batch !== 'object' || batch === null) throw new TypeError('batch must be an object');
  const { count } = batch;
  if ('keys' in batch) {
    const { keys, values } = batch;
    checkColumn(keys, 'batch.keys');
    checkColumn(values, 'batch.values');
    checkCount(count, Math.min(keys.offsets.length, values.offsets.length) - 1);
    return { keys, values, count, step: 1, shift: 0 };
  }
  checkColumn(batch, 'batch');
  checkCount(count, (batch.offsets.length - 1) >>> 1);
  return { keys: batch, values: batch, count, step: 2, shift: 1 };
}

function checkColumn(column: BytesColumn, what: string): void {
  if (typeof column !== 'object' || column === null) throw new TypeError(`${what} must be an object`);
  if (!(column.bytes instanceof Uint8Array)) throw new TypeError(`${what}.bytes must be a Uint8Array`);
  if (!(column.offsets instanceof Uint32Array)) throw new TypeError(`${what}.offsets must be a Uint32Array`);
}

function checkCount(count: number, most: number): void {
  if (Number.isInteger(count) && count >= 0 && (count === 0 || count <= most)) return;
  throw new TypeError(
    `batch.count must be the number of entries that batch has offsets of; got ${String(count)}`,
  );
}

/** Borrows the key and the value of an entry. @throws TypeError for offsets out of bounds. */
export function entryAt(
  { keys, values, step, shift }: Entries,
  entry: number,
): { readonly key: Uint8Array; readonly value: Uint8Array } {
  const isOne = step === 2;
  return {
    key: stringAt(keys, step * entry, isOne ? 'batch' : 'batch.keys', entry),
    value: stringAt(values, step * entry + shift, isOne ? 'batch' : 'batch.values', entry),
  };
}

function stringAt({ bytes, offsets }: BytesColumn, place: number, what: string, entry: number): Uint8Array {
  const start = offsets[place] as number;
  const end = offsets[place + 1] as number;
  if (start <= end && end <= bytes.length) return bytes.subarray(start, end);
  throw new TypeError(`${what}.offsets of entry ${entry} must ascend and lie within ${what}.bytes`);
}
