/** Keys, ranges of them, and the entries of files. */

import { compareBytes } from '../../base/bytes.ts';
import type { LineScanner, Token } from './line-scanner.ts';
import type { FileEntry, Interval } from './syntax.ts';

/** Keys that numbered ranges (`k00..k99`) may make in one scenario: a short text must not ask for hours of work. */
const KEYS_MAX = 100_000;

export class KeyBudget {
  #left = KEYS_MAX;

  take(line: LineScanner, count: number, token: Token): void {
    this.#left -= count;
    if (this.#left < 0) line.fail(`a scenario may name at most ${KEYS_MAX} keys`, token.place);
  }
}

/** A key, or several numbered ones: `k000..k998 by 2`. */
export function keysOf(line: LineScanner, budget: KeyBudget): readonly Buffer[] {
  const first = line.token('a key');
  if (!line.trySymbol('..')) {
    budget.take(line, 1, first);
    return [first.bytes];
  }
  const last = line.token('the last key of the range');
  const step = line.tryWord('by') ? line.count('the step', KEYS_MAX) : 1;
  const [from, to] = [numbered(first), numbered(last)];
  if (from === undefined || to === undefined || from.prefix !== to.prefix || from.digits !== to.digits) {
    line.fail('a range of keys needs both ends alike but for their numbers, as k000..k999', first.place);
  }
  if (from.number > to.number || step === 0) line.fail('a range of keys must ascend', first.place);
  const count = Math.floor((to.number - from.number) / step) + 1;
  budget.take(line, count, first);
  return Array.from({ length: count }, (_, i) =>
    Buffer.from(from.prefix + String(from.number + i * step).padStart(from.digits, '0')),
  );
}

function numbered({ text }: Token): { prefix: string; number: number; digits: number } | undefined {
  const digits = /\d{1,9}$/.exec(text)?.[0];
  if (digits === undefined) return undefined;
  return { prefix: text.slice(0, -digits.length), number: Number(digits), digits: digits.length };
}

/** `[a, b)`, `(a, b]`, `[a, )`, `(, b)`, `prefix p`; undefined when none of them comes next. */
export function intervalOf(line: LineScanner): Interval | undefined {
  if (line.tryWord('prefix')) return prefixInterval(line.token('a prefix').bytes);
  const open = line.trySymbol('[') ? '[' : line.trySymbol('(') ? '(' : undefined;
  if (open === undefined) return undefined;
  const from = line.trySymbol(',') ? undefined : line.token('a key, or "," for no bound').bytes;
  if (from !== undefined) line.symbol(',', 'between the bounds');
  const lower = from === undefined ? {} : open === '[' ? { gte: from } : { gt: from };
  if (line.trySymbol(')') || line.trySymbol(']')) return lower;
  const to = line.token('a key, or ")" for no bound').bytes;
  if (line.trySymbol(')')) return { ...lower, lt: to };
  line.symbol(']', 'or ")" after the bounds');
  return { ...lower, lte: to };
}

/** Up to the first key that does not begin with it: its last byte below 0xff is raised by one. */
function prefixInterval(prefix: Buffer): Interval {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return { gte: prefix };
  const end = Buffer.from(prefix.subarray(0, length));
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return { gte: prefix, lt: end };
}

/** `{a: 1, b: deleted, k00..k99: v}`, sorted as a file has them. */
export function parseEntries(line: LineScanner, budget: KeyBudget): FileEntry[] {
  const { place } = line;
  line.symbol('{', 'and the entries of a file');
  const entries: FileEntry[] = [];
  if (!line.trySymbol('}')) {
    do {
      const keys = keysOf(line, budget);
      line.symbol(':', 'between key and value');
      const token = line.token('a value, or deleted');
      const value = token.quoted || token.text !== 'deleted' ? token.bytes : undefined;
      for (const key of keys) entries.push({ key, value });
    } while (line.trySymbol(','));
    line.symbol('}', 'or "," after an entry');
  }
  entries.sort((a, b) => compareBytes(a.key, b.key));
  for (const [i, { key }] of entries.entries()) {
    const next = entries[i + 1];
    if (next !== undefined && compareBytes(key, next.key) === 0) {
      line.fail(`a file has each key once; ${key.toString().slice(0, 40)} is there twice`, place);
    }
  }
  return entries;
}
