/** One line of a scenario, taken apart from left to right; every error has its column. */

import { isSluiceError } from '../../base/errors.ts';
import { unescapeText } from '../text.ts';
import { type Place, ScenarioError } from './syntax.ts';

/** Bare words: what needs no quotes. Two dots are a range, so a word has single ones only. */
const WORD = /(?:[A-Za-z0-9_/+@%~$*-]|\.(?!\.))+/y;
/** Where a statement ends: what is expected of it, or a comment. */
const TAIL = /(?:->|!!|#)/y;

export interface Token {
  readonly bytes: Buffer;
  /** As typed, without quotes. */
  readonly text: string;
  readonly quoted: boolean;
  readonly place: Place;
}

export class LineScanner {
  readonly text: string;
  readonly line: number;
  #at = 0;

  constructor(text: string, line: number) {
    this.text = text;
    this.line = line;
  }

  /** Column from 0. */
  get at(): number {
    return this.#at;
  }

  get place(): Place {
    this.#skipSpace();
    return { line: this.line, column: this.#at + 1 };
  }

  /** At the end of the statement. */
  get done(): boolean {
    this.#skipSpace();
    return this.#at >= this.text.length || (this.#afterSpace && this.#match(TAIL) !== undefined);
  }

  skip(chars: number): void {
    this.#at += chars;
  }

  fail(message: string, place = this.place): never {
    throw new ScenarioError(place, message);
  }

  /** Takes the word if it comes next. */
  tryWord(word: string): boolean {
    this.#skipSpace();
    if (this.done || this.#match(WORD) !== word) return false;
    this.#at += word.length;
    return true;
  }

  trySymbol(symbol: string): boolean {
    this.#skipSpace();
    if (!this.text.startsWith(symbol, this.#at)) return false;
    this.#at += symbol.length;
    return true;
  }

  symbol(symbol: string, why: string): void {
    if (!this.trySymbol(symbol)) this.fail(`expected "${symbol}" ${why}; found ${this.#found()}`);
  }

  /** A bare word. */
  word(what: string): string {
    const word = this.done ? undefined : this.#match(WORD);
    if (word === undefined) this.fail(`expected ${what}; found ${this.#found()}`);
    this.#at += word.length;
    return word;
  }

  /** A name of a session, file, savepoint or snapshot. */
  name(what: string): string {
    const { place } = this;
    const name = this.word(what);
    if (!/^[A-Za-z][\w-]{0,63}$/.test(name)) {
      this.fail(`${what} must be letters, digits, _ and -, beginning with a letter, 64 at most`, place);
    }
    return name;
  }

  count(what: string, max: number): number {
    const { place } = this;
    const word = this.word(what);
    if (/^\d{1,9}$/.test(word) && Number(word) <= max) return Number(word);
    return this.fail(`${what} must be a whole number, ${max} at most; found ${shorten(word)}`, place);
  }

  /** A key or value: a bare word or a quoted text. */
  token(what: string): Token {
    const { place } = this;
    if (!this.done && this.text.startsWith('"', this.#at)) return this.#quoted(place);
    const text = this.word(what);
    return { bytes: Buffer.from(text), text, quoted: false, place };
  }

  /** What is left when the statement has been read: where its parts are. */
  tail(): { expectationAt: number; commentAt: number } {
    if (!this.done) this.fail(`expected the end of the statement; found ${this.#found()}`);
    const expected = this.text.startsWith('#', this.#at) || this.#at >= this.text.length ? -1 : this.#at;
    let quoted = false;
    for (let i = this.#at; i < this.text.length; i++) {
      const char = this.text[i];
      if (char === '\\' && quoted) i++;
      else if (char === '"') quoted = !quoted;
      else if (char === '#' && !quoted && /(^|\s)$/.test(this.text.slice(Math.max(0, i - 1), i)))
        return { expectationAt: expected, commentAt: i };
    }
    return { expectationAt: expected, commentAt: -1 };
  }

  #quoted(place: Place): Token {
    let raw = '';
    for (let i = this.#at + 1; i < this.text.length; i++) {
      const char = this.text.charAt(i);
      if (char === '"') {
        this.#at = i + 1;
        return { bytes: this.#unescape(raw, place), text: raw, quoted: true, place };
      }
      if (char !== '\\') raw += char;
      else {
        const escaped = this.text.charAt(++i);
        raw += escaped === '"' ? '\\x22' : `\\${escaped}`;
      }
    }
    return this.fail('the quoted text has no end', place);
  }

  #unescape(raw: string, place: Place): Buffer {
    try {
      return Buffer.from(unescapeText(Buffer.from(raw), 'the quoted text'));
    } catch (error) {
      if (isSluiceError(error)) return this.fail(error.message, place);
      throw error;
    }
  }

  get #afterSpace(): boolean {
    return this.#at === 0 || /\s/.test(this.text.charAt(this.#at - 1));
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.text)?.[0];
  }

  #skipSpace(): void {
    while (this.#at < this.text.length && /\s/.test(this.text.charAt(this.#at))) this.#at++;
  }

  #found(): string {
    if (this.done) return 'the end of the statement';
    return shorten(this.#match(WORD) ?? this.text.charAt(this.#at));
  }
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
