/** The columns of one row that an import asks for, as ranges of bytes: the form that every format brings its own into. */

import { EMPTY_BYTES } from '../../base/bytes.ts';

export const ABSENT = 0;
export const NULL = 1;
/** UTF-8. Of formats without types everything is. */
export const TEXT = 2;
/** A literal of JSON's grammar, with all its digits. */
export const NUMBER = 3;
export const FALSE = 4;
export const TRUE = 5;
/** JSON text of an object or a list. */
export const JSON_TEXT = 6;
export const BYTES = 7;
/** ISO 8601. */
export const DATE = 8;

export type CellKind =
  | typeof ABSENT
  | typeof NULL
  | typeof TEXT
  | typeof NUMBER
  | typeof FALSE
  | typeof TRUE
  | typeof JSON_TEXT
  | typeof BYTES
  | typeof DATE;

/** One cell for each column asked for, in that order; overwritten by each row. */
export class Cells {
  readonly kinds: Uint8Array;
  readonly bytes: Uint8Array[];
  readonly from: Int32Array;
  readonly to: Int32Array;

  constructor(count: number) {
    this.kinds = new Uint8Array(count);
    this.bytes = new Array<Uint8Array>(count).fill(EMPTY_BYTES);
    this.from = new Int32Array(count);
    this.to = new Int32Array(count);
  }

  set(slot: number, kind: CellKind, bytes: Uint8Array, from: number, to: number): void {
    this.kinds[slot] = kind;
    this.bytes[slot] = bytes;
    this.from[slot] = from;
    this.to[slot] = to;
  }

  kind(slot: number): CellKind {
    return this.kinds[slot] as CellKind;
  }

  /** For messages: its first 40 characters. */
  text(slot: number): string {
    const from = this.from[slot] as number;
    const to = this.to[slot] as number;
    const bytes = this.bytes[slot] as Uint8Array;
    const text = Buffer.from(bytes.subarray(from, Math.min(to, from + 160))).toString('utf8');
    const head = [...text].slice(0, 40).join('');
    return head.length < text.length || to > from + 160 ? `${JSON.stringify(head)}…` : JSON.stringify(head);
  }
}
