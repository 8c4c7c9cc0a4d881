/**
 * Staging: everything about an external file whose cost grows with its bytes (L8). The file is linked or copied under
 * a new id into tables/, checked on the adopted bytes, and made durable with its name (L2), all before any version is
 * taken. What is staged is named by nothing durable: it is garbage until a commit names it, and the sweep at open
 * removes it after a crash. The input itself is not touched here, whatever the mode (L9).
 */

import { createHash } from 'node:crypto';
import { at as elementAt } from '../base/assert.ts';
import type { Env } from '../base/env/env.ts';
import type { FileSystem } from '../base/env/file-system.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../base/errors.ts';
import type { FileId } from '../manifest/rows.ts';
import type { PrefixRewrite } from '../mvcc/prefix-rewrite.ts';
import { joinSpans, type KeySpan } from '../mvcc/range-tombstones.ts';
import { type CheckDepth, type CheckThreads, checkTable } from '../sst/check-table.ts';
import type { Table } from '../sst/table.ts';
import type { TableState } from '../sst/table-state.ts';
import { zstdReady } from '../sst/zstd.ts';
import { adoptFile, type IngestMode } from './adopt-file.ts';
import { FileSyncs } from './file-syncs.ts';

/**
 * blocks: every entry is looked at. checksums: every block is read and summed, but a writer's mistakes (keys out of order, a
 * filter that denies keys, a version in the middle) are not seen. footer: indexes, properties and both ends. none: what opening needs.
 */
export type IngestVerify = CheckDepth;

export interface StageProgress {
  readonly file: string;
  /** Of all files of the call. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface StageOptions {
  readonly keyspace: string;
  readonly mode: IngestMode;
  readonly verify: IngestVerify;
  /** Lower-case hex, one for each file, to be checked; true: to be made. */
  readonly sha256: readonly string[] | true | undefined;
  /** Keys of all files are read so. */
  readonly prefix: PrefixRewrite | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: StageProgress) => void) | undefined;
}

export interface StagedFile {
  /** As the caller gave it. */
  readonly source: string;
  readonly mode: IngestMode;
  readonly keyspace: string;
  readonly id: FileId;
  readonly path: string;
  readonly table: Table;
  readonly bytes: number;
  readonly entries: number;
  readonly deletes: number;
  /** User keys, both inclusive. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
  /** What its range deletions delete, but for its own entries. */
  readonly deletedSpans: readonly KeySpan[];
  readonly sha256: string | undefined;
  /** As the table's: keys here are as they are read. */
  readonly prefix: PrefixRewrite | undefined;
}

export interface StagingOptions {
  readonly env: Env;
  /** DIR/tables */
  readonly dir: string;
  newFileId(): FileId;
  tablePath(id: FileId): string;
  openTable(path: string, prefix: PrefixRewrite | undefined): Table;
  /** All bytes of a file are at the table's path, and are checked next. */
  readonly onAdopted: (table: Table) => void;
  /** For files of some size, so that the event loop stays free; absent where other threads cannot read them. */
  readonly threads: CheckThreads | undefined;
}

/** Of one call: while one is synced another is checked. */
const FILES_AT_A_TIME = 8;
/**
 * The same where one of them is large: to sync it takes a thread of Node's pool for as long as the disk takes, and of the four
 * there are, others are for readers whose blocks are not in memory.
 */
const LARGE_FILES_AT_A_TIME = 2;
const LARGE_FILE_BYTES = 16 << 20;
/** Up to here a file is opened by one read of its end, which takes less than to hand it over to another thread and to be woken again. */
const SMALL_FILE_BYTES = 2 << 20;
/** Of all files of a call: less is checked before a thread has started. */
const THREADS_BYTES_MIN = 8 << 20;

/** Of all files of a call: so much is checked in a moment, for which no core is left to the event loop. */
const BRIEF_BYTES_MAX = 256 << 20;

const DIGEST_CHUNK_BYTES = 1 << 20;

export class Staging {
  readonly #options: StagingOptions;

  constructor(options: StagingOptions) {
    this.#options = options;
  }

  /** All files or none: on any failure what was adopted is removed, and the inputs are as they were. */
  async stage(sources: readonly string[], options: StageOptions): Promise<StagedFile[]> {
    const bytes = sources.map((source) => this.#inputBytes(source));
    const progress = new Progress(sources, bytes, options.onProgress);
    const threads = this.#threadsFor(progress.bytesTotal);
    const ids = sources.map(() => this.#options.newFileId());
    const staged = new Array<StagedFile | undefined>(sources.length).fill(undefined);
    const failures = new Map<number, unknown>();
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    let next = 0;
    let toAdopt = sources.length;
    let names: Promise<void> | undefined;
    const syncs = new FileSyncs();
    const onAdopted = (): void => {
      // L2: on disk before anything durable names the files. Beside their bytes: names of files that nothing names are garbage.
      if (--toAdopt > 0) return;
      names = this.#options.env.fs.syncDirectory(this.#options.dir);
      // What is wrong with it is told at the end.
      names.catch(() => undefined);
    };
    const work = async (): Promise<void> => {
      while (next < sources.length && failures.size === 0) {
        const index = next++;
        const input: Input = {
          source: elementAt(sources, index),
          bytes: elementAt(bytes, index),
          id: elementAt(ids, index),
          index,
        };
        try {
          throwIfAborted(signal);
          const report = (done: number): void => progress.report(index, done);
          staged[index] = await this.#stageOne(
            input,
            { ...options, signal },
            threads,
            syncs,
            onAdopted,
            report,
          );
        } catch (error) {
          // What was stopped for the sake of another is not what went wrong.
          if (failures.size === 0 || !isSluiceError(error, 'ABORTED')) failures.set(index, error);
          stop.abort();
        }
      }
    };
    const isLarge = bytes.some((each) => each > LARGE_FILE_BYTES);
    const atATime = isLarge ? LARGE_FILES_AT_A_TIME : FILES_AT_A_TIME;
    await Promise.all(Array.from({ length: Math.min(atATime, sources.length) }, work));
    const files = staged.filter((file) => file !== undefined);
    const [named, synced] = await Promise.allSettled([names, syncs.done()]);
    try {
      // What is wrong with the first of them is told, whichever was found first.
      for (const index of [...failures.keys()].sort((a, b) => a - b)) throw failures.get(index);
      if (named.status === 'rejected') throw named.reason;
      if (synced.status === 'rejected')
        throw files.reduce((error, { path, source }) => ofSource(error, path, source), synced.reason);
      return files;
    } catch (error) {
      this.discard(files);
      throw error;
    }
  }

  #threadsFor(bytes: number): CheckThreads | undefined {
    const { threads } = this.#options;
    if (bytes < THREADS_BYTES_MIN) return undefined;
    return bytes <= BRIEF_BYTES_MAX ? threads?.inBrief : threads;
  }

  /** Removes staged files that no commit will name. */
  discard(files: readonly StagedFile[]): void {
    for (const file of files) {
      file.table.dispose();
      removeGarbage(this.#options.env.fs, file.path);
    }
  }

  /** Opens and checks files where they are, for `explainIngest`. The tables are the caller's to close. */
  async inspect(
    sources: readonly string[],
    { prefix, signal }: Pick<StageOptions, 'prefix' | 'signal'>,
  ): Promise<Table[]> {
    const tables: Table[] = [];
    try {
      for (const source of sources) {
        this.#inputBytes(source);
        const table = this.#options.openTable(source, prefix);
        tables.push(table);
        await checkTable(table, { verify: 'footer', external: true, signal });
      }
      return tables;
    } catch (error) {
      for (const table of tables) table.dispose();
      throw error;
    }
  }

  /** Size of the input; the errors a user can make with a path, by name. */
  #inputBytes(source: string): number {
    const stat = this.#options.env.fs.statSync(source);
    if (stat.isDirectory)
      throw new SluiceError('UNSUPPORTED_FORMAT', `${source} is a directory, not an SST file`);
    if (!stat.isFile) throw new SluiceError('UNSUPPORTED_FORMAT', `${source} is not a regular file`);
    if (stat.bytes === 0) throw new SluiceError('CORRUPTION', `${source} is empty: not an SST file`);
    return stat.bytes;
  }

  async #stageOne(
    { source, id, index, bytes: inputBytes }: Input,
    options: StageOptions,
    threads: CheckThreads | undefined,
    syncs: FileSyncs,
    onAdopted: () => void,
    report: (bytes: number) => void,
  ): Promise<StagedFile> {
    const path = this.#options.tablePath(id);
    const table = this.#options.openTable(path, options.prefix);
    try {
      // By other threads only where the file is no small one: it would be copied before one of them has woken.
      await adoptFile(
        this.#options.env.fs,
        source,
        path,
        options,
        inputBytes > SMALL_FILE_BYTES ? threads : undefined,
      );
      onAdopted();
      this.#options.onAdopted(table);
      const sha256 = await this.#digest(source, path, index, options, threads);
      const { verify, signal } = options;
      const check = { verify, external: true, threads, signal, onProgress: report };
      const isSmall = inputBytes <= SMALL_FILE_BYTES;
      if (isSmall) syncs.add(await openSmall(table));
      const facts = await (isSmall
        ? checkTable(table, check)
        : whileSynced(await table.open(), () => checkTable(table, check)));
      const { smallest, largest } = facts;
      if (smallest === undefined || largest === undefined) {
        throw new SluiceError('UNSUPPORTED_FORMAT', `${source} holds no entries: there is nothing to ingest`);
      }
      const { entries, deletes, bytes } = facts;
      const { mode, keyspace, prefix } = options;
      return {
        source,
        mode,
        keyspace,
        id,
        path,
        table,
        bytes,
        entries,
        deletes,
        smallest,
        largest,
        deletedSpans: joinSpans(facts.rangeTombstones),
        sha256,
        prefix,
      };
    } catch (error) {
      table.dispose();
      removeGarbage(this.#options.env.fs, path);
      throw ofSource(error, path, source);
    }
  }

  async #digest(
    source: string,
    path: string,
    index: number,
    { sha256, signal }: StageOptions,
    threads: CheckThreads | undefined,
  ): Promise<string | undefined> {
    if (sha256 === undefined) return undefined;
    const expected = sha256 === true ? undefined : sha256[index];
    const actual = await sha256Of(path, this.#options.env, threads, signal);
    if (expected !== undefined && actual !== expected) {
      const message = `${source} has the SHA-256 digest ${actual}, not ${expected} as given; get the file again`;
      throw new SluiceError('CHECKSUM_MISMATCH', message);
    }
    return actual;
  }
}

/**
 * L2: the file's bytes are on disk when this resolves; also a linked file's may still be in its producer's page cache only. The
 * disk and `check`, whose error is the one to tell, work beside each other.
 */
async function whileSynced<T>(state: TableState, check: () => Promise<T>): Promise<T> {
  state.retain();
  try {
    const [checked, synced] = await Promise.allSettled([check(), state.file.datasync()]);
    if (checked.status === 'rejected') throw checked.reason;
    if (synced.status === 'rejected') throw synced.reason;
    return checked.value;
  } finally {
    state.release();
  }
}

interface Input {
  readonly source: string;
  readonly bytes: number;
  readonly id: FileId;
  readonly index: number;
}

/** Of all files of a call, whichever of them are under way. */
class Progress {
  readonly bytesTotal: number;
  readonly #sources: readonly string[];
  readonly #done: number[];
  #bytesDone = 0;
  readonly #tell: StageOptions['onProgress'];

  constructor(sources: readonly string[], bytes: readonly number[], tell: StageOptions['onProgress']) {
    this.#sources = sources;
    this.#done = bytes.map(() => 0);
    this.#tell = tell;
    this.bytesTotal = bytes.reduce((sum, each) => sum + each, 0);
  }

  report(index: number, bytes: number): void {
    this.#bytesDone += bytes - elementAt(this.#done, index);
    this.#done[index] = bytes;
    const file = elementAt(this.#sources, index);
    this.#tell?.({ file, bytesDone: this.#bytesDone, bytesTotal: this.bytesTotal });
  }
}

/** L2: what cannot be removed the sweep at open removes; the error to tell is the one that came before. */
export function removeGarbage(fs: FileSystem, path: string): void {
  try {
    fs.unlinkSync(path);
  } catch (error) {
    if (!isSluiceError(error)) throw error;
  }
}

/** Read at once: that takes less time than another thread to wake. Only ZSTD's library may have to be waited for. */
async function openSmall(table: Table): Promise<TableState> {
  try {
    return table.openSync();
  } catch (error) {
    if (zstdReady() || !isSluiceError(error, 'UNSUPPORTED_FORMAT')) throw error;
    return table.open();
  }
}

/** The adopted file is gone when the error is read: it names the one that the user knows. */
function ofSource(error: unknown, path: string, source: string): unknown {
  if (!isSluiceError(error) || !error.message.includes(path)) return error;
  return new SluiceError(error.code, error.message.replaceAll(path, source), { cause: error });
}

/** Of a file, in lower-case hex; without threads read in 1 MiB pieces. */
export async function sha256Of(
  path: string,
  { fs }: Env,
  threads: CheckThreads | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (threads !== undefined) return threads.digest(path, signal);
  const file = await fs.open(path, 'read');
  try {
    const hash = createHash('sha256');
    const chunk = new Uint8Array(DIGEST_CHUNK_BYTES);
    for (let position = 0; ; ) {
      throwIfAborted(signal);
      const n = await file.read(chunk, 0, chunk.length, position);
      if (n === 0) return hash.digest('hex');
      hash.update(n === chunk.length ? chunk : chunk.subarray(0, n));
      position += n;
    }
  } finally {
    file.closeSync();
  }
}
