/** What a node keeps of files while it lets go of old ones: never is one removed that a record, a peer or the log counts on. */

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import type { FileFacts, PeerService } from '../../src/cluster/files/file-exchange.ts';
import { MemoryExchangeHub } from '../../src/cluster/files/memory-exchange.ts';
import { MemoryLog, MemoryLogHub } from '../../src/cluster/log/memory-log.ts';
import { SharedFiles } from '../../src/cluster/shared-files.ts';
import { memoryDirectory } from '../base/database.ts';

/** Tells when it is asked to forget or to announce, and does it when it is let. */
class GatedLog extends MemoryLog {
  readonly #letGo: (() => void)[] = [];
  gates: 'forgetFile' | 'announceFile' | undefined;
  asked: () => void = () => undefined;

  override async forgetFile(digest: string, node: string): Promise<void> {
    await super.forgetFile(digest, node);
    if (this.gates === 'forgetFile') await this.#gate();
  }

  override async announceFile(digest: string, node: string): Promise<void> {
    if (this.gates === 'announceFile') await this.#gate();
    await super.announceFile(digest, node);
  }

  let(): void {
    this.gates = undefined;
    for (const go of this.#letGo.splice(0)) go();
  }

  #gate(): Promise<void> {
    this.asked();
    return new Promise((resolve) => this.#letGo.push(resolve));
  }

  /** Resolves when the log is asked for it. */
  gate(what: 'forgetFile' | 'announceFile'): Promise<void> {
    this.gates = what;
    return new Promise((resolve) => {
      this.asked = resolve;
    });
  }
}

const NO_SERVICE: PeerService = { stage: async () => undefined, checkpoint: async () => undefined };
const { signal } = new AbortController();

async function nodeWithFile(): Promise<{
  log: GatedLog;
  files: SharedFiles;
  file: FileFacts;
  holds: () => Promise<unknown>;
}> {
  const [root, hub, exchanges] = [
    memoryDirectory(),
    new MemoryLogHub(nodeEnv),
    new MemoryExchangeHub(nodeEnv),
  ];
  const log = new GatedLog(hub, 'a');
  const exchange = await exchanges.opener('a')(join(root, 'a'), NO_SERVICE);
  const files = new SharedFiles({
    env: nodeEnv,
    node: 'a',
    majority: 2,
    log,
    exchange,
    signal,
    onWaiting: () => undefined,
  });
  const bytes = Buffer.from('the file');
  writeFileSync(join(root, 'in'), bytes);
  const file = { digest: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
  await exchange.hold(join(root, 'in'), file);
  const holds = async () => ({ here: exchange.has(file.digest), told: await log.holders(file.digest) });
  return { log, files, file, holds };
}

test('a file stays that a record to be applied names, though it was being let go of', async () => {
  const { log, files, file, holds } = await nodeWithFile();
  files.adopt(0);
  const asked = log.gate('forgetFile');
  const forgetting = files.forgetThrough(5);
  await asked;
  await files.bring({ files: [file] }, 9);
  log.let();
  await forgetting;
  expect(await holds()).toEqual({ here: true, told: ['a'] });
  await files.forgetThrough(9);
  expect(await holds()).toEqual({ here: false, told: [] });
});

test('a file stays that a peer has asked for, until that is announced', async () => {
  const { log, files, file, holds } = await nodeWithFile();
  const asked = log.gate('announceFile');
  const staging = files.stage(file, [], signal);
  await asked;
  await files.forgetThrough(5);
  log.let();
  await staging;
  expect(await holds()).toEqual({ here: true, told: ['a'] });
  await files.forgetThrough(5);
  expect(await holds()).toEqual({ here: false, told: [] });
});
