/** A process that fetches a file, to be killed while it does. */

import { mkdirSync } from 'node:fs';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { FileStore } from '../../src/cluster/files/file-store.ts';
import { Pulls } from '../../src/cluster/files/pulls.ts';
import { Transfers } from '../../src/cluster/files/transfers.ts';
import { answer } from '../base/child-answers.ts';

answer({
  pull: async (dir: string, digest: string, bytes: number, source: string) => {
    mkdirSync(dir, { recursive: true });
    const transfers = new Transfers(nodeEnv, { token: undefined, tls: undefined, stallMs: 60_000 }, 0);
    const pulls = new Pulls(new FileStore(nodeEnv, dir), transfers, 4);
    await pulls.pull({ digest, bytes }, [source], new AbortController().signal);
  },
});
