/** Key and value of a row out of its cells. Columns that stand alone are handed on where they lie; nothing is allocated. */

import { ByteWriter } from '../../base/byte-writer.ts';
import { EMPTY_BYTES } from '../../base/bytes.ts';
import { type CellType, putJson, putMsgpack, putPlain, putTuple, type Refusal } from './cell-writer.ts';
import { ABSENT, BYTES, type Cells, JSON_TEXT, NULL, TEXT } from './cells.ts';
import type { ExtractionPlan, KeyPlan, Member, TemplatePart, ValuePlan } from './extraction-plan.ts';
import { putJsonString } from './json-text.ts';
import { putMapHead, putString } from './msgpack.ts';

/** As docs/ARCHITECTURE.md has it. */
const KEY_BYTES_MAX = 65_535;
const VALUE_BYTES_MAX = 2 ** 30;

const COMMA = 44;
const OPEN = 123;
const CLOSE = 125;

export class RowExtractor {
  key: Uint8Array = EMPTY_BYTES;
  keyFrom = 0;
  keyTo = 0;
  value: Uint8Array = EMPTY_BYTES;
  valueFrom = 0;
  valueTo = 0;

  readonly #keyPlan: KeyPlan;
  readonly #valuePlan: ValuePlan;
  readonly #keyOut = new ByteWriter();
  readonly #valueOut = new ByteWriter();
  /** Of each member of an object, with what stands before its value. */
  readonly #heads: readonly Uint8Array[];

  constructor(plan: ExtractionPlan) {
    this.#keyPlan = plan.key;
    this.#valuePlan = plan.value;
    this.#heads = memberHeads(plan.value);
  }

  /** Why the row cannot be loaded; undefined: key and value are set, borrowed until the next row. */
  extract(cells: Cells, raw: Uint8Array, rawFrom: number, rawTo: number): Refusal {
    const refusal = this.#extractKey(cells) ?? this.#extractValue(cells, raw, rawFrom, rawTo);
    if (refusal !== undefined) return refusal;
    const keyBytes = this.keyTo - this.keyFrom;
    if (keyBytes === 0) return 'its key is empty';
    if (keyBytes > KEY_BYTES_MAX) return `its key has ${keyBytes} bytes, more than ${KEY_BYTES_MAX}`;
    const valueBytes = this.valueTo - this.valueFrom;
    if (valueBytes > VALUE_BYTES_MAX) return `its value has ${valueBytes} bytes, more than 1 GiB`;
    return undefined;
  }

  #extractKey(cells: Cells): Refusal {
    const plan = this.#keyPlan;
    if (plan.as === 'plain') {
      const { slot, type } = plan.member;
      const missing = nothingIn(cells, plan.member);
      if (missing !== undefined) return missing;
      if (cells.kind(slot) === JSON_TEXT) return named(plan.member, 'an object or a list cannot be a key');
      if (standsAlone(cells, slot, type)) {
        this.key = cells.bytes[slot] as Uint8Array;
        this.keyFrom = cells.from[slot] as number;
        this.keyTo = cells.to[slot] as number;
        return undefined;
      }
    }
    const out = this.#keyOut;
    out.clear();
    const refusal =
      plan.as === 'plain'
        ? named(plan.member, putPlain(out, cells, plan.member.slot, plan.member.type))
        : plan.as === 'tuple'
          ? tupleKey(out, cells, plan.members)
          : templateKey(out, cells, plan.parts);
    this.key = out.bytes;
    this.keyFrom = 0;
    this.keyTo = out.length;
    return refusal;
  }

  #extractValue(cells: Cells, raw: Uint8Array, rawFrom: number, rawTo: number): Refusal {
    const plan = this.#valuePlan;
    if (plan.as === 'raw') {
      this.value = raw;
      this.valueFrom = rawFrom;
      this.valueTo = rawTo;
      return undefined;
    }
    if (plan.as === 'plain' && standsAlone(cells, plan.member.slot, plan.member.type)) {
      const { slot } = plan.member;
      this.value = cells.bytes[slot] as Uint8Array;
      this.valueFrom = cells.from[slot] as number;
      this.valueTo = cells.to[slot] as number;
      return undefined;
    }
    const out = this.#valueOut;
    out.clear();
    const refusal =
      plan.as === 'plain'
        ? this.#plainValue(cells, plan.member)
        : plan.as === 'empty'
          ? undefined
          : plan.as === 'packed'
            ? putMsgpack(out, cells, plan.member.slot, undefined)
            : this.#object(cells, plan.as, plan.members);
    this.value = out.bytes;
    this.valueFrom = 0;
    this.valueTo = out.length;
    return refusal;
  }

  #plainValue(cells: Cells, member: Member): Refusal {
    if (cells.kind(member.slot) === ABSENT) return `it has no ${member.name}`;
    return named(member, putPlain(this.#valueOut, cells, member.slot, member.type));
  }

  #object(cells: Cells, as: 'json' | 'msgpack', members: readonly Member[]): Refusal {
    const out = this.#valueOut;
    let present = 0;
    for (const { slot } of members) if (cells.kind(slot) !== ABSENT) present++;
    if (as === 'json') out.byte(OPEN);
    else putMapHead(out, present);
    let first = true;
    for (let i = 0; i < members.length; i++) {
      const member = members[i] as Member;
      if (cells.kind(member.slot) === ABSENT) continue;
      if (as === 'json' && !first) out.byte(COMMA);
      first = false;
      const head = this.#heads[i] as Uint8Array;
      out.append(head, 0, head.length);
      const put = as === 'json' ? putJson : putMsgpack;
      const refusal = put(out, cells, member.slot, member.type);
      if (refusal !== undefined) return named(member, refusal);
    }
    if (as === 'json') out.byte(CLOSE);
    return undefined;
  }
}

/** Text or bytes without a type that must be checked: what is stored is what lies there. */
function standsAlone(cells: Cells, slot: number, type: CellType): boolean {
  const kind = cells.kind(slot);
  return (kind === TEXT || kind === BYTES) && (type === undefined || type === 'text');
}

function nothingIn(cells: Cells, member: Member): Refusal {
  const kind = cells.kind(member.slot);
  if (kind === NULL) return `column ${member.name} of its key is null`;
  return kind === ABSENT ? `it has no ${member.name}, which its key is made of` : undefined;
}

function named(member: Member, refusal: Refusal): Refusal {
  return refusal === undefined ? undefined : `column ${member.name}: ${refusal}`;
}

/** Null has a place in the order of several columns; a key of one column that is null says nothing. */
function tupleKey(out: ByteWriter, cells: Cells, members: readonly Member[]): Refusal {
  for (const member of members) {
    if (members.length === 1 || cells.kind(member.slot) === ABSENT) {
      const missing = nothingIn(cells, member);
      if (missing !== undefined) return missing;
    }
    const refusal = putTuple(out, cells, member.slot, member.type);
    if (refusal !== undefined) return named(member, refusal);
  }
  return undefined;
}

function templateKey(out: ByteWriter, cells: Cells, parts: readonly TemplatePart[]): Refusal {
  for (const { text, member } of parts) {
    out.append(text, 0, text.length);
    if (member === undefined) continue;
    if (cells.kind(member.slot) === JSON_TEXT)
      return named(member, 'an object or a list cannot be part of a key');
    const refusal = nothingIn(cells, member) ?? putPlain(out, cells, member.slot, member.type);
    if (refusal !== undefined) return named(member, refusal);
  }
  return undefined;
}

function memberHeads(plan: ValuePlan): Uint8Array[] {
  if (plan.as !== 'json' && plan.as !== 'msgpack') return [];
  return plan.members.map(({ name }) => {
    const out = new ByteWriter();
    const utf8 = new TextEncoder().encode(name);
    if (plan.as === 'json') {
      putJsonString(out, utf8, 0, utf8.length);
      out.byte(58);
    } else putString(out, utf8, 0, utf8.length);
    return out.take();
  });
}
