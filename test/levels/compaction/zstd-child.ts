/** A process with a new database in DIRECTORY, of which nothing is compressed with ZSTD. Prints whether the library was loaded, and an outcome; then what FILE, which is, brings. */

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
const outcome = await outcomeOf(async () => zstdDecompress(FRAME, 3));
const loaded = zstdReady();
await db.ingest(process.argv[3] ?? '');
const ingested = await db.get('b');
await db.close();
process.stdout.write(`${JSON.stringify({ value, loaded, outcome, ingested })}\n`);
