/** From measurements to the tables that the run prints and RESULTS.md holds. */

import { ENGINES, makeCases } from './cases.mjs';
import { rowsOf } from './verdict.mjs';

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

function figure(unit, value) {
  const short = (number) => (number < 100 ? number.toPrecision(3) : number.toFixed(0));
  if (unit === 'us') return `${short(value)} µs`;
  if (unit === 'factor') return `${value.toFixed(2)}x`;
  if (unit !== 'rate') return `${short(value)} ${unit}`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M/s`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k/s`;
  return `${value.toFixed(0)}/s`;
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)}`;

function markdown(head, body) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...body.map(line)].join('\n');
}

/** As the cases are in cases.mjs, not as they were measured. */
const inOrder = (results) =>
  Object.fromEntries(
    makeCases({ scale: 1 })
      .cases.filter(({ name }) => name in results)
      .map(({ name }) => [name, results[name]]),
  );

const enginesIn = (results) =>
  Object.keys(ENGINES).filter((engine) => Object.values(results).some((record) => record.engines[engine]));

function speeds(results) {
  const engines = enginesIn(results);
  const measured = rowsOf(results).filter((row) => row.notYet || Object.keys(row.values).length > 0);
  const body = measured.map((row) => {
    const cells = engines.map((engine) => {
      if (engine === 'sluice' && row.notYet) return 'not there yet';
      if (row.values[engine] === undefined) return '';
      const ratio = row.ratios[engine];
      return `${figure(row.unit, row.values[engine])}${ratio === undefined ? '' : ` (**${ratio.toFixed(2)}x**)`}`;
    });
    return [row.label, ...cells];
  });
  return markdown(['', ...engines.map((engine) => ENGINES[engine])], body);
}

function targets(results) {
  const body = rowsOf(results).flatMap(({ label, unit, values, ratios, verdicts, notYet }) =>
    verdicts.map(({ against, sign, target, result, by }) => {
      const wanted = against ? `≥ ${target}x ${ENGINES[against]}` : `${sign} ${figure(unit, target)}`;
      const measured = against ? ratios[against] : values.sluice;
      const is = measured === undefined ? '' : against ? `${measured.toFixed(2)}x` : figure(unit, measured);
      const verdict = result === 'missed' ? `**missed by ${by}**` : notYet ? 'not there yet' : result;
      return [label, wanted, is, verdict];
    }),
  );
  const table = markdown(['', 'target', 'measured', ''], body);
  return body.length === 0 ? 'No targets among these.' : table;
}

/** Memory beyond the input, and bytes written, by case. */
function resources(results) {
  const engines = enginesIn(results);
  const body = Object.entries(results).map(([name, record]) => [
    name,
    ...engines.map((engine) => {
      const own = record.engines[engine];
      return own ? `${megabytes(median(own.memoryBytes))} / ${megabytes(median(own.writtenBytes))}` : '';
    }),
  ]);
  return markdown(['case', ...engines.map((engine) => ENGINES[engine])], body);
}

/** What engines said beside their figures, as the number of levels of a tree. */
function facts(results) {
  const lines = Object.entries(results).flatMap(([name, record]) => {
    const all = Object.entries(record.engines).filter(([, own]) => own.facts);
    const said = all.map(
      ([engine, own]) =>
        `${ENGINES[engine]} ${Object.entries(own.facts)
          .map(([fact, value]) => `${fact} ${value}`)
          .join(', ')}`,
    );
    return said.length === 0 ? [] : [`- ${name}: ${said.join('; ')}`];
  });
  return lines.length === 0 ? [] : [...lines, ''];
}

/** What is to be said of engines, and of which cases unless of all. */
function notes(results) {
  const casesOf = new Map();
  for (const [name, record] of Object.entries(results))
    for (const text of Object.values(record.notes)) casesOf.set(text, [...(casesOf.get(text) ?? []), name]);
  const takePart = (engine) => Object.values(results).filter((record) => record.engines[engine]).length;
  return [...casesOf].map(([text, names]) => {
    const engine = Object.entries(results[names[0]].notes).find((entry) => entry[1] === text)[0];
    const all = names.length >= takePart(engine);
    return `- ${all ? '' : `In ${names.join(', ')}: `}${text}`;
  });
}

const EXPLANATION = [
  'In brackets: how many times as good as that engine SluiceDB is, be it speed or time; above 1 SluiceDB is ahead.',
  'Entries have 16 + 100 bytes and half compresses; LZ4, Bloom filter of 10 bits a key. Every figure is the median of as many fresh',
  'processes as the last table says, engines in turns.',
  '',
  '- Table build: SluiceDB is given parts of the columns of keys and of values, and makes no digest of the file, as RocksDB makes none; entry by entry, and with the digest that it makes by default, below.',
  '- Scans: best of three passes; engines with one way only stand in both rows with it.',
  '- Ingest: files moved into an empty database, durable when the call returns; `commit alone` is what is left once',
  '  `txn.ingest()` has staged the files, and stands beside the whole unchecked call of RocksDB, which has one call for both.',
  '- Get after random puts: updates, one in 16 a delete, over a tree of small levels, each growing by 4; all reads from memory.',
  '- Random load: batches of 1,000, not synced one by one; all work is done when no thread of the process computes or writes.',
  '- Imports: from a CSV file to what is durable, a new database each; other stores are given rows that a scan for line ends has parsed,',
  '  lmdb and classic-level in batches without a sync each, better-sqlite3 by prepared inserts in one transaction (WAL), DuckDB by COPY.',
  '- Memory: peak of the process, Node included, less the budget of the block cache and the most memory that memtables had at one time.',
  '- Event loop: `perf_hooks.monitorEventLoopDelay` in windows of 20 ms, after a tenth of the load.',
];

export function describe(unordered) {
  const results = inOrder(unordered);
  return [
    targets(results),
    '',
    speeds(results),
    '',
    ...facts(results),
    'Memory (peak above the input held in memory) and bytes written to the device by the process, in MB:',
    '',
    resources(results),
    '',
    ...notes(results),
  ].join('\n');
}

function provenance(results) {
  const body = Object.entries(inOrder(results)).map(
    ([name, { commit, date, scale, runs, command, machine }]) => [
      name,
      commit,
      date,
      String(scale),
      String(runs),
      `\`${command}\``,
      machine,
    ],
  );
  return markdown(['case', 'commit', 'date', 'scale', 'runs', 'command', 'machine'], body);
}

/** RESULTS.md. */
export function page(results) {
  return [
    '# Benchmark results',
    '',
    'Made by `npm run bench -- --write`, or from [results.json](results.json) by `npm run bench:report`: do not edit.',
    '',
    '![How many times as fast as others](results.svg)',
    '',
    ...EXPLANATION,
    '',
    '## Figures',
    '',
    describe(results),
    '',
    '## Measured when, and how',
    '',
    provenance(results),
    '',
  ].join('\n');
}
