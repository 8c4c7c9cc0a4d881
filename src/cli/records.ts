/** The records of `sst build`: a line of TSV or JSON as a key and a value, or a key to delete. */

import { SluiceError } from '../base/errors.ts';
import { TOMBSTONE, unescapeText } from './text.ts';

export interface InputRecord {
  readonly key: Uint8Array;
  /** Undefined: the key is deleted. */
  readonly value: Uint8Array | undefined;
}

/** @param where names the line, for messages */
export type ParseLine = (line: Uint8Array, where: string) => InputRecord;

const TAB = 0x09;

/** KEY<TAB>VALUE; a value of \\N deletes. `hex`: both in hex digits, else as text with escapes. */
export function parseTsv(hex: boolean): ParseLine {
  const decode = hex ? fromHex : unescapeText;
  return (line, where) => {
    const tab = line.indexOf(TAB);
    if (tab === -1) throw malformed(where, 'it has no tab between key and value');
    const value = line.subarray(tab + 1);
    if (value.includes(TAB))
      throw malformed(where, 'it has more than one tab; a tab within a value is written \\t');
    const key = decode(line.subarray(0, tab), where);
    return { key, value: isTombstone(value) ? undefined : decode(value, where) };
  };
}

const HEX = /^([0-9a-fA-F]{2})*$/;

function fromHex(digits: Uint8Array, where: string): Uint8Array {
  const text = Buffer.from(digits.buffer, digits.byteOffset, digits.length).toString('latin1');
  if (HEX.test(text)) return Buffer.from(text, 'hex');
  throw malformed(where, 'it is not hex digits, two a byte, as --hex says');
}

function isTombstone(value: Uint8Array): boolean {
  return value.length === 2 && value[0] === TOMBSTONE.charCodeAt(0) && value[1] === TOMBSTONE.charCodeAt(1);
}

/**
 * JSON as `scan --json` and `sst dump --json` print it: `key` or `keyHex`, and `value`, `valueHex` or `deleted: true`.
 * With a key field named: that field's text is the key, and the value is the field named for it, else the whole line.
 */
export function parseJsonl(keyField: string | undefined, valueField: string | undefined): ParseLine {
  return (line, where) => {
    const text = Buffer.from(line.buffer, line.byteOffset, line.length).toString('utf8');
    const object = parseObject(text, where);
    const key = keyField === undefined ? printed(object, 'key', where) : textOf(object, keyField, where);
    if (key === undefined) throw malformed(where, 'it has neither key nor keyHex; --key names another field');
    if (valueField !== undefined) return { key, value: textOf(object, valueField, where) };
    if (keyField !== undefined) return { key, value: line };
    const { deleted } = object;
    if (deleted === true) return { key, value: undefined };
    const value = printed(object, 'value', where);
    if (value === undefined) throw malformed(where, 'it has neither value, valueHex nor deleted');
    return { key, value };
  };
}

function parseObject(text: string, where: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw malformed(where, `it is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
    return parsed as Record<string, unknown>;
  throw malformed(where, 'it is not a JSON object');
}

function printed(object: Record<string, unknown>, name: string, where: string): Uint8Array | undefined {
  const hex = object[`${name}Hex`];
  if (hex === undefined) return object[name] === undefined ? undefined : textOf(object, name, where);
  if (typeof hex === 'string' && HEX.test(hex)) return Buffer.from(hex, 'hex');
  throw malformed(where, `${name}Hex is not hex digits`);
}

/** A string's own text; the JSON text of anything else. */
function textOf(object: Record<string, unknown>, name: string, where: string): Uint8Array {
  const value = object[name];
  if (value === undefined) throw malformed(where, `it has no field ${JSON.stringify(name)}`);
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value), 'utf8');
}

function malformed(where: string, what: string): SluiceError {
  return new SluiceError('CORRUPTION', `${where}: ${what}`);
}
