// A CSV file comes every night; each becomes a version of a dataset. Run it with `node examples/nightly-import.mjs` after
// `npm run build`.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'sluicedb';

const home = mkdtempSync(join(tmpdir(), 'sluicedb-nightly-'));
process.chdir(home);

/** The feed of a night: rows in no order, one of them broken. */
function writeFeed(night, factor) {
  const rows = Array.from({ length: 10_000 }, (_, i) => {
    const id = (i * 7919) % 10_000;
    return `${id},"Article ${id}, boxed",${(id * factor) / 100},2026-11-${night}`;
  });
  rows.splice(5000, 0, 'seventeen,Broken,free,today');
  writeFileSync(`feed-${night}.csv`, `id,name,price,day\n${rows.join('\n')}\n`);
}

async function importFeed(db, night) {
  const task = db.import(`feed-${night}.csv`, {
    key: 'id',
    value: { as: 'json', columns: ['name', 'price'] },
    types: { id: 'int', price: 'decimal' }, // keys in the order of numbers, prices without a lost digit
    onBadRow: 'skip',
    maxBadRows: 0.001, // one row in a thousand; more, and nothing of the file is loaded
    rejectFile: `rejected-${night}.jsonl`,
    publish: { dataset: 'articles', message: `feed of the ${night}th` },
    id: `articles/2026-11-${night}`, // a job that runs twice imports once
  });
  return task.done;
}

const db = await open('./data');
try {
  writeFeed(20, 100);
  writeFeed(21, 110);
  const first = await importFeed(db, 20);
  assert.deepEqual([first.rowsLoaded, first.rowsBad], [10_000, 1]);
  const [rejected] = readFileSync('rejected-20.jsonl', 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  console.log(`Left out: row ${rejected.row} of ${rejected.source}: ${rejected.reason}`);

  const again = await importFeed(db, 20);
  assert.equal(again.replayed, true);

  // Readers see the old prices until the new version is complete, and keep what they began with.
  const before = db.snapshot();
  await importFeed(db, 21);
  const articles = db.keyspace('articles', { keyEncoding: 'tuple', valueEncoding: 'json' });
  const old = await articles.get([17], { snapshot: before });
  const article = await articles.get([17]);
  before.close();
  console.log(`${article.name}: ${old.price} last night, ${article.price} now`);
  assert.ok(article.price > old.price);

  // The new feed was wrong? The version before it is one commit away.
  await db.dataset('articles').rollback();
  assert.deepEqual(await articles.get([17]), old);
} finally {
  await db.close();
  process.chdir(tmpdir());
  rmSync(home, { recursive: true });
}
