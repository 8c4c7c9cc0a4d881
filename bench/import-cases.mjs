/**
 * Cases of imports: against other engines, against slower ways of our own, and from which size on threads pay.
 *
 * At scale 1 other engines take minutes for 5 M rows in random order; `--scale 0.2` has 1 M of them, and all of it in less
 * than one. What is measured against ourselves (shapes, scale) is soon done at scale 1 too.
 */

import { join } from 'node:path';
import { factor, millions, ms, rate } from './rows.mjs';

const needs = (set) => () => ({ path: set.dir, task: set });

export function imports({ root, scale, scratch, common }) {
  const least = 20_000;
  const rows = Math.max(least, Math.round(5_000_000 * scale));
  const file = (name, count, sorted) => ({
    kind: 'csvFile',
    dir: join(root, 'files', name),
    rows: count,
    sorted,
  });
  const csv = file('csv', rows, false);
  const few = file('csv-few', Math.max(least, Math.round(rows / 5)), false);
  return [
    {
      name: 'import',
      engines: ['sluice', 'lmdb', 'classic-level', 'better-sqlite3', 'duckdb'],
      needs: [needs(csv)],
      rows: {
        rate: rate(`import of a CSV file, ${millions(rows)} rows in random order`, {
          lmdb: 5,
          'classic-level': 5,
          'better-sqlite3': 1,
        }),
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
    {
      name: 'import-data',
      engines: ['sluice'],
      rows: {
        rate: rate('import of a public data set: networks and who has them, values as JSON'),
        amplification: factor('… bytes written for each byte of its tables', { atMost: 2.1 }),
      },
      task: (e) => ({ kind: 'importData', dir: scratch(e) }),
    },
    shapes({ scale, scratch, csv, sorted: file('csv-sorted', rows, true) }),
    scales({ scale, scratch, few, many: file('csv-many', few.rows * 20, false) }),
    {
      name: 'import-paths',
      engines: ['sluice'],
      needs: [needs(few)],
      rows: {},
      task: (e) => ({
        kind: 'importPaths',
        dir: scratch(e),
        csv: few.dir,
        counts: [100, 1000, 5000, 10_000, 20_000],
        repeats: 5,
      }),
    },
  ];
}

function shapes({ scale, scratch, csv, sorted }) {
  const { rows } = csv;
  return {
    name: 'import-shapes',
    engines: ['sluice'],
    needs: [needs(csv), needs(sorted)],
    rows: {
      putFactor: factor(`import of ${millions(rows)} rows, as many times as fast as a put for each`, {
        atLeast: 10,
      }),
      batchFactor: factor('… as batches of 1,000', { atLeast: 3 }),
      presortedFactor: factor('… presorted, to random order', { atLeast: 2 }),
      threadsFactor: factor('… two threads, to one', { atLeast: 1.6 }),
      smallFactor: factor('… time with 64 MB, to 512 MB', { atMost: 2 }),
      presortedAmplification: factor('… presorted, bytes written for each byte of its tables', {
        atMost: 1.1,
      }),
      foundAmplification: factor('… sorted, without being told', { atMost: 1.1 }),
    },
    task: (e) => ({
      kind: 'importShapes',
      dir: scratch(e),
      csv: csv.dir,
      sortedCsv: sorted.dir,
      rows,
      repeats: scale < 1 ? 3 : 1,
    }),
  };
}

function scales({ scale, scratch, few, many }) {
  return {
    name: 'import-scale',
    engines: ['sluice'],
    needs: [needs(few), needs(many)],
    rows: {
      factor: factor(`import, time for ${millions(many.rows)} rows to ${millions(few.rows)}, to n log n`, {
        atMost: 1,
      }),
      rate: rate(`… of ${millions(many.rows)} rows`),
    },
    task: (e) => ({
      kind: 'importScale',
      dir: scratch(e),
      csv: few.dir,
      moreCsv: many.dir,
      rows: few.rows,
      moreRows: many.rows,
      repeats: scale < 1 ? 3 : 1,
    }),
  };
}
