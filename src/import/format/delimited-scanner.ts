/**
 * Rows of delimited text, byte by byte: RFC 4180, with what files in the field have besides.
 *
 * - A row ends at LF, CRLF or CR, the last one also at the end of the source; empty lines are no rows.
 * - A field that begins with the quote runs to the next quote that stands alone; two of them are one. Separators and line
 *   ends in it are data. With an escape character, it makes a quote, or itself, data.
 * - A quote within a field that does not begin with one is data.
 * - A row is bad where text follows a closing quote, and where a quote is not closed before the source ends.
 *
 * The scanner stops anywhere and goes on with more bytes, so that no byte is looked at twice; its state is what it has
 * seen of the row. Positions are in the array given, which the caller may move (`shift`).
 */

import { assert, unreachable } from '../../base/assert.ts';

/** What a line begins with that is left out, and how fields are told apart. */
export interface Dialect {
  readonly separator: Uint8Array;
  /** One byte each; undefined: there is none. */
  readonly quote: number | undefined;
  readonly escape: number | undefined;
  readonly comment: Uint8Array | undefined;
}

/** What is wrong with a row. */
export type RowDefect = 'none' | 'text-after-quote' | 'open-quote';

/** Of a field: quoted, and with quotes in it that are escaped. */
export const QUOTED = 1;
export const ESCAPED = 2;

type State =
  | 'row' // before a row
  | 'comment'
  | 'field' // before a field
  | 'plain' // in a field without quotes
  | 'quoted'
  | 'escape' // behind an escape character in quotes
  | 'closed'; // behind a quote in quotes: the end of the field, or one half of two

const LF = 10;
const CR = 13;

export class DelimitedScanner {
  /** Of the row found: its bytes without the line end, and where the next one begins. */
  rowFrom = 0;
  rowTo = 0;
  at = 0;
  defect: RowDefect = 'none';
  /** Of the last field that was quoted. */
  quoteFrom = 0;
  /** The last of so many fields has the rest of its line, separators included. */
  fieldsMax = Number.POSITIVE_INFINITY;
  /** Fields of the row; of those beyond the arrays only the number is known. */
  fields = 0;
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly marks: Uint8Array;

  readonly #separator: Uint8Array;
  readonly #first: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #comment: Uint8Array | undefined;
  /** 1 for each byte that may end a plain field. */
  readonly #ends = new Uint8Array(256);
  #state: State = 'row';

  constructor(dialect: Dialect, fieldsKept: number) {
    assert(dialect.separator.length > 0, 'a separator without bytes');
    this.#separator = dialect.separator;
    this.#first = dialect.separator[0] as number;
    this.#quote = dialect.quote ?? -1;
    this.#escape = dialect.escape ?? -1;
    this.#comment = dialect.comment;
    for (const byte of [this.#first, LF, CR]) this.#ends[byte] = 1;
    this.from = new Int32Array(fieldsKept);
    this.to = new Int32Array(fieldsKept);
    this.marks = new Uint8Array(fieldsKept);
  }

  /** True while a row has begun and not ended. */
  get inRow(): boolean {
    return this.#state !== 'row' && this.#state !== 'comment';
  }

  /** The bytes have moved to the front by so many. */
  shift(by: number): void {
    this.at -= by;
    this.rowFrom -= by;
    this.quoteFrom -= by;
    const known = Math.min(this.fields + 1, this.from.length);
    for (let i = 0; i < known; i++) {
      this.from[i] = (this.from[i] as number) - by;
      this.to[i] = (this.to[i] as number) - by;
    }
  }

  /** Goes on at `at`, up to `end`: true when a row is complete. `last`: the source has no more. */
  next(bytes: Uint8Array, end: number, last: boolean): boolean {
    for (;;) {
      switch (this.#state) {
        case 'row':
          if (!this.#beginRow(bytes, end, last)) return false;
          break;
        case 'comment':
          if (!this.#skipLine(bytes, end)) return false;
          break;
        case 'field':
        case 'plain':
          if (this.#plain(bytes, end, last)) return true;
          if (!this.#inQuotes()) return false;
          break;
        case 'quoted':
        case 'escape':
          if (!this.#quoted(bytes, end)) return last && this.#endOpen(end);
          break;
        case 'closed':
          if (this.#closed(bytes, end, last)) return true;
          if (this.#state === 'closed') return false;
          break;
        default:
          return unreachable(this.#state);
      }
    }
  }

  #inQuotes(): boolean {
    return this.#state === 'quoted';
  }

  #beginRow(bytes: Uint8Array, end: number, last: boolean): boolean {
    let at = this.at;
    // That also takes the LF of a CRLF, whose CR ended the row before.
    while (at < end && (bytes[at] === LF || bytes[at] === CR)) at++;
    this.at = at;
    this.rowFrom = at;
    if (at === end) return false;
    this.fields = 0;
    this.defect = 'none';
    this.#state = 'field';
    if (this.#comment === undefined || bytes[at] !== this.#comment[0]) return true;
    const found = find(this.#comment, bytes, at, end);
    if (found === 'cut' && !last) {
      this.#state = 'row';
      return false;
    }
    if (found === 'yes') this.#state = 'comment';
    return true;
  }

  #skipLine(bytes: Uint8Array, end: number): boolean {
    let at = this.at;
    while (at < end && bytes[at] !== LF && bytes[at] !== CR) at++;
    this.at = at;
    if (at === end) return false;
    this.#state = 'row';
    return true;
  }

  /** Fields without quotes, from the beginning of one or within one; stops at a quote that begins a field. */
  #plain(bytes: Uint8Array, end: number, last: boolean): boolean {
    const ends = this.#ends;
    const quote = this.#quote;
    const first = this.#first;
    const single = this.#separator.length === 1;
    const known = this.from.length;
    let at = this.at;
    let n = this.fields;
    let inField = this.#state === 'plain';
    for (;;) {
      if (!inField) {
        if (n < known) {
          this.from[n] = at;
          this.marks[n] = 0;
        }
        if (at < end && bytes[at] === quote) {
          this.fields = n;
          this.at = at + 1;
          this.quoteFrom = at;
          if (n < known) this.marks[n] = QUOTED;
          if (n < known) this.from[n] = at + 1;
          this.#state = 'quoted';
          return false;
        }
        if (at === end && !last) break;
        inField = true;
      }
      while (at < end && ends[bytes[at] as number] === 0) at++;
      if (at === end && !last) break;
      if (at < end && bytes[at] === first) {
        const found = single ? 'yes' : find(this.#separator, bytes, at, end);
        if (found === 'cut' && !last) break;
        if (found !== 'yes' || n + 1 >= this.fieldsMax) {
          at++;
          continue;
        }
        if (n < known) this.to[n] = at;
        n++;
        at += this.#separator.length;
        inField = false;
        continue;
      }
      if (n < known) this.to[n] = at;
      this.fields = n + 1;
      this.#endRow(at, end);
      return true;
    }
    this.fields = n;
    this.at = at;
    this.#state = inField ? 'plain' : 'field';
    return false;
  }

  /** True at the quote that may close the field. */
  #quoted(bytes: Uint8Array, end: number): boolean {
    const quote = this.#quote;
    const escaping = this.#escape;
    let at = this.at;
    if (this.#state === 'escape' && at < end) {
      if (bytes[at] === quote || bytes[at] === escaping) {
        this.#mark(ESCAPED);
        at++;
      }
      this.#state = 'quoted';
    }
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      // As in most dialects, the quote may escape itself even where another character can.
      if (byte === escaping && escaping !== quote) {
        if (at + 1 === end) {
          this.#state = 'escape';
          at++;
          break;
        }
        if (bytes[at + 1] === quote || bytes[at + 1] === escaping) {
          this.#mark(ESCAPED);
          at++;
        }
        continue;
      }
      if (byte !== quote) continue;
      if (this.fields < this.to.length) this.to[this.fields] = at;
      this.at = at + 1;
      this.#state = 'closed';
      return true;
    }
    this.at = at;
    return false;
  }

  /** Behind a quote in quotes. True: it closed the last field of the row. */
  #closed(bytes: Uint8Array, end: number, last: boolean): boolean {
    const at = this.at;
    if (at === end && !last) return false;
    const byte = at === end ? LF : (bytes[at] as number);
    if (byte === this.#quote) {
      this.#mark(ESCAPED);
      this.at = at + 1;
      this.#state = 'quoted';
      return false;
    }
    if (byte === this.#first) {
      const found = find(this.#separator, bytes, at, end);
      if (found === 'cut' && !last) return false;
      if (found === 'yes') {
        this.fields++;
        this.at = at + this.#separator.length;
        this.#state = 'field';
        return false;
      }
    } else if (byte === LF || byte === CR) {
      this.fields++;
      this.#endRow(at, end);
      return true;
    }
    this.defect = 'text-after-quote';
    this.#state = 'plain';
    return false;
  }

  /** The source ended within quotes. */
  #endOpen(end: number): boolean {
    this.defect = 'open-quote';
    if (this.fields < this.to.length) this.to[this.fields] = end;
    this.fields++;
    this.rowTo = end;
    this.at = end;
    this.#state = 'row';
    return true;
  }

  #endRow(at: number, end: number): void {
    this.rowTo = at;
    this.#state = 'row';
    this.at = at === end ? at : at + 1;
  }

  #mark(mark: number): void {
    if (this.fields < this.marks.length) this.marks[this.fields] = (this.marks[this.fields] as number) | mark;
  }
}

/** Whether `what` stands at a place; 'cut': as far as there are bytes. */
function find(what: Uint8Array, bytes: Uint8Array, at: number, end: number): 'yes' | 'no' | 'cut' {
  for (let i = 0; i < what.length; i++) {
    if (at + i >= end) return 'cut';
    if (bytes[at + i] !== what[i]) return 'no';
  }
  return 'yes';
}
