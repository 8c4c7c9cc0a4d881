/** Reads a table one of whose blocks is given, and says what it took. */

import { answer } from '../base/child-answers.ts';
import { Dice } from './dice.ts';
import { type StoredBlock, writeHostile } from './hostile-table.ts';
import { tryTable } from './tables.ts';

export interface Tried {
  readonly code: string;
  /** Of memory, over what the process ever had. */
  readonly grownBytes: number;
  readonly ms: number;
}

const TABLE = {
  entries: Array.from({ length: 50 }, (_, i) => ({
    key: Buffer.from(`key${100 + i}`),
    version: 0,
    type: 1,
    value: Buffer.alloc(100, i),
  })),
  ranges: [],
};

function withBlock(where: string, type: number, bytes: Uint8Array): Uint8Array {
  const stored = (block: StoredBlock): void => {
    if (block.name !== where) return;
    block.bytes = bytes;
    block.type = type;
  };
  // Seeds at which the table has a filter.
  for (let seed = 1; ; seed++) {
    let isThere = false;
    const lies = {
      stored(block: StoredBlock) {
        isThere ||= block.name === where;
        stored(block);
      },
    };
    const file = writeHostile(TABLE, lies, new Dice(seed));
    if (isThere) return file;
  }
}

answer({
  async try(where: string, type: number, block: string): Promise<Tried> {
    const file = withBlock(where, type, Buffer.from(block, 'base64'));
    const peak = (): number => process.resourceUsage().maxRSS * 1024;
    const [before, started] = [peak(), performance.now()];
    const code = await tryTable(file);
    return { code, grownBytes: peak() - before, ms: performance.now() - started };
  },
});
