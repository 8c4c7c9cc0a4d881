/** A tree over a directory of its own, with commits, ingests and flushes as the layers above make them. */

import { existsSync } from 'node:fs';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { Tree } from '../../src/levels/tree.ts';
import type { FileId, TableRow, TreeId } from '../../src/manifest/rows.ts';
import { ArenaPool } from '../../src/mvcc/arena-pool.ts';
import { PENDING } from '../../src/mvcc/cursor.ts';
import { mergeCursors } from '../../src/mvcc/merge.ts';
import { Probe } from '../../src/mvcc/probe.ts';
import { NO_VERSION, type Version, versionOf } from '../../src/mvcc/version.ts';
import { VisibleCursor } from '../../src/mvcc/visible.ts';
import { BlockCache } from '../../src/sst/block-cache.ts';
import { Table } from '../../src/sst/table.ts';
import { compareEntries, type Entry, show } from '../mvcc/entries.ts';
import { writeTable } from '../sst/written-table.ts';

export class TreeFixture {
  readonly directory: string;
  readonly arenas = new ArenaPool(undefined, Number.POSITIVE_INFINITY);
  readonly cache = new BlockCache(1 << 20);
  readonly tree: Tree;
  /** Everything that was ever committed. */
  readonly entries: Entry[] = [];
  version: Version = NO_VERSION;
  #nextFile = 1;

  constructor(directory: string, memtableBytes: number) {
    this.directory = directory;
    const options = {
      id: 1 as TreeId,
      env: nodeEnv,
      flushedThrough: NO_VERSION,
      memtableBytes,
      arenas: this.arenas,
      builder: { external: false, blockBytes: 100 },
      tablesDir: directory,
      tablePath: (id: FileId) => this.path(id),
      openTable: (path: string) => new Table({ path, fs: nodeEnv.fs, cache: this.cache }),
      removeFile: (path: string) => nodeEnv.fs.unlinkSync(path),
    };
    this.tree = new Tree(options, []);
  }

  path(id: FileId): string {
    return `${this.directory}/${id}.sst`;
  }

  hasFile(id: FileId): boolean {
    return existsSync(this.path(id));
  }

  /** One commit of puts and deletes, each key once. */
  commit(changes: readonly Pick<Entry, 'key' | 'type' | 'value'>[]): void {
    this.version = versionOf(this.version + 1);
    const dataBytes = changes.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
    this.tree.reserve(changes.length, dataBytes);
    for (const { key, type, value } of changes) {
      this.tree.insert(key, 0, key.length, this.version, type, value, 0, value.length);
      this.entries.push({ key, type, value, version: this.version });
    }
  }

  /** One commit of a file with a global version, placed as low as it goes. Each key once. */
  ingest(changes: readonly Pick<Entry, 'key' | 'type' | 'value'>[]): TableRow {
    this.version = versionOf(this.version + 1);
    const id = this.#nextFile++ as FileId;
    const inFile = changes.map((change) => ({ ...change, version: NO_VERSION })).sort(compareEntries);
    const built = writeTable(this.path(id), inFile, { external: true, blockBytes: 100 });
    const { bytes, entries, deletes, smallest, largest } = built;
    const row: TableRow = {
      id,
      tree: this.tree.id,
      level: this.tree.place(smallest, largest).level,
      bytes,
      entries,
      deletes,
      smallest,
      largest,
      minVersion: this.version,
      maxVersion: this.version,
      globalVersion: this.version,
      source: 'ingest',
      ingestId: 'test',
    };
    this.tree.install([
      { row, table: new Table({ path: this.path(id), fs: nodeEnv.fs, cache: this.cache }) },
    ]);
    for (const change of changes) this.entries.push({ ...change, version: this.version });
    return row;
  }

  async flushOldest(): Promise<void> {
    const memtable = this.tree.oldestSealed;
    if (memtable === undefined) return;
    this.tree.installFlush(memtable, await this.tree.flush(memtable, this.#nextFile++ as FileId));
  }

  /** Looked up synchronously, in the form of `show`. */
  getSync(key: Uint8Array, snapshot: Version): string {
    const probe = new Probe();
    probe.reset(key, 0, key.length, snapshot);
    while (this.tree.get(probe) === PENDING) this.tree.loadSync(probe);
    return showProbe(probe);
  }

  async get(key: Uint8Array, snapshot: Version): Promise<string> {
    const probe = new Probe();
    probe.reset(key, 0, key.length, snapshot);
    while (this.tree.get(probe) === PENDING) await this.tree.load(probe);
    return showProbe(probe);
  }

  /** All visible entries of [lower, upper), in the form of `show`. */
  scan(snapshot: Version, reverse: boolean, lower?: Uint8Array, upper?: Uint8Array): string[] {
    const { cursors, release } = this.tree.scan(lower, upper, snapshot);
    const cursor = new VisibleCursor(mergeCursors(cursors), { snapshot }, { gte: lower, lt: upper });
    const seen = collect(cursor, reverse);
    cursor.close();
    release();
    return seen;
  }
}

/** Walks to the end, loading as it goes. */
export function collect(cursor: VisibleCursor, reverse: boolean): string[] {
  const seen: string[] = [];
  let move = (): number => (reverse ? cursor.last() : cursor.first());
  for (;;) {
    while (move() === PENDING) cursor.loadSync();
    if (!cursor.valid) return seen;
    const { keyBytes, keyStart, keyLength, version, valueBytes, valueStart, valueLength } = cursor;
    const key = keyBytes.slice(keyStart, keyStart + keyLength);
    seen.push(show({ key, version, type: 1, value: valueBytes.slice(valueStart, valueStart + valueLength) }));
    move = () => (reverse ? cursor.prev() : cursor.next());
  }
}

function showProbe(probe: Probe): string {
  if (!probe.found) return 'none';
  const { key, version, type, valueBytes, valueStart, valueLength } = probe;
  return show({ key, version, type, value: valueBytes.slice(valueStart, valueStart + valueLength) });
}
