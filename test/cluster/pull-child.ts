/** A process that fetches a file, to be killed while it does. */

import { mkdirSync } from 'node:fs';
import { HttpConnections } from '../../src/base/env/http.ts';
import { nodeEnv } from '../../src/base/env/node-env.ts';
import { FileStore } from '../../src/cluster/files/file-store.ts';
import { PULL_LIMITS, Pulls } from '../../src/cluster/files/pulls.ts';
import { PeerClient } from '../../src/cluster/http/peer-client.ts';
import { answer } from '../base/child-answers.ts';

answer({
  pull: async (dir: string, digest: string, bytes: number, source: string) => {
    mkdirSync(dir, { recursive: true });
    const client = new PeerClient({ connections: new HttpConnections(), token: undefined, stallMs: 60_000 });
    const pulls = new Pulls(nodeEnv, new FileStore(nodeEnv, dir), client, PULL_LIMITS);
    await pulls.pull({ digest, bytes }, [source], new AbortController().signal);
  },
});
