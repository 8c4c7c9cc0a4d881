/** Sorted records of an arena become tables, one after the other, cut at a size. The arena is in the builder's heap. */

import type { File, FileSystem } from '../../base/env/file-system.ts';
import { tableName } from '../../manifest/directory.ts';
import type { FileId, ImportFileRow } from '../../manifest/rows.ts';
import { TRAILER_BYTES, TYPE_VALUE, trailerVersion } from '../../mvcc/internal-key.ts';
import { NO_VERSION } from '../../mvcc/version.ts';
import type { Heap } from '../../sst/heap.ts';
import * as A from '../../sst/kernels/js-arena.ts';
import { RECORD_HEAD_BYTES } from '../../sst/kernels/js-encode-blocks.ts';
import { TableBuilder, type TableBuilderOptions } from '../../sst/table-builder.ts';
import { recordBytes } from './records.ts';

export interface SortedTablesOptions {
  readonly fs: FileSystem;
  readonly dir: string;
  readonly firstId: number;
  readonly heap: Heap;
  readonly heapAt: number;
  readonly view: DataView;
  readonly builder: Omit<TableBuilderOptions, 'heap' | 'heapAt'>;
  readonly targetFileBytes: number;
  /** Entries keep the versions of their records; else they have none. */
  readonly keepsVersions: boolean;
}

/** What is at the head is done with: one of it was added. */
export function skipGroup(words: Uint32Array): void {
  const [from, end] = [words[A.NEXT] as number, words[A.GROUP_END] as number];
  words[A.LEFT_OUT] = (words[A.LEFT_OUT] as number) + (end - from) / 4 - 1;
  words[A.NEXT] = end;
}

export class SortedTables {
  readonly files: ImportFileRow[] = [];
  bytes = 0;
  readonly #options: SortedTablesOptions;
  readonly #syncs: Promise<void>[] = [];
  #file: File | undefined;
  #builder: TableBuilder | undefined;
  #id = 0;
  /** Records are staged from #from to #at, and may go on to #end. */
  #from = 0;
  #at = 0;
  #end = 0;
  #staged = 0;
  #lastAt = 0;
  #lastLength = 0;

  constructor(options: SortedTablesOptions) {
    this.#options = options;
  }

  /** Adds the records that the state at `stateAt` tells of (js-arena.ts), up to some of one key that it has to ask about. */
  addSorted(stateAt: number): void {
    const { heap, view } = this.#options;
    const words = new Uint32Array(heap.bytes.buffer, heap.bytes.byteOffset + stateAt, A.ARENA_WORDS);
    while ((words[A.NEXT] as number) < (words[A.OFFSETS_END] as number)) {
      this.#builder ??= this.#beginTable();
      words[A.STAGED] = this.#at;
      words[A.STAGE_END] = this.#end;
      words[A.RECORD_MAX] = this.#builder.recordBytesMax;
      words[A.STAGED_ENTRIES] = 0;
      const why = heap.kernels.stageSorted(stateAt);
      this.#at = words[A.STAGED] as number;
      this.#staged += words[A.STAGED_ENTRIES] as number;
      if (words[A.STAGED_ENTRIES] !== 0) {
        this.#lastAt = words[A.LAST_STAGED] as number;
        this.#lastLength = words[A.LAST_STAGED_LENGTH] as number;
      }
      const chosen = words[A.CHOSEN] as number;
      if (why === A.ALL_STAGED || why === A.SAME_KEY) return;
      if (why === A.ARENA_STAGE_FULL) {
        this.#makeRoom(recordBytes(view.getUint32(chosen, true), view.getUint32(chosen + 4, true)));
      } else {
        this.add(chosen);
        skipGroup(words);
      }
    }
  }

  /** Adds the record at `at` of the heap. REQUIRES: it comes after all others. */
  add(at: number): void {
    const { heap, view, keepsVersions } = this.#options;
    const keyLength = view.getUint32(at, true);
    const valueLength = view.getUint32(at + 4, true);
    const internal = keyLength + TRAILER_BYTES;
    const length = RECORD_HEAD_BYTES + internal + valueLength;
    if (this.#at + length > this.#end) this.#makeRoom(length);
    const builder = this.#builder;
    const keyAt = at + RECORD_HEAD_BYTES;
    if (builder !== undefined && internal + valueLength > builder.recordBytesMax) {
      const version = keepsVersions ? trailerVersion(heap.bytes, keyAt + keyLength) : NO_VERSION;
      const { bytes } = heap;
      builder.add(bytes, keyAt, keyLength, version, TYPE_VALUE, bytes, keyAt + internal, valueLength);
      this.#begin(builder);
      return;
    }
    const to = this.#at;
    heap.bytes.copyWithin(to, at, at + length);
    view.setUint32(to, internal, true);
    if (!keepsVersions) {
      const trailer = to + RECORD_HEAD_BYTES + keyLength;
      view.setUint32(trailer, TYPE_VALUE, true);
      view.setUint32(trailer + 4, 0, true);
    }
    this.#lastAt = to + RECORD_HEAD_BYTES;
    this.#lastLength = internal;
    this.#at = to + length;
    this.#staged++;
  }

  /** Ends the last table. Its bytes, and those of all others, are on disk once the promise resolves. */
  finish(): Promise<unknown> {
    this.#endTable();
    return Promise.all(this.#syncs);
  }

  /** After a failure. The files are the caller's to remove. */
  abandon(): void {
    this.#builder?.abandon();
    this.#builder = undefined;
    this.#file?.closeSync();
    this.#file = undefined;
  }

  #makeRoom(length: number): void {
    this.#flush();
    const { targetFileBytes } = this.#options;
    if (this.#builder !== undefined && this.#builder.bytes >= targetFileBytes) this.#endTable();
    this.#builder ??= this.#open();
    if (this.#at + length > this.#builder.stageEnd) this.#builder.encodeStaged();
    this.#begin(this.#builder);
    // One record fits, however little the table is to grow: if not its room, it has the builder's.
    this.#end = Math.max(this.#end, Math.min(this.#builder.stageEnd, this.#at + length));
  }

  #beginTable(): TableBuilder {
    const builder = this.#open();
    this.#begin(builder);
    return builder;
  }

  #begin(builder: TableBuilder): void {
    this.#from = builder.stagedAt;
    this.#at = this.#from;
    // A table is not to grow much beyond its size by what is staged at a time.
    const toGo = Math.max(4096, this.#options.targetFileBytes - builder.bytes);
    this.#end = Math.min(builder.stageEnd, this.#from + toGo);
    this.#staged = 0;
  }

  #flush(): void {
    if (this.#builder === undefined || this.#staged === 0) return;
    this.#builder.addStaged(this.#at, this.#staged, this.#lastAt, this.#lastLength);
    this.#builder.encodeStaged();
    this.#begin(this.#builder);
  }

  #open(): TableBuilder {
    const { fs, dir, firstId, builder, heap, heapAt } = this.#options;
    this.#id = firstId + this.files.length;
    this.#file = fs.openSync(`${dir}/${tableName(this.#id as FileId)}`, 'create');
    return new TableBuilder(this.#file, { ...builder, heap, heapAt });
  }

  #endTable(): void {
    this.#flush();
    const file = this.#file;
    if (this.#builder === undefined || file === undefined) return;
    const { bytes, entries, smallest, largest } = this.#builder.finish();
    this.#builder = undefined;
    this.#file = undefined;
    this.#from = this.#at = this.#end = 0;
    this.files.push({ id: this.#id as FileId, bytes, entries, smallest, largest });
    this.bytes += bytes;
    const synced = file.datasync().finally(() => file.closeSync());
    // Whoever waits for all of them is told.
    synced.catch(() => undefined);
    this.#syncs.push(synced);
  }
}
