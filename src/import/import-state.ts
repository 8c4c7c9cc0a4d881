/** The manifest's row of one import, and the directories that it names. */

import type { FileSystem } from '../base/env/file-system.ts';
import { databasePaths } from '../manifest/directory.ts';
import type { ImportLaneRow, ImportRow, ImportState } from '../manifest/rows.ts';
import type { Engine } from '../txn/engine.ts';
import type { ImportClaim } from '../txn/proposer.ts';
import type { ImportLedger } from './import-ledger.ts';
import type { ImportSpec } from './import-spec.ts';
import type { SourceSpec } from './source/source-spec.ts';

/** What the row's spec has as JSON. */
export interface KeptSpec {
  readonly spec: ImportSpec;
  /** Of its directory in DIR/imports. */
  readonly name: string;
  /** Once they are known. */
  readonly sources: readonly SourceSpec[];
  /** Where each lane's sources end. */
  readonly laneEnds: readonly number[];
}

export function keptSpec({ spec }: ImportRow): KeptSpec {
  return JSON.parse(spec, revive) as KeptSpec;
}

/** Of `JSON.stringify`. */
export function specOfJson(json: string): ImportSpec {
  return JSON.parse(json, revive) as ImportSpec;
}

function revive(_: string, value: unknown): unknown {
  const shape = value as { type?: unknown; data?: unknown } | null;
  return shape?.type === 'Buffer' && Array.isArray(shape.data) ? Buffer.from(shape.data) : value;
}

export class ImportRecord {
  row: ImportRow;
  kept: KeptSpec;
  /** Of state 'failed'. */
  failure: unknown;
  readonly #engine: Engine;
  readonly #ledger: ImportLedger | undefined;

  constructor(engine: Engine, row: ImportRow, ledger?: ImportLedger) {
    this.#engine = engine;
    this.#ledger = ledger;
    this.row = row;
    this.kept = keptSpec(row);
  }

  /** Of a new import: durable when it returns. */
  putSync(): void {
    this.#engine.apply([{ kind: 'putImport', row: this.row }]);
  }

  /**
   * Known here at once, durable when it resolves: each edit has the row as it is at its turn, so that none brings an older one
   * back. What the row names is durable before this is called (L2).
   */
  async put(change: Partial<Omit<ImportRow, 'spec' | 'id'>>, kept: KeptSpec = this.kept): Promise<void> {
    const spec = kept === this.kept ? this.row.spec : JSON.stringify(kept);
    this.row = { ...this.row, ...change, spec };
    this.kept = kept;
    await this.#engine.edits.submit(() => ({
      edits: [{ kind: 'putImport', row: this.row }],
      installed: () => undefined,
    }));
    this.#ledger?.changed(this.row, this.failure);
  }

  get claim(): ImportClaim | undefined {
    return this.#ledger?.claimOf(this.row);
  }

  get #home(): string {
    return `${importsDir(this.#engine)}/${this.kept.name}`;
  }

  get runsDir(): string {
    const { tempDir } = this.kept.spec;
    return tempDir === undefined ? `${this.#home}/runs` : `${tempDir}/sluice-import-${this.kept.name}`;
  }

  /** Where tables are made that the commit takes: in the database's file system. */
  get tablesDir(): string {
    return `${this.#home}/tables`;
  }

  makeDirectories(): void {
    const { fs } = this.#engine.env;
    for (const dir of [this.runsDir, this.tablesDir]) if (!fs.existsSync(dir)) fs.mkdirSync(dir);
    fs.syncDirectorySync(this.#home);
  }

  /** Files of gigabytes take a while to be removed. */
  async removeDirectories(): Promise<void> {
    const { fs } = this.#engine.env;
    for (const dir of [this.runsDir, this.tablesDir, this.#home]) {
      for (const path of filesIn(fs, dir)) await fs.unlink(path);
      removeDirectory(fs, dir);
    }
  }

  removeDirectoriesSync(): void {
    const { fs } = this.#engine.env;
    for (const dir of [this.runsDir, this.tablesDir, this.#home]) removeDirectory(fs, dir);
  }
}

export function newImportRow(engine: Engine, id: string, spec: ImportSpec): ImportRow {
  const kept: KeptSpec = { spec, name: engine.env.random.hex(8), sources: [], laneEnds: [] };
  return {
    id,
    state: 'start',
    startedMs: engine.env.clock.nowMs(),
    spec: JSON.stringify(kept),
    lanes: [],
    runs: [],
    rowsDuplicate: 0,
    bytesWritten: 0,
    error: undefined,
    result: undefined,
  };
}

export function newLane(source: number): ImportLaneRow {
  return {
    source,
    row: 0,
    offset: 0,
    state: undefined,
    document: undefined,
    rowsRead: 0,
    rowsBad: 0,
    rejectBytes: 0,
    runs: 0,
    ended: false,
  };
}

/** Of a row of which nothing can be gone on with. */
export const NOTHING_KEPT = { runs: [], lanes: [], rowsDuplicate: 0, bytesWritten: 0 };

/** Nothing of it is left to be done. */
export function isOver(state: ImportState): boolean {
  return state === 'imported' || state === 'cancelled';
}

function importsDir(engine: Engine): string {
  return databasePaths(`${engine.settings.tablesDir}/..`).imports;
}

/** With the files in it. */
function removeDirectory(fs: FileSystem, dir: string): void {
  for (const path of filesIn(fs, dir)) fs.unlinkSync(path);
  if (!fs.existsSync(dir)) return;
  for (const name of fs.readdirSync(dir)) removeDirectory(fs, `${dir}/${name}`);
  fs.rmdirSync(dir);
}

function filesIn(fs: FileSystem, dir: string): string[] {
  if (!fs.existsSync(dir)) return [];
  return fs
    .readdirSync(dir)
    .map((name) => `${dir}/${name}`)
    .filter((path) => fs.statSync(path).isFile);
}

/** L2: removes the directories that no import needs, of which a crash may have left some. */
export function sweepImports(engine: Engine): void {
  const { fs } = engine.env;
  const dir = importsDir(engine);
  if (!fs.existsSync(dir)) return;
  const needed = new Set<string>();
  for (const row of engine.manifest.state.imports.values()) {
    const record = new ImportRecord(engine, row);
    if (isOver(row.state)) record.removeDirectoriesSync();
    else needed.add(record.kept.name);
  }
  for (const name of fs.readdirSync(dir)) if (!needed.has(name)) removeDirectory(fs, `${dir}/${name}`);
}
