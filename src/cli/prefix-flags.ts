/** --prefix and --strip-prefix, of the commands that take SST files. */

import type { IngestPrefix } from '../txn/ingest-prefix.ts';
import type { Arguments, Flag } from './command.ts';
import { bytesOf } from './text.ts';

export const PREFIX_FLAGS = {
  prefix: {
    type: 'string',
    value: 'TEXT',
    about: 'keys are read with this before them; nothing is rewritten',
  },
  'strip-prefix': {
    type: 'string',
    value: 'TEXT',
    about: 'keys are read without this, which all begin with',
  },
} as const satisfies Readonly<Record<string, Flag>>;

/** The option `prefix`, if the command line has it; in hex with --hex, where the command takes that. */
export function prefixOf(args: Arguments): { readonly prefix?: IngestPrefix } {
  const hex = args.flag('hex');
  const [to, from] = [args.text('prefix'), args.text('strip-prefix')];
  if (to === undefined && from === undefined) return {};
  const bytes = (text: string | undefined, name: string): Buffer => bytesOf(text ?? '', hex, name);
  return { prefix: { from: bytes(from, '--strip-prefix'), to: bytes(to, '--prefix') } };
}
