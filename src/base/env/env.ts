/** Time, randomness and the file system: the three things that a test must be able to replay. */

import type { WatchDirectory } from './directory-watcher.ts';
import type { FileSystem } from './file-system.ts';

export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Monotonic milliseconds, for durations. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with ABORTED when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Resolves in a later turn of the event loop, after what is waiting in this one. */
  turn(): Promise<void>;
  /** Calls `task` once after `ms` without keeping the process alive; returns a canceller. */
  after(ms: number, task: () => void): () => void;
}

export interface Random {
  /** In [0, 1). */
  float(): number;
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string;
}

export interface Env {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  /** Absent: nothing tells of changes, and polling alone finds them. */
  readonly watch?: WatchDirectory;
}
