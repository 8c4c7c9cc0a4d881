/**
 * Where a proposer dies: its process kills itself, as `kill -9` would, at the very point of an ingest's way through the cluster.
 */

import type { FileSystem } from '../../../src/base/env/file-system.ts';
import type { AppendResult, LogAppend, LogEntry, SharedLog } from '../../../src/cluster/log/shared-log.ts';
import { FaultyFileSystem } from '../../base/faulty-file-system.ts';
import { PassedLog } from './passed-log.ts';

export const DEATHS = [
  'while its files are staged',
  'before its files are announced',
  'before others have been asked for its files',
  'before it is appended',
  'while it is appended',
  'between append and apply',
  'while it is applied',
  'before its client is told',
] as const;
export type Death = (typeof DEATHS)[number];

export class Doom {
  #death: Death | undefined;
  /** Calls of the file system that still pass, once they count. */
  #calls = 0;
  #callsCount = false;
  /** Of the entry that is to be the last. */
  #entry: string | undefined;

  /** From now on. `calls`: of the file system that still pass, or turns of the event loop, where the point is among those. */
  expect(death: Death, calls: number): void {
    this.#death = death;
    this.#calls = calls;
    this.#callsCount = death === 'while its files are staged';
  }

  reached(death: Death): void {
    // Does not return.
    if (this.#death === death) process.kill(process.pid, 'SIGKILL');
  }

  call(): void {
    if (this.#callsCount && this.#calls-- <= 0) process.kill(process.pid, 'SIGKILL');
  }

  /** While an append is under way. */
  async passes(): Promise<void> {
    if (this.#death !== 'while it is appended') return;
    for (let turns = this.#calls; turns > 0; turns -= 4) await new Promise(setImmediate);
  }

  appends(id: string): void {
    if (this.#death === 'between append and apply' || this.#death === 'while it is applied') this.#entry = id;
  }

  /** Rather than apply what is to be the last, it waits for its end, which is when its append is answered. */
  async reads(id: string): Promise<void> {
    if (this.#entry !== id) return;
    if (this.#death === 'between append and apply') await new Promise(() => undefined);
    this.#callsCount = true;
  }

  /** So few calls did it take. */
  hasRead(id: string): void {
    if (this.#entry === id) this.reached('while it is applied');
  }
}

export class DyingLog extends PassedLog {
  readonly #doom: Doom;

  constructor(inner: SharedLog, doom: Doom) {
    super(inner);
    this.#doom = doom;
  }

  override async append(batch: LogAppend): Promise<AppendResult> {
    if (batch.stagings.length === 0) return super.append(batch);
    this.#doom.reached('before it is appended');
    this.#doom.appends(batch.id);
    const appending = super.append(batch);
    await this.#doom.passes();
    this.#doom.reached('while it is appended');
    const result = await appending;
    if ('revision' in result) this.#doom.reached('between append and apply');
    return result;
  }

  override async *read(after: number, signal: AbortSignal): AsyncGenerator<LogEntry> {
    for await (const entry of super.read(after, signal)) {
      await this.#doom.reads(entry.id);
      yield entry;
      this.#doom.hasRead(entry.id);
    }
  }

  override async announceFile(digest: string, node: string): Promise<void> {
    this.#doom.reached('before its files are announced');
    await super.announceFile(digest, node);
    this.#doom.reached('before others have been asked for its files');
  }
}

export class DyingFileSystem extends FaultyFileSystem {
  readonly #doom: Doom;

  constructor(inner: FileSystem, doom: Doom) {
    super(inner);
    this.#doom = doom;
  }

  override enter(...call: Parameters<FaultyFileSystem['enter']>): ReturnType<FaultyFileSystem['enter']> {
    this.#doom.call();
    // Nobody asks for them here, and a node may live long.
    this.calls.length = 0;
    return super.enter(...call);
  }
}
