/** From samples to medians, ratios and verdicts: what both the tables and the picture show. */

import { makeCases } from './cases.mjs';

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/**
 * Every row measured, in the order of cases.mjs:
 * { name, record, label, unit, values: { engine → median }, notYet, ratios: { engine → ratio }, verdicts }.
 * A ratio says how many times as good as that engine SluiceDB is, whether large figures are good or small ones.
 */
export function rowsOf(results) {
  const order = makeCases({ scale: 1 }).cases.map((one) => one.name);
  return order
    .filter((name) => name in results)
    .flatMap((name) => {
      const record = results[name];
      const one = makeCases({ scale: record.scale }).cases.find((other) => other.name === name);
      return Object.entries(one.rows).map(([key, row]) => ({ name, record, ...judge(record, key, row) }));
    });
}

function judge(record, key, { label, unit, targets }) {
  const values = {};
  for (const [engine, { rows }] of Object.entries(record.engines))
    if (rows[key]) values[engine] = median(rows[key]);
  const ours = values.sluice;
  const ratios = {};
  for (const [engine, theirs] of Object.entries(values)) {
    // Memory beyond a budget may be less than nothing.
    if (engine === 'sluice' || !(ours > 0 && theirs > 0)) continue;
    ratios[engine] = unit === 'rate' ? ours / theirs : theirs / ours;
  }
  const verdicts = Object.entries(targets).map(([against, target]) =>
    against in SIGNS ? limit(against, ours, target) : ahead(against, ratios[against], target),
  );
  return { label, unit, values, ratios, verdicts, notYet: record.engines.sluice?.notYet };
}

const percent = (part) => `${Math.max(1, Math.round(part * 100))} %`;

/** Of targets that bind SluiceDB's own figure. */
const SIGNS = { atMost: '≤', atLeast: '≥' };

function limit(bound, value, target) {
  const over = bound === 'atMost' ? value / target : target / value;
  const result = value === undefined ? 'not measured' : over <= 1 ? 'met' : 'missed';
  const by = result !== 'missed' ? '' : percent(bound === 'atMost' ? over - 1 : 1 - value / target);
  return { against: undefined, sign: SIGNS[bound], target, result, by };
}

function ahead(against, ratio, target) {
  const result = ratio === undefined ? 'not measured' : ratio >= target ? 'met' : 'missed';
  return { against, target, result, by: result === 'missed' ? percent(1 - ratio / target) : '' };
}
