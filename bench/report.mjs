/** From measurements to the tables of RESULTS.md. */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

const NAMES = { sluice: 'SluiceDB', lmdb: 'lmdb', 'classic-level': 'classic-level', rocksdb: 'RocksDB' };

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const isTime = (row) => row.startsWith('ingest');

function figure(row, value) {
  if (isTime(row)) return `${value < 100 ? value.toPrecision(3) : value.toFixed(0)} ms`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M/s`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k/s`;
  return `${value.toFixed(0)}/s`;
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)}`;

/** { row → { engine → values } } in the order of first appearance. */
function gather(results, pairsOf) {
  const table = new Map();
  for (const result of results) {
    for (const [row, value] of pairsOf(result)) {
      const byEngine = table.get(row) ?? {};
      byEngine[result.engine] = [...(byEngine[result.engine] ?? []), value];
      table.set(row, byEngine);
    }
  }
  return table;
}

function markdown(head, body) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...body.map(line)].join('\n');
}

function speeds(results, engines) {
  const peers = engines.filter((engine) => engine !== 'sluice');
  const body = [];
  for (const [row, byEngine] of gather(results, (result) => Object.entries(result.rows))) {
    const ours = byEngine.sluice && median(byEngine.sluice);
    const cells = peers.map((peer) => {
      if (!byEngine[peer]) return '';
      const theirs = median(byEngine[peer]);
      if (ours === undefined) return figure(row, theirs);
      const ratio = isTime(row) ? theirs / ours : ours / theirs;
      return `${figure(row, theirs)} (**${ratio.toFixed(2)}x**)`;
    });
    body.push([row, ours === undefined ? '' : figure(row, ours), ...cells]);
  }
  return markdown(['', 'SluiceDB', ...peers.map((peer) => NAMES[peer])], body);
}

function resources(results, engines) {
  const body = [];
  const table = gather(results, (result) => [[result.case, [result.memoryBytes, result.writtenBytes]]]);
  for (const [name, byEngine] of table) {
    const cells = engines.map((engine) => {
      const samples = byEngine[engine];
      return samples
        ? [0, 1].map((i) => megabytes(median(samples.map((sample) => sample[i])))).join(' / ')
        : '';
    });
    body.push([name, ...cells]);
  }
  return markdown(['case', ...engines.map((engine) => NAMES[engine])], body);
}

export function describe(results, { engines, notes, count, runs }) {
  return [
    `${count.toLocaleString('en')} entries of 16 + 100 bytes, LZ4, Bloom filter of 10 bits a key. Median of ${runs}, each in a fresh process,`,
    'engines in turns. In brackets: how many times as fast as that engine SluiceDB is; above 1 SluiceDB is ahead.',
    '',
    'Scans: best of three passes. Ingest: files moved into an empty database, durable when the call returns; `commit alone` is what',
    'is left once `txn.ingest()` has staged the files, and stands beside the whole unchecked call of RocksDB, which has one call for both.',
    '',
    ...notes.flatMap((note) => [note, '']),
    speeds(results, engines),
    '',
    'Memory (peak above the input held in memory) and bytes written to the device by the process, in MB:',
    '',
    resources(results, engines),
  ].join('\n');
}

export function writeResults(path, text, args) {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${cpus().length} x ${cpus()[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  const shown = args.filter((arg, i) => !arg.startsWith('--dir') && args[i - 1] !== '--dir');
  const page = [
    '# Benchmark results',
    '',
    `- Command: \`${['npm run bench --', ...shown].join(' ')}\``,
    `- Commit: ${commit}`,
    `- Machine: ${machine}, ${process.platform} ${process.arch}`,
    '',
    text,
    '',
  ];
  writeFileSync(path, page.join('\n'));
}
