/** What a statement gave, in the words that a scenario file has for it. */

import { unreachable } from '../../base/assert.ts';
import { isSluiceError } from '../../base/errors.ts';
import type { Blocker } from '../../levels/placement.ts';
import type { IngestPlan } from '../../txn/explain.ts';
import { DEFAULT_KEYSPACE } from '../../txn/record.ts';
import type { KeyspaceStats } from '../../txn/stats.ts';
import { entriesText, escapeText, plural } from '../text.ts';
import type { Expectation, Step } from './syntax.ts';

export type Outcome =
  /** Done, with nothing to tell. */
  | { readonly kind: 'ok' }
  | { readonly kind: 'result'; readonly text: string }
  | { readonly kind: 'lines'; readonly lines: readonly string[] }
  | { readonly kind: 'error'; readonly text: string; readonly message: string };

export const OK: Outcome = { kind: 'ok' };

export function result(text: string): Outcome {
  return { kind: 'result', text };
}

/** What the library throws at its users; anything else is thrown on. */
export function outcomeOfError(error: unknown): Outcome {
  if (error instanceof TypeError) {
    return { kind: 'error', text: `TypeError: ${error.message}`, message: error.message };
  }
  if (!isSluiceError(error)) throw error;
  const { code, conflict, message } = error;
  if (conflict === undefined) return { kind: 'error', text: code, message };
  const { key, keyspace } = conflict;
  if (key === undefined) return { kind: 'error', text: `${code} on keyspace ${keyspace}`, message };
  const where = keyspace === DEFAULT_KEYSPACE ? '' : ` in ${keyspace}`;
  return { kind: 'error', text: `${code} on key ${tokenText(key)}${where}`, message };
}

/** As it can be typed: a bare word where it is one, else in quotes. */
export function tokenText(bytes: Uint8Array): string {
  const text = escapeText(bytes);
  if (/^[\w/+@%~$*.:-]+$/.test(text) && !['none', 'empty', 'deleted'].includes(text)) return text;
  return `"${text.replaceAll('"', '\\"')}"`;
}

export function valuesText(values: readonly (Uint8Array | undefined)[]): string {
  return values.map((value) => (value === undefined ? 'none' : tokenText(value))).join(' ');
}

const ENTRIES_SHOWN_MAX = 10;
/** Of more entries: so many of the first and of the last. */
const ENDS_SHOWN = 2;

export function scanText(entries: readonly (readonly [Uint8Array, Uint8Array])[]): string {
  if (entries.length === 0) return 'empty';
  const texts = entries.map(([key, value]) => `${tokenText(key)}=${tokenText(value)}`);
  if (texts.length <= ENTRIES_SHOWN_MAX) return texts.join(' ');
  const ends = [...texts.slice(0, ENDS_SHOWN), '…', ...texts.slice(-ENDS_SHOWN)];
  return `${ends.join(' ')} (${entriesText(texts.length)})`;
}

/** Range tombstones are not told of: they are collected at a time of their own. */
export function levelLines({ memtableEntries, levels }: KeyspaceStats): string[] {
  const lines = levels.flatMap(({ tables, entries }, level) =>
    tables === 0 ? [] : [`level ${level}: ${plural(tables, 'table')}, ${entriesText(entries)}`],
  );
  if (memtableEntries > 0) lines.unshift(`memtable: ${entriesText(memtableEntries)}`);
  return lines.length === 0 ? ['empty'] : lines;
}

export function planLines(name: string, { level, blockers }: IngestPlan): string[] {
  const blocked = blockers.map((blocker) => `  not level ${blocker.level}: ${blockerText(blocker)}`);
  return [`${name}: level ${level}`, ...blocked];
}

function blockerText(blocker: Blocker): string {
  switch (blocker.kind) {
    case 'table':
      return `a table has ${spanText(blocker.table)}`;
    case 'earlier':
      return `an earlier file has ${spanText(blocker.earlier)}`;
    case 'reservation':
      return `${blocker.reservation.owner} has ${spanText(blocker.reservation)}`;
    default:
      return unreachable(blocker);
  }
}

function spanText({ smallest, largest }: { smallest: Uint8Array; largest: Uint8Array }): string {
  return `${tokenText(smallest)} … ${tokenText(largest)}`;
}

/** What a step gave, at each attempt of the transaction function that it is in, as the file would say it. */
export function expectationOf(outcomes: readonly Outcome[]): Expectation {
  const inline: string[] = [];
  const lines: string[] = [];
  for (const outcome of outcomes) {
    if (outcome.kind === 'result') inline.push(`-> ${outcome.text}`);
    else if (outcome.kind === 'error') inline.push(`!! ${outcome.text}`);
    else if (outcome.kind === 'lines') lines.push(...outcome.lines);
  }
  return { inline: inline.join(' '), lines };
}

/** A statement of which nothing is expected must not fail; what else it gives is not asked. */
export function agrees({ expected }: Step, outcomes: readonly Outcome[]): boolean {
  const actual = expectationOf(outcomes);
  if (expected.inline === '' && expected.lines.length === 0) {
    return outcomes.every(({ kind }) => kind !== 'error');
  }
  return sameWords(expected.inline, actual.inline) && sameLines(expected.lines, actual.lines);
}

export function sameLines(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, i) => sameWords(line, b[i] ?? ''));
}

/** Alike but for the amount of white space. */
export function sameWords(a: string, b: string): boolean {
  return a.trim().split(/\s+/).join(' ') === b.trim().split(/\s+/).join(' ');
}
