// A second process reads beside the one that writes: `node examples/read-beside.mjs` after `npm run build`.

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'sluicedb';

const encodings = { keyEncoding: 'utf8', valueEncoding: 'utf8' };

async function read(dir) {
  const db = await open(dir, { ...encodings, readOnly: true });
  const seen = async () => process.send(await db.get('news'));
  process.on('message', async () => {
    await db.refresh(); // take over what the writer has made visible since
    await seen();
  });
  process.once('disconnect', () => db.close());
  await seen();
}

async function write() {
  const dir = mkdtempSync(join(tmpdir(), 'sluicedb-beside-'));
  const db = await open(dir, encodings);
  await db.put('news', 'first');
  await db.flush();
  const reader = fork(fileURLToPath(import.meta.url), [dir]);
  const [first] = await once(reader, 'message');
  await db.put('news', 'second');
  await db.flush();
  reader.send('look again');
  const [second] = await once(reader, 'message');
  reader.disconnect();
  await once(reader, 'exit');
  await db.close();
  rmSync(dir, { recursive: true });
  console.log('the reader saw:', first, 'then', second);
  assert.deepEqual([first, second], ['first', 'second']);
}

const [dir] = process.argv.slice(2);
await (dir === undefined ? write() : read(dir));
