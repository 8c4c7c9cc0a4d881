/**
 * JSON text checked byte by byte, and the values of paths found in it, without an object being made: as ranges of the text,
 * so that no digit is lost. Takes what JSON.parse takes, and as there the last of members with the same name counts.
 */

import { isUtf8 } from 'node:buffer';
import { ByteWriter } from '../../base/byte-writer.ts';
import { ABSENT, type CellKind, type Cells, FALSE, JSON_TEXT, NULL, NUMBER, TEXT, TRUE } from './cells.ts';
import { type PathNode, pathTree } from './json-path.ts';

const DEPTH_MAX = 1000;

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

const LITERALS: ReadonlyMap<number, readonly [CellKind, string]> = new Map([
  [116, [TRUE, 'true']],
  [102, [FALSE, 'false']],
  [110, [NULL, 'null']],
]);

/** 1 for the characters that may follow a backslash, `u` aside. */
const ESCAPES = new Uint8Array(256);
for (const character of '"\\/bfnrt') ESCAPES[character.charCodeAt(0)] = 1;

export class JsonScanner {
  readonly #root: PathNode;
  readonly #cells: Cells;
  /** Of strings with escapes, one for each cell. */
  readonly #unescaped: ByteWriter[];
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #kind: CellKind = ABSENT;
  /** Of the string that was read last. */
  #escaped = false;
  #ascii = true;

  /** One cell for each path. */
  constructor(paths: readonly (string | number)[], cells: Cells) {
    this.#root = pathTree(paths);
    this.#cells = cells;
    this.#unescaped = paths.map(() => new ByteWriter(64));
  }

  /** Sets the cells. Why the range is no JSON value, with the place from its beginning; undefined: it is one. */
  scan(bytes: Uint8Array, from: number, to: number): string | undefined {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    this.#ascii = true;
    this.#reset(this.#root);
    const whole = this.#value(this.#root, 0);
    if (whole) this.#space();
    if (!whole || this.#at < to) {
      const what = this.#at < to ? `unexpected ${this.#shown()}` : 'it ends too early';
      return `it is no JSON: ${what} at byte ${this.#at - from} of the row`;
    }
    if (!this.#ascii && !isUtf8(bytes.subarray(from, to))) return 'it is not UTF-8';
    return undefined;
  }

  #shown(): string {
    const byte = this.#bytes[this.#at] as number;
    return byte > 32 && byte < 127
      ? String.fromCharCode(byte)
      : `byte 0x${byte.toString(16).padStart(2, '0')}`;
  }

  #reset(node: PathNode): void {
    for (const slot of node.slots) this.#cells.kinds[slot] = ABSENT;
    for (const child of node.children) this.#reset(child);
  }

  #space(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < this.#end) {
      const byte = bytes[at];
      if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) break;
      at++;
    }
    this.#at = at;
  }

  /** False: at `at` stands what may not. */
  #value(node: PathNode | undefined, depth: number): boolean {
    this.#space();
    const from = this.#at;
    const byte = this.#bytes[from] as number;
    if (from >= this.#end) return false;
    let good: boolean;
    if (byte === QUOTE) {
      this.#kind = TEXT;
      good = this.#string();
    } else if (byte === OPEN_OBJECT) good = depth < DEPTH_MAX && this.#object(node, depth + 1);
    else if (byte === OPEN_LIST) good = depth < DEPTH_MAX && this.#list(node, depth + 1);
    else if (byte === 45 || (byte >= 48 && byte <= 57)) good = this.#number();
    else good = this.#literal(byte);
    if (good && node !== undefined) for (const slot of node.slots) this.#found(slot, from);
    return good;
  }

  #found(slot: number, from: number): void {
    const text = this.#kind === TEXT;
    if (!text || !this.#escaped) {
      const quote = text ? 1 : 0;
      this.#cells.set(slot, this.#kind, this.#bytes, from + quote, this.#at - quote);
      return;
    }
    const out = this.#unescaped[slot] as ByteWriter;
    out.clear();
    out.text(this.#parsed(from, this.#at));
    this.#cells.set(slot, TEXT, out.bytes, 0, out.length);
  }

  /** A string of the text, as JavaScript has it. */
  #parsed(from: number, to: number): string {
    const text = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from, to - from).toString('utf8');
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : '';
  }

  #object(node: PathNode | undefined, depth: number): boolean {
    this.#at++;
    this.#space();
    if (this.#take(CLOSE_OBJECT)) return this.#composite();
    for (;;) {
      this.#space();
      if (this.#bytes[this.#at] !== QUOTE || this.#at >= this.#end) return false;
      const from = this.#at;
      if (!this.#string()) return false;
      const child = node === undefined ? undefined : this.#member(node, from, this.#at);
      this.#space();
      if (!this.#take(COLON) || !this.#value(child, depth)) return false;
      this.#space();
      if (this.#take(CLOSE_OBJECT)) return this.#composite();
      if (!this.#take(COMMA)) return false;
    }
  }

  /** The child that a name leads to; what an earlier member of that name had is forgotten. */
  #member(node: PathNode, from: number, to: number): PathNode | undefined {
    if (node.children.length === 0) return undefined;
    const name = this.#escaped ? this.#parsed(from, to) : undefined;
    for (const child of node.children) {
      if (name === undefined ? !this.#equals(child.utf8, from + 1, to - 1) : child.name !== name) continue;
      this.#reset(child);
      return child;
    }
    return undefined;
  }

  #equals(utf8: Uint8Array, from: number, to: number): boolean {
    if (utf8.length !== to - from) return false;
    for (let i = 0; i < utf8.length; i++) if (utf8[i] !== this.#bytes[from + i]) return false;
    return true;
  }

  #list(node: PathNode | undefined, depth: number): boolean {
    this.#at++;
    this.#space();
    if (this.#take(CLOSE_LIST)) return this.#composite();
    for (let index = 0; ; index++) {
      const child = node?.children.find((one) => one.index === index);
      if (!this.#value(child, depth)) return false;
      this.#space();
      if (this.#take(CLOSE_LIST)) return this.#composite();
      if (!this.#take(COMMA)) return false;
    }
  }

  #composite(): boolean {
    this.#kind = JSON_TEXT;
    return true;
  }

  #take(byte: number): boolean {
    if (this.#at >= this.#end || this.#bytes[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  #string(): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    let escaped = false;
    let high = 0;
    let at = this.#at + 1;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) {
        this.#at = at + 1;
        this.#escaped = escaped;
        if (high > 127) this.#ascii = false;
        return true;
      }
      if (byte === BACKSLASH) {
        escaped = true;
        const length = escapeLength(bytes, at, end);
        if (length === 0) break;
        at += length - 1;
      } else if (byte < 32) break;
      high |= byte;
    }
    this.#at = at;
    return false;
  }

  #number(): boolean {
    this.#kind = NUMBER;
    this.#take(45);
    if (!this.#take(48) && !this.#digits()) return false;
    if (this.#take(46) && !this.#digits()) return false;
    if (this.#take(101) || this.#take(69)) {
      if (!this.#take(43)) this.#take(45);
      return this.#digits();
    }
    return true;
  }

  #digits(): boolean {
    const from = this.#at;
    let at = from;
    while (at < this.#end && (this.#bytes[at] as number) >= 48 && (this.#bytes[at] as number) <= 57) at++;
    this.#at = at;
    return at > from;
  }

  #literal(byte: number): boolean {
    const literal = LITERALS.get(byte);
    if (literal === undefined) return false;
    const [kind, text] = literal;
    for (let i = 0; i < text.length; i++) if (!this.#take(text.charCodeAt(i))) return false;
    this.#kind = kind;
    return true;
  }
}

/** Of the escape at a backslash; 0: it is none. */
function escapeLength(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return 0;
  if (bytes[at + 1] !== 117) return ESCAPES[bytes[at + 1] as number] === 1 ? 2 : 0;
  if (at + 6 > end) return 0;
  for (let i = at + 2; i < at + 6; i++) {
    const byte = (bytes[i] as number) | 32;
    if (!((byte >= 48 && byte <= 57) || (byte >= 97 && byte <= 102))) return 0;
  }
  return 6;
}
