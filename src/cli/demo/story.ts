/** The demo's chapters. Each prints what it does, and claims only what it has just checked. */

import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Db } from '../../db.ts';
import type { ImportOptions } from '../../import-options.ts';
import { type SstFile, SstWriter } from '../../ingest/sst-writer.ts';
import type { KeyspaceStats } from '../../txn/stats.ts';
import type { Transaction } from '../../txn/transaction.ts';
import { drawLevels } from '../levels-drawing.ts';
import { bytesText, countText, entriesText, plural } from '../text.ts';
import {
  type City,
  CSV_COLUMNS,
  citiesCsv,
  cityKey,
  cityValue,
  populationOf,
  populationRows,
  type Row,
} from './cities.ts';
import { type Narrator, rate } from './narrator.ts';

export type TextDb = Db<'utf8', 'utf8'>;
type TextTransaction = Transaction<'utf8', 'utf8'>;

export interface Feed {
  /** Of city: keys, not overlapping. */
  readonly cityFiles: readonly SstFile[];
  readonly indexFile: SstFile;
}

const ALL_CITIES = { gte: 'city:', lt: 'city;' };

async function writeFile(path: string, rows: Iterable<Row>): Promise<SstFile> {
  await using writer = new SstWriter(path, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
  for (const { key, value } of rows) writer.put(key, value);
  return await writer.finish();
}

/** Into a keyspace of its own; what comes later is made of that. */
export async function importCities(
  db: TextDb,
  dir: string,
  cities: readonly City[],
  tell: Narrator,
): Promise<void> {
  tell.chapter('Import the data set: a CSV file in no order, with a broken row in it');
  const path = join(dir, 'cities.csv');
  writeFileSync(path, `${citiesCsv(cities)}0,Atlantis,--,unknown,,\n`);
  const rejectFile = join(dir, 'rejected.jsonl');
  const options: ImportOptions = {
    into: 'cities',
    ...CSV_COLUMNS,
    onBadRow: 'skip',
    rejectFile,
    id: 'geonames',
  };
  tell.code(
    `await db.import('cities.csv', {
  into: 'cities', key: { template: 'city:{country}:{name}:{id}' }, value: { as: 'json', columns },
  types: { population: 'int', latitude: 'decimal', longitude: 'decimal' },
  onBadRow: 'skip', rejectFile: 'rejected.jsonl', id: 'geonames',
}).done;`,
  );
  const { result, ms } = await tell.timed(() => db.import(path, options).done);
  const { rowsRead, rowsLoaded, rowsBad } = result;
  const all = rowsLoaded === cities.length && rowsBad === 1 && rowsRead === rowsLoaded + rowsBad;
  tell.claim(`${countText(rowsRead)} rows read, ${countText(rowsLoaded)} loaded, ${rowsBad} rejected`, all);
  const rejected = JSON.parse(readFileSync(rejectFile, 'utf8')) as { row: number; reason: string };
  const told = rejected.row === rowsRead && rejected.reason.includes('population');
  tell.claim(`the reject file says why: row ${countText(rejected.row)}, ${rejected.reason}`, told);
  const imported = db.keyspace('cities');
  const keys = await imported.keys().all();
  tell.claim(`a scan has them in key order: ${countText(keys.length)}`, keys.length === cities.length);
  const again = await db.import(path, options).done;
  tell.claim('the same import again, by its id, reads and changes nothing', again.replayed);
  tell.measure('import of a CSV file, sorted and committed', `${rate(rowsRead, ms)} rows/s`);
}

export async function buildFiles(
  db: TextDb,
  dir: string,
  cities: readonly City[],
  tell: Narrator,
): Promise<Feed> {
  tell.chapter('Make SST files of them: a writer needs no database, any process can');
  const rows = (await db.keyspace('cities').iterator().all()).map(([key, value]) => ({ key, value }));
  const index = populationRows(cities);
  const third = Math.ceil(rows.length / 3);
  const { result: files, ms } = await tell.timed(async () => [
    await writeFile(join(dir, 'cities-1.sst'), rows.slice(0, third)),
    await writeFile(join(dir, 'cities-2.sst'), rows.slice(third, 2 * third)),
    await writeFile(join(dir, 'cities-3.sst'), rows.slice(2 * third)),
    await writeFile(join(dir, 'by-population.sst'), index),
  ]);
  const [first, second, last, indexFile] = files as [SstFile, SstFile, SstFile, SstFile];
  const cityFiles = [first, second, last];
  for (const { path, entries, bytes, smallest } of files) {
    tell.say(
      `${basename(path).padEnd(18)} ${entriesText(entries)}, ${bytesText(bytes)}, from ${smallest.toString()}`,
    );
  }
  const written = cityFiles.reduce((sum, file) => sum + file.entries, 0);
  tell.claim(`every city is in exactly one file: ${countText(written)}`, written === cities.length);
  tell.measure('build SST files', `${rate(rows.length + index.length, ms)} rows/s`);
  return { cityFiles, indexFile };
}

/** What was there before the feed came: a stale row among it. */
export async function prepare(db: TextDb, zurich: City, tell: Narrator): Promise<void> {
  tell.chapter('An application is at work already');
  await db.put('feed:cursor', '0');
  await db.put(cityKey(zurich), cityValue(zurich, 363_000));
  for (let n = 0; n < 2000; n++) await db.put(`visit:${String(n).padStart(6, '0')}`, 'Ada was here');
  tell.say('2,002 puts, each a durable transaction; Zürich is among them with a population of 363,000');
  draw(db, tell);
}

export async function ingestFeed(db: TextDb, feed: Feed, zurich: City, tell: Narrator): Promise<void> {
  tell.chapter('Attach all files in one transaction, beside reads and puts');
  tell.code(
    `await db.transaction(async (txn) => {
  const cursor = await txn.get('feed:cursor');
  await txn.ingest(cityFiles);
  await txn.ingest(indexFile, { into: 'by-population' });
  txn.put('feed:cursor', String(Number(cursor) + 1));
});`,
  );
  using before = db.snapshot();
  const memtableBefore = defaultKeyspace(db).memtableBytes;
  const reader = db.keys(ALL_CITIES);
  const files = feed.cityFiles.map((file) => file.path);
  const entries = feed.cityFiles.reduce((sum, file) => sum + file.entries, feed.indexFile.entries);
  let readyAt = 0;
  await db.transaction(async (txn) => {
    const cursor = await txn.get('feed:cursor');
    const { ms } = await tell.timed(async () => {
      await txn.ingest(files);
      await txn.ingest(feed.indexFile.path, { into: 'by-population' });
    });
    tell.measure('stage: copy, check every block, sync', `${rate(entries, ms)} rows/s`);
    txn.put('feed:cursor', String(Number(cursor) + 1));
    await duringFeed(db, txn, zurich, tell);
    readyAt = performance.now();
  });
  tell.measure(`commit of ${entriesText(entries)}`, `${(performance.now() - readyAt).toFixed(1)} ms`);
  const now = populationOf(await db.get(cityKey(zurich)));
  tell.claim(`after the commit everyone reads ${countText(now)} for Zürich`, now === zurich.population);
  tell.claim('the cursor moved in the same commit', (await db.get('feed:cursor')) === '1');
  const old = populationOf(await db.get(cityKey(zurich), { snapshot: before }));
  tell.claim(`the snapshot taken before still reads ${countText(old)}`, old === 363_000);
  const seen = await reader.all();
  tell.claim('the scan begun before sees what was there then: Zürich alone', seen.length === 1);
  draw(db, tell);
  const { levels, memtableBytes } = defaultKeyspace(db);
  const bottom = levels.every(({ tables }, level) => tables > 0 === (level === 6));
  tell.claim('all files lie at the bottom, below the older Zürich, which is still in the memtable', bottom);
  tell.claim('nothing was flushed and nothing rewritten for it', memtableBytes === memtableBefore);
}

function defaultKeyspace(db: TextDb): KeyspaceStats {
  const found = db.stats().keyspaces.find(({ name }) => name === 'default');
  if (found === undefined) throw new Error('there is no default keyspace');
  return found;
}

async function duringFeed(db: TextDb, txn: TextTransaction, zurich: City, tell: Narrator): Promise<void> {
  const own = populationOf(await txn.get(cityKey(zurich)));
  tell.claim(
    `the transaction reads what it attached: ${countText(own)} for Zürich`,
    own === zurich.population,
  );
  const theirs = populationOf(await db.get(cityKey(zurich)));
  tell.claim(`everyone else reads ${countText(theirs)} until it commits`, theirs === 363_000);
}

export async function conflict(db: TextDb, dir: string, reykjavik: City, tell: Narrator): Promise<void> {
  tell.chapter('A true conflict: a file changes what a transaction has read');
  const corrected = reykjavik.population + 1;
  const path = join(dir, 'correction.sst');
  await writeFile(path, [{ key: cityKey(reykjavik), value: cityValue(reykjavik, corrected) }]);
  let attempts = 0;
  await db.transaction(async (txn, attempt) => {
    attempts = attempt;
    const population = populationOf(await txn.get(cityKey(reykjavik)));
    if (attempt === 1) await db.ingest(path);
    txn.put('report:capital of Iceland', String(population));
  });
  tell.claim('the first attempt was aborted, the second one committed', attempts === 2);
  const report = Number(await db.get('report:capital of Iceland'));
  tell.claim(`so the report has the corrected number, ${countText(report)}`, report === corrected);
}

export async function wideFile(
  db: TextDb,
  dir: string,
  cities: readonly City[],
  tell: Narrator,
): Promise<void> {
  tell.chapter('No false conflict: a file as wide as the world, with two keys in it');
  const path = join(dir, 'wide.sst');
  const harare = 'city:ZW:Harare:890299';
  await writeFile(path, [
    { key: 'city:AD:Andorra la Vella:3041563', value: '{"population":20431}' },
    { key: harare, value: '{"population":1542814}' },
  ]);
  const icelandic = cities.filter(({ country }) => country === 'IS').length;
  const iceland = { gte: 'city:IS:', lt: 'city:IS;' };
  let attempts = 0;
  let places = 0;
  await db.transaction(async (txn, attempt) => {
    attempts = attempt;
    places = 0;
    let population = 0;
    for await (const value of txn.values(iceland)) {
      places++;
      population += populationOf(value);
    }
    if (attempt === 1) await db.ingest(path);
    txn.put('report:people of Iceland', String(population));
  });
  tell.claim(
    `a transaction scanned all ${places} places of Iceland, amid the file's range`,
    places === icelandic,
  );
  tell.claim('the file came in between, and it committed at its first attempt', attempts === 1);

  await db.transaction(async (txn, attempt) => {
    attempts = attempt;
    const population = populationOf(await txn.get(harare));
    if (attempt === 1) await db.ingest(path);
    txn.put('report:capital of Zimbabwe', String(population));
  });
  tell.claim('another one read Harare, which is in the file: that one had to run again', attempts === 2);
}

export async function idempotence(db: TextDb, dir: string, tell: Narrator): Promise<void> {
  tell.chapter('A retry that is safe: the same ingest twice, by its id, after its file was moved away');
  const path = join(dir, 'once.sst');
  await writeFile(path, [{ key: 'once', value: 'and only once' }]);
  const options = { id: 'feed/2', mode: 'move' } as const;
  const first = await db.ingest(path, options);
  const again = await db.ingest(path, options);
  const [one, two] = [first.ingested[0], again.ingested[0]];
  const same = one !== undefined && one.version === two?.version && one.table === two.table;
  tell.claim(`both calls answer: version ${one?.version}, ${entriesText(one?.entries ?? 0)}`, same);
}

export async function reads(db: TextDb, cities: readonly City[], tell: Narrator): Promise<void> {
  tell.chapter('Read it');
  const keys = randomKeys(cities, 50_000);
  for (const key of keys) db.getSync(key);
  const gets = await tell.timed(() => keys.filter((key) => db.getSync(key) !== undefined).length);
  tell.claim(`${countText(keys.length)} random gets, all found`, gets.result === keys.length);
  tell.measure('getSync of a random city, warm', `${((gets.ms / keys.length) * 1000).toFixed(2)} µs`);

  const scan = await tell.timed(async () => {
    const iterator = db.iterator(ALL_CITIES);
    let rows = 0;
    for (let batch = await iterator.nextv(1000); batch.length > 0; batch = await iterator.nextv(1000))
      rows += batch.length;
    iterator.close();
    return rows;
  });
  tell.claim(`a scan has all ${countText(scan.result)} cities, each once`, scan.result === cities.length);
  tell.measure('scan, keys and values as strings', `${rate(scan.result, scan.ms)} rows/s`);

  tell.say('The largest, by the index:');
  const byPopulation = db.keyspace('by-population');
  let before = Number.POSITIVE_INFINITY;
  for await (const [, key] of byPopulation.iterator({ reverse: true, limit: 5 })) {
    const city = JSON.parse((await db.get(key)) ?? '{}') as {
      name: string;
      country: string;
      population: number;
    };
    if (city.population > before) throw new Error('the index is not in order');
    before = city.population;
    tell.say(`  ${city.name.padEnd(14)} ${city.country}  ${countText(city.population).padStart(10)}`);
  }
}

export async function check(db: TextDb, tell: Narrator): Promise<void> {
  tell.chapter('What is there now');
  await db.flush();
  draw(db, tell);
  const { result: report, ms } = await tell.timed(() => db.verify({ full: true }));
  tell.claim(`every block of ${plural(report.tables, 'table')} read and checked: no damage`, report.ok);
  tell.measure('verify every block', `${rate(report.entries, ms)} rows/s`);
}

export function draw(db: TextDb, tell: Narrator): void {
  for (const keyspace of db.stats().keyspaces) {
    for (const line of drawLevels(keyspace, tell.paint)) tell.say(line);
  }
}

/** The same ones each time: a linear congruential generator. */
function randomKeys(cities: readonly City[], count: number): string[] {
  const keys: string[] = [];
  for (let state = 1; keys.length < count; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const city = cities[Math.floor((state / 2 ** 32) * cities.length)];
    if (city !== undefined) keys.push(cityKey(city));
  }
  return keys;
}
