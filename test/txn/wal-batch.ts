/** Batches of text records, and opening a log that collects what it replays. */

import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { LogBatch } from '../../src/txn/wal/log-batch.ts';
import { Wal, type WalOptions } from '../../src/txn/wal/wal.ts';

export const DATABASE = '00112233445566778899aabbccddeeff';

export function fill(batch: LogBatch, ...texts: string[]): LogBatch {
  batch.clear();
  for (const text of texts) {
    const payload = Buffer.from(text);
    const at = batch.begin(payload.length);
    batch.bytes.set(payload, at);
    batch.end(at + payload.length);
  }
  return batch;
}

export function collect(seen: string[]): (bytes: Uint8Array, start: number, end: number) => void {
  return (bytes, start, end) => {
    seen.push(Buffer.from(bytes.subarray(start, end)).toString());
  };
}

export function reopen(dir: string, options: Partial<WalOptions> = {}): { wal: Wal; seen: string[] } {
  const seen: string[] = [];
  const wal = Wal.open({ env: nodeEnv, dir, databaseId: DATABASE, ...options }, collect(seen));
  return { wal, seen };
}
