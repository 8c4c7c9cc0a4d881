/**
 * The child of a test: writes, has it compacted, and ends without closing; or closes while two compactions run.
 *
 *     compact-and-leave.ts DIRECTORY wait|leave|close
 */

import { open } from '../../../src/index.ts';

const [dir = '', wait] = process.argv.slice(2);
const options = { durability: 'os', level0Trigger: 2, keyEncoding: 'utf8', valueEncoding: 'utf8' } as const;

/** Neither of the compactions is done by then, and the one that ends first leaves the other to be waited for. */
async function closeAmidTwo(): Promise<void> {
  const filled = await open(dir, { ...options, compaction: 'off' });
  for (const keyspace of ['small', 'large']) {
    for (let i = 0; i < 4; i++) {
      for (let n = 0; n < (keyspace === 'large' ? 100 : 20); n++)
        await filled.keyspace(keyspace).put(`key ${n}`, `${i}`.repeat(10_000));
      await filled.flush();
    }
  }
  await filled.close();
  const db = await open(dir, { ...options, backgroundBytesPerSecond: 200_000 });
  while (db.stats().compaction.running < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await db.close();
  process.stdout.write('closed\n');
}

if (wait === 'close') {
  await closeAmidTwo();
  process.exit();
}
const db = await open(dir, options);
for (let i = 0; i < 4; i++) {
  await db.put('key', `value ${i}`);
  await db.flush();
}
if (wait === 'wait') {
  await db.compactRange();
  const tables = db.stats().keyspaces[0]?.levels.reduce((sum, level) => sum + level.tables, 0);
  process.stdout.write(`compacted to ${tables} table\n`);
} else process.stdout.write('left\n');
