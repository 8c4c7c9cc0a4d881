/** What an import asks of the columns of a source: which they are, and how key and value are made of them. */

import { SluiceError } from '../../base/errors.ts';
import type { ColumnName, ColumnType, KeySpec, ValueSpec } from '../../import-options.ts';
import type { ExtractionSpec } from '../format/format-spec.ts';

/** A column asked for; `slot` is its place among the cells. */
export interface Member {
  readonly slot: number;
  readonly name: string;
  readonly type: ColumnType | undefined;
}

/** A part of a template: text, and the column behind it. */
export interface TemplatePart {
  readonly text: Uint8Array;
  readonly member: Member | undefined;
}

export type KeyPlan =
  | { readonly as: 'plain'; readonly member: Member }
  | { readonly as: 'tuple'; readonly members: readonly Member[] }
  | { readonly as: 'template'; readonly parts: readonly TemplatePart[] };

export type ValuePlan =
  | { readonly as: 'plain'; readonly member: Member }
  | { readonly as: 'json' | 'msgpack'; readonly members: readonly Member[] }
  | { readonly as: 'raw' }
  /** The whole row, as MessagePack. */
  | { readonly as: 'packed'; readonly member: Member }
  | { readonly as: 'empty' };

export interface ExtractionPlan {
  /** The column of each cell. */
  readonly columns: readonly ColumnName[];
  readonly key: KeyPlan;
  readonly value: ValuePlan;
}

/** How a format knows its columns. */
export interface ColumnSet {
  /** In their order; undefined: any name may be asked for, and rows are objects. */
  readonly names: readonly string[] | undefined;
  /** Of messages. */
  readonly source: string;
}

const COLUMN_TYPES: ReadonlySet<string> = new Set([
  'text',
  'int',
  'float',
  'decimal',
  'date',
  'bool',
  'hex',
  'base64',
]);

/** @throws TypeError naming the option that is wrong whatever the source holds */
export function checkExtraction(spec: ExtractionSpec): void {
  const { key, value, types } = spec;
  if (key !== undefined) checkKey(key);
  if (value !== undefined) checkValue(value);
  if (types === undefined) return;
  if (typeof types !== 'object' || types === null) throw new TypeError('options.types must be an object');
  for (const [column, type] of Object.entries(types)) {
    if (COLUMN_TYPES.has(type)) continue;
    throw new TypeError(
      `options.types.${column} must be one of ${[...COLUMN_TYPES].join(', ')}; got ${String(type)}`,
    );
  }
}

function isColumnName(name: unknown): name is ColumnName {
  return typeof name === 'string' || (typeof name === 'number' && Number.isSafeInteger(name) && name >= 0);
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function checkKey(key: unknown): void {
  if (isColumnName(key)) return;
  if (isList(key)) {
    if (key.length === 0) throw new TypeError('options.key must name a column at least');
    for (const name of key) if (!isColumnName(name)) throw notAColumn('options.key');
    return;
  }
  const template = typeof key === 'object' && key !== null && 'template' in key ? key.template : undefined;
  if (typeof template !== 'string') throw notAColumn('options.key');
  if (!parseTemplate(template).some((part) => part.column !== undefined))
    throw new TypeError('options.key.template must have a column in braces');
}

function checkValue(value: unknown): void {
  if (isColumnName(value)) return;
  const as = typeof value === 'object' && value !== null && 'as' in value ? value.as : undefined;
  if (as !== 'json' && as !== 'msgpack' && as !== 'raw') {
    throw new TypeError("options.value must be a column, or an object with as: 'json', 'msgpack' or 'raw'");
  }
  const columns =
    typeof value === 'object' && value !== null && 'columns' in value ? value.columns : undefined;
  if (columns === undefined) return;
  if (!isList(columns) || columns.length === 0 || !columns.every(isColumnName))
    throw notAColumn('options.value.columns');
}

function notAColumn(argument: string): TypeError {
  return new TypeError(`${argument} must be columns: names, or places from 0`);
}

/** `{country}/{id}` → text and columns by turns; braces in text are doubled. */
function parseTemplate(template: string): { text: string; column: string | undefined }[] {
  const parts: { text: string; column: string | undefined }[] = [];
  let text = '';
  for (let at = 0; at < template.length; ) {
    const character = template[at] as string;
    if (character !== '{' && character !== '}') {
      text += character;
      at++;
    } else if (template[at + 1] === character) {
      text += character;
      at += 2;
    } else {
      const close = template.indexOf('}', at);
      if (character === '}' || close <= at + 1) {
        throw new TypeError(
          `options.key.template: a column in braces is expected at ${at}; write {{ and }} for braces themselves`,
        );
      }
      parts.push({ text, column: template.slice(at + 1, close) });
      text = '';
      at = close + 1;
    }
  }
  if (text !== '') parts.push({ text, column: undefined });
  return parts;
}

/** Resolves columns to slots, each column once. */
class Slots {
  readonly columns: ColumnName[] = [];
  readonly #slots = new Map<ColumnName, number>();
  readonly #set: ColumnSet;
  readonly #types: Readonly<Record<string, ColumnType>>;

  constructor(set: ColumnSet, types: Readonly<Record<string, ColumnType>>) {
    this.#set = set;
    this.#types = types;
    for (const column of Object.keys(types)) if (set.names !== undefined) this.#find(column, set.names);
  }

  member(column: ColumnName): Member {
    const { names } = this.#set;
    const place = names === undefined ? column : this.#find(column, names);
    const name = typeof place === 'number' ? (names?.[place] ?? String(place)) : place;
    const slot = this.#slots.get(place) ?? this.columns.push(place) - 1;
    this.#slots.set(place, slot);
    return { slot, name, type: this.#type(name) ?? this.#type(String(place)) };
  }

  /** A column may be called `constructor`. */
  #type(column: string): ColumnType | undefined {
    return Object.hasOwn(this.#types, column) ? this.#types[column] : undefined;
  }

  /** Members of one object. */
  members(columns: readonly ColumnName[]): Member[] {
    const members = columns.map((column) => this.member(column));
    const names = new Set<string>();
    const twice = members.find(({ name }) => names.size === names.add(name).size);
    if (twice === undefined) return members;
    throw this.#bad(`has two columns ${twice.name}, which cannot be members of one object`);
  }

  #find(column: ColumnName, names: readonly string[]): number {
    const named = names.indexOf(String(column));
    if (typeof column === 'string' && named !== -1) {
      if (names.indexOf(column, named + 1) === -1) return named;
      throw this.#bad(`has two columns ${column}; name them by their places from 0`);
    }
    const place = typeof column === 'string' && !/^\d+$/.test(column) ? -1 : Number(column);
    if (place >= 0 && place < names.length) return place;
    throw this.#bad(`has no column ${column}; its columns are ${listed(names)}`);
  }

  #bad(what: string): SluiceError {
    return new SluiceError('BAD_INPUT', `${this.#set.source} ${what}`);
  }
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 20).join(', ');
  return names.length > 20 ? `${shown} and ${names.length - 20} more` : shown;
}

/** @throws SluiceError BAD_INPUT where the source lacks a column; TypeError where the options are wrong. */
export function planExtraction(spec: ExtractionSpec, set: ColumnSet): ExtractionPlan {
  checkExtraction(spec);
  const slots = new Slots(set, spec.types ?? {});
  const key = planKey(spec.key, slots, set);
  const value = planValue(spec.value, key, slots, set);
  // Where columns have no list, a name that is wrong would only be one that no row has.
  const stray = Object.keys(spec.types ?? {}).find((column) => !slots.columns.map(String).includes(column));
  if (set.names === undefined && stray !== undefined)
    throw new TypeError(`options.types.${stray} is of no column that key or value name`);
  return { columns: slots.columns, key, value };
}

function planKey(spec: KeySpec | undefined, slots: Slots, set: ColumnSet): KeyPlan {
  if (spec === undefined && set.names === undefined)
    throw new TypeError('options.key must be given: the path of the key in each object');
  const key = spec ?? 0;
  if (isColumnName(key)) {
    const member = slots.member(key);
    // Text keys stand as they are; of the other types only the encoding has their order.
    const plain =
      member.type === undefined ||
      member.type === 'text' ||
      member.type === 'hex' ||
      member.type === 'base64';
    return plain ? { as: 'plain', member } : { as: 'tuple', members: [member] };
  }
  if ('template' in key) {
    const encoder = new TextEncoder();
    const parts = parseTemplate(key.template).map(({ text, column }) => ({
      text: encoder.encode(text),
      member: column === undefined ? undefined : slots.member(column),
    }));
    return { as: 'template', parts };
  }
  return { as: 'tuple', members: key.map((column) => slots.member(column)) };
}

function planValue(spec: ValueSpec | undefined, key: KeyPlan, slots: Slots, set: ColumnSet): ValuePlan {
  const { names } = set;
  if (spec === undefined) {
    if (names === undefined) return { as: 'raw' };
    const inKey = new Set(slots.columns);
    const others = names.map((_, place) => place).filter((place) => !inKey.has(place));
    const [only] = others;
    if (only === undefined) return { as: 'empty' };
    if (names.length === 2 && key.as === 'plain') return { as: 'plain', member: slots.member(only) };
    return { as: 'json', members: slots.members(others) };
  }
  if (isColumnName(spec)) return { as: 'plain', member: slots.member(spec) };
  if (spec.as === 'raw') return { as: 'raw' };
  const columns = spec.columns ?? names?.map((_, place) => place);
  if (columns === undefined) {
    return spec.as === 'json' ? { as: 'raw' } : { as: 'packed', member: slots.member('') };
  }
  return { as: spec.as, members: slots.members(columns) };
}
