/**
 * Filters of tables in the conflict window, held beyond the closing of the tables: a commit that has read keys within
 * the ranges of many tables need not open them again to learn that they do not have those keys.
 *
 * Up to a bound; what is beyond it is asked of the table as long as that is open.
 */

import type { Probe } from '../mvcc/probe.ts';
import type { Filter } from '../sst/filter.ts';
import type { TableWrites } from './table-writes.ts';

const FILTER_BYTES_MAX = 32 << 20;

export class WindowFilters {
  readonly #bytesMax: number;
  readonly #held = new Map<TableWrites, Filter>();
  #bytes = 0;

  constructor(bytesMax = FILTER_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Holds the filter of a table of the window, if the table is open and there is room. */
  hold(writes: TableWrites): void {
    const filter = writes.table.state?.filter;
    if (filter === undefined || this.#held.has(writes)) return;
    if (this.#bytes + filter.bytes > this.#bytesMax) return;
    this.#held.set(writes, filter);
    this.#bytes += filter.bytes;
  }

  /** The table has left the window. */
  forget(writes: TableWrites): void {
    const filter = this.#held.get(writes);
    if (filter === undefined) return;
    this.#held.delete(writes);
    this.#bytes -= filter.bytes;
  }

  /** False when the filter says that the probe's key is not in the table. True when that is not known. */
  mayContain(writes: TableWrites, probe: Probe): boolean {
    const filter = this.#held.get(writes) ?? writes.table.state?.filter;
    if (filter === undefined) return true;
    return writes.table.mayContain(filter, probe);
  }
}
