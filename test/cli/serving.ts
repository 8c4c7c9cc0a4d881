/** `sluice serve` as a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { PROGRAM } from './run.ts';

export interface Serving {
  readonly process: ChildProcess;
  readonly url: string;
  /** What it has said. */
  readonly log: () => string;
}

/** Started, and listening; killed when the test ends. REQUIRES: the program is built. */
export async function serving(config: string): Promise<Serving> {
  const started = spawn(process.execPath, [PROGRAM, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void started.kill('SIGKILL'));
  let log = '';
  started.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  for await (const line of createInterface(started.stdout)) {
    const url = / serves at (\S+)$/.exec(line)?.[1];
    if (url !== undefined) return { process: started, url, log: () => log };
  }
  throw new Error(`it did not start:\n${log}`);
}
