/** Cases of imports: against other engines, against slower ways of our own, and from which size on threads pay. */

import { join } from 'node:path';
import { factor, millions, ms, rate } from './rows.mjs';

const needs = (set) => () => ({ path: set.dir, task: set });

export function imports({ root, scale, scratch, common }) {
  const rows = Math.max(20_000, Math.round(5_000_000 * scale));
  const files = (name, count, sorted) => ({
    kind: 'csvFiles',
    dir: join(root, 'files', name),
    rows: count,
    sorted,
  });
  const csv = files('csv', rows, true);
  const csvMore = files('csv-more', rows * 4, false);
  const label = `import of a CSV file, ${millions(rows)} rows in random order`;
  return [
    {
      name: 'import',
      engines: ['sluice', 'lmdb', 'classic-level', 'better-sqlite3'],
      needs: [needs(csv)],
      rows: {
        rate: rate(label, { lmdb: 5, 'classic-level': 5, 'better-sqlite3': 1 }),
        amplification: factor('… bytes written for each byte of its tables', { atMost: 2.1 }),
        loopMs: ms('… event loop held at most', { atMost: 20 }),
      },
      task: (e) => ({
        kind: 'importRows',
        dir: scratch(e),
        csv: csv.dir,
        rows,
        cacheBytes: common.cacheBytes,
      }),
    },
    shapes({ scratch, csv, csvMore }),
    {
      name: 'import-paths',
      engines: ['sluice'],
      needs: [needs(csv)],
      rows: {},
      task: (e) => ({
        kind: 'importPaths',
        dir: scratch(e),
        csv: csv.dir,
        counts: [100, 1000, 10_000, 20_000],
        repeats: 5,
      }),
    },
  ];
}

function shapes({ scratch, csv, csvMore }) {
  const { rows } = csv;
  const rowsMore = csvMore.rows;
  return {
    name: 'import-shapes',
    engines: ['sluice'],
    needs: [needs(csv), needs(csvMore)],
    rows: {
      putFactor: factor('import, as many times as fast as a put for each row', { atLeast: 10 }),
      batchFactor: factor('… as batches of 1,000', { atLeast: 3 }),
      presortedFactor: factor('… presorted, to random order', { atLeast: 2 }),
      threadsFactor: factor('… two threads, to one', { atLeast: 1.6 }),
      smallFactor: factor('… time with 64 MB, to 512 MB', { atMost: 2 }),
      scaleFactor: factor('… time for 4 times the rows, to n log n', { atMost: 1 }),
      presortedAmplification: factor('… presorted, bytes written for each byte of its tables', {
        atMost: 1.1,
      }),
      foundAmplification: factor('… sorted, without being told', { atMost: 1.1 }),
    },
    task: (e) => ({
      kind: 'importShapes',
      dir: scratch(e),
      csv: csv.dir,
      csvMore: csvMore.dir,
      rows,
      rowsMore,
      repeats: 3,
    }),
  };
}
