// The five-minute tour of the README, which quotes this file. Run it with `node examples/tour.mjs` after `npm run build`.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, restoreBackup, SstWriter } from 'sluicedb';

const home = mkdtempSync(join(tmpdir(), 'sluicedb-tour-'));
process.chdir(home);

// Open, put, get
const db = await open('./data', { keyEncoding: 'utf8', valueEncoding: 'json' });

await db.put('user:ada', { name: 'Ada', visits: 1 }); // on disk when it resolves
await db.get('user:ada'); // { name: 'Ada', visits: 1 }
await db.get('user:bob'); // undefined
db.getSync('user:ada'); // the same, without a promise

await db.batch([
  { type: 'put', key: 'user:bob', value: { name: 'Bob', visits: 0 } },
  { type: 'del', key: 'user:eve' },
]);

assert.deepEqual(await db.get('user:bob'), { name: 'Bob', visits: 0 });

// A transaction
await db.transaction(async (txn) => {
  const ada = await txn.get('user:ada');
  txn.put('user:ada', { ...ada, visits: ada.visits + 1 });
});

assert.deepEqual(db.getSync('user:ada'), { name: 'Ada', visits: 2 });

// Its result
const { result } = await db.transaction((txn) => {
  txn.put('user:bob', { name: 'Bob', visits: 0 });
  return txn;
});
result.version; // as db.put() resolves with

assert.equal(result.version, db.version);

// Make an SST file
const writer = new SstWriter('./cities.sst', { keyEncoding: 'utf8', valueEncoding: 'json' });
writer.put('city:AE:Dubai', { population: 3_655_000 }); // keys ascend strictly, byte by byte
writer.put('city:CH:Zürich', { population: 443_000 });
writer.put('city:PE:Lima', { population: 10_092_000 });
writer.del('city:XX:Atlantis'); // ingesting the file deletes this key
const file = await writer.finish(); // { path, entries, smallest, largest, bytes, sha256 }

assert.equal(file.entries, 4);

// Attach it in a transaction
await db.transaction(async (txn) => {
  const cursor = (await txn.get('feed:cursor')) ?? 0;
  await txn.ingest(file.path, { sha256: [file.sha256], id: `feed/${cursor}` });
  await txn.get('city:PE:Lima'); // the transaction reads its own ingest; nobody else does yet
  txn.put('feed:cursor', cursor + 1);
}); // … and here all of it becomes visible at once

assert.equal(await db.get('feed:cursor'), 1);

// An import
const task = db.import([['city:BR:Recife', { population: 1_488_000 }]], { duplicates: 'error' }); // or 'feed-*.csv.gz', a URL, a stream
const { rowsLoaded, rowsDuplicate, rowsBad } = await task.done; // together: the rows read

assert.deepEqual([rowsLoaded, rowsDuplicate, rowsBad], [1, 0, 0]);
await db.del('city:BR:Recife');

// A savepoint
await db.transaction(async (txn) => {
  txn.put('user:bob', { name: 'Bob', visits: 1 });
  const savepoint = txn.savepoint();
  await txn.ingest(file.path);
  txn.rollbackTo(savepoint); // the file is as if it had never been named
});

// Snapshots
const before = db.snapshot();
await db.put('city:PE:Lima', { population: 11_000_000 });
await db.get('city:PE:Lima', { snapshot: before }); // { population: 10092000 }

assert.deepEqual(await db.get('city:PE:Lima', { snapshot: before }), { population: 10_092_000 });
before.close();

// Iterators
for await (const [key, city] of db.iterator({ gte: 'city:', lt: 'city;', reverse: true, limit: 2 })) {
  console.log(key, city.population); // city:PE:Lima 11000000, then city:CH:Zürich 443000
}
const names = await db.keys({ gte: 'city:', lt: 'city;' }).all();

assert.deepEqual(names, ['city:AE:Dubai', 'city:CH:Zürich', 'city:PE:Lima']);

// Cursors
let valueBytes = 0;
for await (const { offsets, count } of db.cursor({ gte: 'city:', lt: 'city;' })) {
  for (let i = 0; i < count; i++) {
    // Key i is bytes[offsets[2 * i] … offsets[2 * i + 1]), its value goes on from there to offsets[2 * i + 2].
    valueBytes += offsets[2 * i + 2] - offsets[2 * i + 1];
  }
}

assert.ok(valueBytes > 0);

// Ranges
await db.transaction((txn) => {
  txn.deleteRange({ gte: 'city:', lt: 'city;' }); // gone for reads from here on …
  txn.put('city:PE:Lima', { population: 11_000_000 }); // … but for what comes later
});

assert.deepEqual(await db.keys({ gte: 'city:', lt: 'city;' }).all(), ['city:PE:Lima']);

// Keyspaces
const sessions = db.keyspace('sessions', { valueEncoding: 'utf8' });
await sessions.put('s1', 'user:ada');
await db.transaction(async (txn) => {
  txn.keyspace(sessions).del('s1'); // one transaction, two keyspaces; the encodings come along
  txn.put('user:ada', { name: 'Ada', visits: 3 });
});
db.keyspaces(); // ['default', 'sessions']
await db.dropKeyspace('sessions'); // whatever its size

assert.deepEqual(db.keyspaces(), ['default']);

// Datasets
for (const [night, rows] of [
  [1, { ada: 0.2 }],
  [2, { ada: 0.3, bob: 0.7 }],
]) {
  const nightly = new SstWriter(`./features-${night}.sst`, { keyEncoding: 'utf8', valueEncoding: 'json' });
  for (const [user, score] of Object.entries(rows)) nightly.put(user, score);
  await nightly.finish();
}

const features = db.dataset('features', { keepVersions: 3 });
await features.publish('./features-1.sst'); // { version: 1, live: true, … }
const [score] = await Promise.all([
  db.keyspace('features').get('ada'), // readers go on: the old score or the new, never neither
  features.publish('./features-2.sst', { message: 'nightly' }), // swapped in by one commit
]);
for await (const { type, key } of features.diff(1, 2)) console.log(type, key); // changed ada, then added bob

assert.ok([0.2, 0.3].includes(score));
assert.deepEqual(await db.keyspace('features').iterator().all(), [
  ['ada', 0.3],
  ['bob', 0.7],
]);

// A rollback
await features.rollback(); // version 1 is live again, whatever its size

assert.deepEqual(await db.keyspace('features').iterator().all(), [['ada', 0.2]]);

// Conflicts
const txn = db.begin(); // by hand: no retries
try {
  const ada = await txn.get('user:ada');
  await db.put('user:ada', { name: 'Ada', visits: 10 }); // somebody else is faster
  txn.put('user:ada', { ...ada, visits: ada.visits + 1 });
  await txn.commit();
} catch (error) {
  console.log(error.code, error.retryable); // CONFLICT true
} finally {
  txn.abort(); // does nothing after a commit
}

assert.equal(txn.state, 'aborted');
assert.deepEqual(await db.get('user:ada'), { name: 'Ada', visits: 10 });

// A checkpoint
const { path, version } = await db.checkpoint('./checkpoint'); // must not exist yet
const copy = await open(path, { keyEncoding: 'utf8', valueEncoding: 'json' });
console.log(copy.version === version); // true
await copy.close();

// Backups
await db.backup('./backups', { keep: 7 }); // the newest seven stay
await restoreBackup('./backups', './restored'); // compares every byte with its digest

// Close
await db.close();

rmSync(home, { recursive: true });
