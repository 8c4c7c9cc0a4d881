/** Rows in random order with duplicates, as files, and what an import of them has to leave. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InternalImportOptions } from '../../src/import/import-spec.ts';
import type { Duplicates, ImportOptions } from '../../src/index.ts';
import type { TextDb } from '../base/database.ts';
import type { SeededRandom } from '../base/seeded-random.ts';

export type TestImportOptions = ImportOptions & InternalImportOptions;

export interface Rows {
  readonly rows: readonly (readonly [string, string])[];
  readonly duplicates: number;
}

export function randomRows(random: SeededRandom, count: number, keys: number): Rows {
  const rows = Array.from({ length: count }, (_, i) => {
    const key = `k${random.below(keys).toString(36).padStart(4, '0')}${'x'.repeat(random.below(3) * 5)}`;
    return [key, `${i}-${'v'.repeat(random.chance(0.01) ? 3000 : random.below(40))}`] as const;
  });
  return { rows, duplicates: count - new Set(rows.map(([key]) => key)).size };
}

export function expected({ rows }: Rows, duplicates: Duplicates): Map<string, string> {
  const map = new Map<string, string>();
  for (const [key, value] of rows) {
    if (duplicates === 'last' || !map.has(key)) map.set(key, value);
  }
  return map;
}

export async function contents(db: Pick<TextDb, 'iterator'>): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const [key, value] of db.iterator()) found.set(key, value);
  return found;
}

export function writeCsv(dir: string, rows: Rows['rows'], files: number): string[] {
  const per = Math.ceil(rows.length / files);
  return Array.from({ length: files }, (_, i) => {
    const path = join(dir, `rows-${i}.csv`);
    const lines = rows.slice(i * per, (i + 1) * per).map(([key, value]) => `${key},${value}`);
    writeFileSync(path, ['id,value', ...lines, ''].join('\n'));
    return path;
  });
}
