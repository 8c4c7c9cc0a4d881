/**
 * Makes keyspaces until the manifest cannot grow: the parent has limited the size of this process's files. Prints what
 * was acknowledged, and how the calls from the first failure on ended.
 *
 *     manifest-child.ts DIRECTORY
 */

import { openText } from '../base/database.ts';

const db = await openText(process.argv[2] ?? '', { walSegmentBytes: 2048, memtableBytes: 1 << 12 });
const acknowledged: string[] = [];
const codes: unknown[] = [];

async function failed(act: () => unknown): Promise<boolean> {
  try {
    await act();
    return false;
  } catch (error) {
    codes.push((error as { code?: unknown }).code ?? String(error));
    return true;
  }
}

await db.put('key', 'value');
for (let n = 0; n < 10_000; n++) {
  const name = `${String(n).padStart(5, '0')}${'x'.repeat(200)}`;
  if (await failed(() => db.keyspace(name))) break;
  acknowledged.push(name);
}
await failed(() => db.keyspace('one more'));
await failed(() => db.put('key', 'lost'));
await failed(() => db.flush());
const value = await db.get('key');
await db.close();
process.stdout.write(JSON.stringify({ acknowledged, codes, value }));
