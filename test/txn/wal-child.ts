import fs from 'node:fs';
import { LogBatch } from '../../src/txn/wal/log-batch.ts';
import type { Wal } from '../../src/txn/wal/wal.ts';
import { answer } from '../base/child-answers.ts';
import { fill, reopen } from './wal-batch.ts';

let wal: Wal | undefined;
let next = 0;
let acknowledgements = '';

answer({
  /** How many records there are. */
  open: (dir: string) => {
    const log = reopen(dir, { segmentBytes: 64 << 10 });
    wal = log.wal;
    next = log.seen.length;
    acknowledgements = `${dir}/../acknowledged`;
    return next;
  },
  /** Appends for good, and notes in a file how many records are acknowledged. */
  run: async () => {
    const batch = new LogBatch();
    const file = fs.openSync(acknowledgements, 'a');
    for (let group = 0; ; group++) {
      const texts = Array.from({ length: 1 + (group % 5) }, () =>
        `${next++} `.padEnd(20 + (group % 700), '.'),
      );
      await wal?.append(fill(batch, ...texts), group % 3 !== 0);
      fs.writeSync(file, `${next}\n`);
    }
  },
});
