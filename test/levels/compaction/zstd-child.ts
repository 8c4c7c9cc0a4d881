/** A process with a new database in DIRECTORY, of which nothing is compressed with ZSTD. Prints whether the library was loaded, and an outcome. */

import { zstdDecompress, zstdReady } from '../../../src/sst/zstd.ts';
import { openText, outcomeOf } from '../../base/database.ts';

/** 'abc', in one raw block. */
const FRAME = Buffer.from('28b52ffd2003190000616263', 'hex');

const db = await openText(process.argv[2] ?? '', { durability: 'os', compactionInline: false });
for (const value of ['1', '2']) {
  await db.put('a', value);
  await db.flush();
}
await db.compactRange();
const value = await db.get('a');
await db.close();
const outcome = await outcomeOf(async () => zstdDecompress(FRAME, 3));
process.stdout.write(`${JSON.stringify({ value, loaded: zstdReady(), outcome })}\n`);
