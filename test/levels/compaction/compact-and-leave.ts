/**
 * The child of a test: writes, has it compacted, and ends without closing.
 *
 *     compact-and-leave.ts DIRECTORY wait|leave
 */

import { open } from '../../../src/index.ts';

const [dir = '', wait] = process.argv.slice(2);
const db = await open(dir, {
  durability: 'os',
  level0Trigger: 2,
  keyEncoding: 'utf8',
  valueEncoding: 'utf8',
});
for (let i = 0; i < 4; i++) {
  await db.put('key', `value ${i}`);
  await db.flush();
}
if (wait === 'wait') {
  await db.compactRange();
  const tables = db.stats().keyspaces[0]?.levels.reduce((sum, level) => sum + level.tables, 0);
  process.stdout.write(`compacted to ${tables} table\n`);
} else process.stdout.write('left\n');
