/** The options of delimited text, checked and with their defaults. */

import { equalRanges } from '../../base/bytes.ts';
import { checkExtraction } from '../columns/extraction-plan.ts';
import type { PlainText } from './delimited-records.ts';
import { DelimitedScanner, type Dialect, QUOTED } from './delimited-scanner.ts';
import type { DelimitedSpec, ExtractionSpec } from './format-spec.ts';
import { checkedRowBytes } from './row-window.ts';

const COLUMNS_MAX = 16_384;

export class DelimitedSettings {
  readonly extraction: ExtractionSpec;
  readonly header: boolean | readonly string[];
  readonly skipLines: number;
  readonly rowBytesMax: number;
  /** Plain text: the last column has the rest of the line. */
  readonly lastTakesRest: boolean;
  readonly #dialect: Dialect;
  readonly #null: Uint8Array | undefined;

  /** @throws TypeError naming the option that is wrong */
  constructor(spec: DelimitedSpec) {
    checkExtraction(spec);
    const { separator = spec.format === 'csv' ? ',' : '\t', header = spec.format !== 'text' } = spec;
    const quote = spec.quote ?? (spec.format === 'csv' ? '"' : '');
    const quoteByte = oneByte(quote, 'options.quote');
    const escapeByte = spec.escape === undefined ? quoteByte : oneByte(spec.escape, 'options.escape');
    if (typeof separator !== 'string' || separator === '' || /[\r\n]/.test(separator))
      throw new TypeError('options.separator must be a character or more, and no line end');
    if (quote !== '' && separator.includes(quote))
      throw new TypeError('options.separator must not contain the quote');
    this.#dialect = {
      separator: Buffer.from(separator),
      quote: quoteByte,
      escape: escapeByte,
      comment: spec.comment ? Buffer.from(spec.comment) : undefined,
    };
    const named =
      Array.isArray(header) && header.length > 0 && header.every((name) => typeof name === 'string');
    if (!named && typeof header !== 'boolean')
      throw new TypeError('options.header must be a boolean or a list of names');
    this.header = header;
    this.skipLines = checkedLines(spec.skipLines ?? 0);
    this.rowBytesMax = checkedRowBytes(spec.rowBytesMax);
    this.lastTakesRest = spec.format === 'text';
    this.extraction = spec;
    this.#null = spec.nullText === undefined ? undefined : Buffer.from(spec.nullText);
  }

  scanner(): DelimitedScanner {
    return new DelimitedScanner(this.#dialect, COLUMNS_MAX);
  }

  /** What plain rows are made of; undefined: none of them can be told without the scanner. */
  get plainText(): PlainText | undefined {
    const { separator, quote, comment } = this.#dialect;
    const [first, ...more] = separator;
    const isPlain =
      more.length === 0 && comment === undefined && this.#null === undefined && !this.lastTakesRest;
    if (!isPlain || first === undefined) return undefined;
    return { separator: first, quote, rowBytesMax: this.rowBytesMax };
  }

  /** The text that stands for null, unless it is quoted. */
  isNull(bytes: Uint8Array, from: number, to: number, marks: number): boolean {
    const text = this.#null;
    if (text === undefined || marks === QUOTED) return false;
    return equalRanges(bytes, from, to - from, text, 0, text.length);
  }

  /** Takes the escapes out of a quoted field; returns the length of what is left. */
  unescape(bytes: Uint8Array, from: number, to: number, target: Uint8Array): number {
    const { quote, escape: escaping } = this.#dialect;
    let length = 0;
    for (let i = from; i < to; i++) {
      const byte = bytes[i] as number;
      const next = i + 1 < to ? bytes[i + 1] : undefined;
      const escapes = byte === escaping && (next === quote || next === escaping);
      // Within a field a quote stands only where another one escapes it.
      if (escapes || (byte === quote && next === quote)) i++;
      target[length++] = bytes[i] as number;
    }
    return length;
  }
}

function oneByte(character: unknown, argument: string): number | undefined {
  if (character === '') return undefined;
  const byte = typeof character === 'string' && character.length === 1 ? character.charCodeAt(0) : 256;
  if (byte > 127 || byte === 10 || byte === 13)
    throw new TypeError(`${argument} must be one ASCII character, or '' for none`);
  return byte;
}

function checkedLines(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`options.skipLines must be a whole number; got ${String(value)}`);
}
