/** bench/results.svg: a bar for each ratio, on a scale of doublings; to the right of the line SluiceDB is ahead. */

import { ENGINES } from './cases.mjs';
import { rowsOf } from './verdict.mjs';

const COLORS = {
  lmdb: ['#2f6fde', '#6ea3ff'],
  'classic-level': ['#b7791f', '#e0aa4e'],
  'better-sqlite3': ['#7a5bc7', '#ab92f0'],
  rocksdb: ['#15803d', '#4cc27a'],
  'rocksdb-node': ['#0f8a8a', '#45c4c4'],
};

const WIDTH = 860;
const LABEL_WIDTH = 300;
/** Between labels and the shortest bar, for its number; and to the right of the longest. */
const LEFT = 40;
const RIGHT = 44;
const BAR = 10;
const GAP = 3;
const ROW_GAP = 12;
const TOP = 60;
/** Ratios beyond the ends are drawn as long as the end; their number says what they are. */
const LEAST = 1 / 8;
const MOST = 32;
const TICKS = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32];

const x = (ratio) => {
  const part = Math.log2(Math.min(MOST, Math.max(LEAST, ratio)) / LEAST) / Math.log2(MOST / LEAST);
  return Math.round(LABEL_WIDTH + LEFT + part * (WIDTH - LABEL_WIDTH - LEFT - RIGHT));
};

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const shown = (ratio) => `${ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(ratio < 1 ? 2 : 1)}x`;

function style() {
  const rules = (at) =>
    Object.entries(COLORS).map(([engine, colors]) => `.${engine} { fill: ${colors[at]}; }`);
  return [
    'text { font: 12px system-ui, sans-serif; fill: #1f2328; }',
    '.small { font-size: 10px; fill: #59636e; } .title { font-size: 14px; font-weight: 600; }',
    '.grid { stroke: #d1d9e0; } .even { stroke: #1f2328; stroke-width: 1.5; }',
    ...rules(0),
    '@media (prefers-color-scheme: dark) {',
    'text { fill: #e6edf3; } .small { fill: #9198a1; } .grid { stroke: #3d444d; } .even { stroke: #e6edf3; }',
    ...rules(1),
    '}',
  ].join('\n');
}

function legend(engines) {
  let at = 12;
  return engines.map((engine) => {
    const parts = [
      `<rect class="${engine}" x="${at}" y="28" width="10" height="10" rx="2"/>`,
      `<text class="small" x="${at + 14}" y="37">against ${escaped(ENGINES[engine])}</text>`,
    ];
    at += 34 + 5.5 * `against ${ENGINES[engine]}`.length;
    return parts.join('');
  });
}

function bars(row, top) {
  const ratios = Object.entries(row.ratios);
  const height = ratios.length * (BAR + GAP) - GAP;
  const parts = [
    `<text x="${LABEL_WIDTH - 12}" y="${top + height / 2 + 4}" text-anchor="end">${escaped(row.label)}</text>`,
  ];
  for (const [i, [engine, ratio]] of ratios.entries()) {
    const y = top + i * (BAR + GAP);
    const [from, to] = [x(1), x(ratio)].sort((a, b) => a - b);
    parts.push(
      `<rect class="${engine}" x="${from}" y="${y}" width="${Math.max(1, to - from)}" height="${BAR}" rx="2"/>`,
      ratio >= 1
        ? `<text class="small" x="${to + 4}" y="${y + 9}">${shown(ratio)}</text>`
        : `<text class="small" x="${from - 4}" y="${y + 9}" text-anchor="end">${shown(ratio)}</text>`,
    );
  }
  return { parts, height };
}

const SPEEDS = ['rate', 'ms'];
const isDrawn = ({ label, unit, ratios }) =>
  SPEEDS.includes(unit) && Object.keys(ratios).length > 0 && !label.startsWith('…');

/** Rows of speed that set SluiceDB against others; those that begin with … are details of the one before. */
export function draw(results) {
  const rows = rowsOf(results).filter(isDrawn);
  const engines = Object.keys(COLORS).filter((engine) => rows.some((row) => engine in row.ratios));
  const body = [];
  let top = TOP;
  for (const row of rows) {
    const { parts, height } = bars(row, top);
    body.push(...parts);
    top += height + ROW_GAP;
  }
  const grid = TICKS.map((tick) => {
    const label = tick < 1 ? `1/${1 / tick}` : `${tick}x`;
    return [
      `<line class="${tick === 1 ? 'even' : 'grid'}" x1="${x(tick)}" y1="${TOP - 6}" x2="${x(tick)}" y2="${top}"/>`,
      `<text class="small" x="${x(tick)}" y="${top + 14}" text-anchor="middle">${label}</text>`,
    ].join('');
  });
  const height = top + 24;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title">`,
    '<title id="title">How many times as fast as other stores SluiceDB is</title>',
    `<style>${style()}</style>`,
    '<text class="title" x="12" y="20">How many times as fast as others SluiceDB is (right of the line: ahead)</text>',
    ...legend(engines),
    ...grid,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}
