/**
 * The demo (`npm run demo`): real data, files made of it, attached in transactions; claims that are checked before they
 * are printed. Exits with 1 when one does not hold. Needs a clone of the repository, for the data set.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from '../import/open.ts';
import { EXIT_INTERRUPTED } from './command.ts';
import { type City, loadCities } from './demo/cities.ts';
import { ClaimError, Narrator } from './demo/narrator.ts';
import {
  buildFiles,
  check,
  conflict,
  idempotence,
  importCities,
  ingestFeed,
  prepare,
  reads,
  wideFile,
} from './demo/story.ts';
import { countText } from './text.ts';

const ZURICH = 2657896;
const REYKJAVIK = 3413829;

function cityById(cities: readonly City[], id: number): City {
  const city = cities.find(({ cityId }) => cityId === id);
  if (city === undefined) throw new Error(`The data set has no city ${id}`);
  return city;
}

async function tellStory(dir: string, tell: Narrator): Promise<void> {
  const cities = loadCities();
  const countries = new Set(cities.map(({ country }) => country)).size;
  tell.title('SluiceDB: attaching files is a step of a transaction');
  tell.say(
    `${countText(cities.length)} cities of ${countries} countries: GeoNames (geonames.org), CC BY 4.0`,
  );
  await using db = await open(join(dir, 'db'), { keyEncoding: 'utf8', valueEncoding: 'utf8' });
  await importCities(db, dir, cities, tell);
  const feed = await buildFiles(db, dir, cities, tell);
  const zurich = cityById(cities, ZURICH);
  await prepare(db, zurich, tell);
  await ingestFeed(db, feed, zurich, tell);
  await conflict(db, dir, cityById(cities, REYKJAVIK), tell);
  await wideFile(db, dir, cities, tell);
  await idempotence(db, dir, tell);
  await reads(db, cities, tell);
  await check(db, tell);
  tell.chapter('Measured, on this machine, this once');
  tell.measurements();
}

async function demo(): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'sluicedb-demo-'));
  process.once('SIGINT', () => {
    rmSync(dir, { recursive: true, force: true });
    process.exit(EXIT_INTERRUPTED);
  });
  // `npm run demo | head`: the story goes on unheard, and is still checked.
  process.stdout.on('error', () => undefined);
  const tell = new Narrator();
  try {
    await tellStory(dir, tell);
    console.log(`\n${tell.paint('green', `${tell.claims} claims made, ${tell.claims} checked.`)}`);
    return 0;
  } catch (error) {
    const text = error instanceof ClaimError ? `This does not hold: ${error.message}` : error;
    console.error(typeof text === 'string' ? tell.paint('red', text) : text);
    return 1;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = await demo();
