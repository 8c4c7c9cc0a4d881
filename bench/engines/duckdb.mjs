/** DuckDB: its own reader of CSV, by COPY into a table of columns, with the two threads that all others have; no index. */

import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { DuckDBInstance } = createRequire(new URL('../peers/package.json', import.meta.url))(
  '@duckdb/node-api',
);

/** From a CSV file with a header of two columns to what is durable, in a new database. */
export async function importFile(dir, path) {
  mkdirSync(dir, { recursive: true });
  const instance = await DuckDBInstance.create(join(dir, 'data.duckdb'), { threads: '2' });
  const connection = await instance.connect();
  await connection.run('CREATE TABLE entries (key VARCHAR NOT NULL, value VARCHAR NOT NULL)');
  await connection.run(`COPY entries FROM '${path.replaceAll("'", "''")}' (FORMAT csv, HEADER)`);
  await connection.run('CHECKPOINT');
  connection.closeSync();
  instance.closeSync();
  return {};
}
