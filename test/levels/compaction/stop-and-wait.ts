/**
 * The child of a test: a writer that is stopped waits for a compaction that has failed and is tried again later.
 *
 *     stop-and-wait.ts DIRECTORY
 */

import fs from 'node:fs';
import { join } from 'node:path';
import { isSluiceError, open } from '../../../src/index.ts';

const [dir = ''] = process.argv.slice(2);
const options = { durability: 'os', level0Trigger: 1, compactionInline: true } as const;
const key = Uint8Array.of(1);
{
  const db = await open(dir, { ...options, compaction: 'off' });
  for (let i = 0; i < 12; i++) {
    await db.put(key, key);
    await db.flush();
  }
  await db.close();
}
const tables = join(dir, 'tables');
for (const name of fs.readdirSync(tables)) {
  const bytes = fs.readFileSync(join(tables, name));
  bytes[1] = (bytes[1] ?? 0) ^ 1;
  fs.writeFileSync(join(tables, name), bytes);
}
const db = await open(dir, options);
// All that was begun at once has failed.
while (db.stats().compaction.failures === 0 || db.stats().compaction.running > 0) {
  await new Promise((resolve) => setTimeout(resolve, 10));
}
try {
  await db.put(key, key);
} catch (error) {
  process.stdout.write(`${isSluiceError(error) ? error.code : String(error)}\n`);
}
await db.close();
