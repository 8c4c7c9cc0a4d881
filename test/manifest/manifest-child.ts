import { nodeEnv } from '../../src/base/env/node-env.ts';
import { Manifest } from '../../src/manifest/manifest.ts';
import type { FileId } from '../../src/manifest/rows.ts';
import { answer } from '../base/child-answers.ts';

let manifest: Manifest | undefined;

const ids = (): FileId[] => [...(manifest?.state.tables.keys() ?? [])];

answer({
  open: (dir: string) => {
    manifest = Manifest.open({ env: nodeEnv, dir, readOnly: true });
    return ids();
  },
  /** From root, whom no permission stops, to nobody. */
  demote: () => {
    if (process.getuid?.() === 0) process.setuid?.(65534);
  },
  refresh: () => {
    manifest?.refresh();
    return ids();
  },
  ids,
  commitId: () => manifest?.commitId,
  close: () => manifest?.close(),
});
