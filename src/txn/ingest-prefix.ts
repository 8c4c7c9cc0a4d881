/** The option `prefix` of an ingest: the files' keys are read under another prefix, and the files stay as they are. */

import { KEY_BYTES_MAX } from '../mvcc/internal-key.ts';
import type { PrefixRewrite } from '../mvcc/prefix-rewrite.ts';

/** Bytes, or text as UTF-8, whatever the key encoding. */
export type PrefixInput = string | Uint8Array;

/** What is put before all keys; or instead of `from`, which then all keys of the files must begin with. */
export type IngestPrefix =
  | PrefixInput
  | { readonly from?: PrefixInput | undefined; readonly to?: PrefixInput | undefined };

/** undefined: keys are read as they are. @throws TypeError */
export function prefixRewrite(option: IngestPrefix | undefined): PrefixRewrite | undefined {
  if (option === undefined) return undefined;
  const { from = '', to = '' } = isInput(option) ? { to: option } : checkedPair(option);
  const rewrite = { from: bytesOf(from, 'options.prefix.from'), to: bytesOf(to, 'options.prefix.to') };
  return rewrite.from.length === 0 && rewrite.to.length === 0 ? undefined : rewrite;
}

function isInput(value: unknown): value is PrefixInput {
  return typeof value === 'string' || value instanceof Uint8Array;
}

function checkedPair(option: Exclude<IngestPrefix, PrefixInput>): Exclude<IngestPrefix, PrefixInput> {
  const wanted = 'options.prefix must be a string, a Uint8Array, or an object with from and to';
  if (typeof option !== 'object' || option === null) throw new TypeError(`${wanted}; got ${String(option)}`);
  const other = Object.keys(option).find((name) => name !== 'from' && name !== 'to');
  if (other !== undefined) throw new TypeError(`${wanted}; it has ${other}`);
  return option;
}

/** A copy: the caller may write to what it gave. */
function bytesOf(input: unknown, argument: string): Uint8Array {
  if (!isInput(input)) throw new TypeError(`${argument} must be a string or a Uint8Array`);
  const bytes =
    typeof input === 'string' ? Uint8Array.from(Buffer.from(input, 'utf8')) : Uint8Array.from(input);
  if (bytes.length <= KEY_BYTES_MAX) return bytes;
  throw new TypeError(
    `${argument} must have at most ${KEY_BYTES_MAX} bytes, as keys do; got ${bytes.length}`,
  );
}
