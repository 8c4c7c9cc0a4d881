/** The flags of `sluice ingest`: one for each option of `db.ingest()`. */

import type { IngestOptions, MaxImpact } from '../txn/ingest-options.ts';
import { type Arguments, type Flag, UsageError } from './command.ts';
import { PREFIX_FLAGS, prefixOf } from './prefix-flags.ts';
import { bytesOf, plural } from './text.ts';

export const INGEST_FLAGS = {
  into: { type: 'string', value: 'KEYSPACE', about: 'where the entries go; `default` when absent' },
  existing: { type: 'boolean', about: 'fail where there is no such keyspace, do not make it' },
  mode: { type: 'string', value: 'copy|link|move', about: 'how the files get there; copy when absent' },
  verify: {
    type: 'string',
    value: 'blocks|checksums|footer|none',
    about: 'what is checked first; blocks when absent',
  },
  sha256: {
    type: 'string',
    value: 'HEX|make',
    multiple: true,
    about:
      'digest of a file; once for each, in their order. make: they are made and kept, for `sluice verify`',
  },
  id: {
    type: 'string',
    value: 'ID',
    about: 'makes a retry safe: a second ingest of this id changes nothing',
  },
  'if-exists': {
    type: 'string',
    value: 'overwrite|keep|fail',
    about: 'what becomes of keys that exist; overwrite when absent',
  },
  behind: {
    type: 'boolean',
    about: 'keep what exists and what was deleted; the keyspace must be made for it, or new',
  },
  replace: {
    type: 'boolean',
    about: 'what the keyspace holds, or the range of --gte --gt --lt --lte, is deleted in the same commit',
  },
  gte: { type: 'string', value: 'KEY', about: 'with --replace: from this key' },
  gt: { type: 'string', value: 'KEY', about: 'with --replace: from after this key' },
  lt: { type: 'string', value: 'KEY', about: 'with --replace: to before this key' },
  lte: { type: 'string', value: 'KEY', about: 'with --replace: to this key' },
  ...PREFIX_FLAGS,
  hex: { type: 'boolean', about: 'prefixes and keys of this line are in hex' },
  'require-bottom': { type: 'boolean', about: 'fail unless all files go to the lowest level' },
  'max-impact': {
    type: 'string',
    value: 'NAME=N',
    multiple: true,
    about: 'fail where level0Tables or pendingCompactionBytes would go beyond N',
  },
  undoable: { type: 'boolean', about: 'keep what `sluice ingests undo` needs' },
} as const satisfies Readonly<Record<string, Flag>>;

/** `files`: how many there are. @throws UsageError */
export function ingestOptions(args: Arguments, files: number): IngestOptions {
  const into = args.text('into');
  const mode = args.choice('mode', ['copy', 'link', 'move']);
  const verify = args.choice('verify', ['blocks', 'checksums', 'footer', 'none']);
  const ifExists = args.choice('if-exists', ['overwrite', 'keep', 'fail']);
  const id = args.text('id');
  return {
    ...(into !== undefined && { into }),
    ...(args.flag('existing') && { create: false }),
    ...(mode !== undefined && { mode }),
    ...(verify !== undefined && { verify }),
    ...(id !== undefined && { id }),
    ...digestsOf(args, files),
    ...(ifExists !== undefined && { ifExists }),
    ...(args.flag('behind') && { behind: true }),
    ...replaceOf(args),
    ...prefixOf(args),
    ...(args.flag('undoable') && { undoable: true }),
    ...(args.flag('require-bottom') && { requireBottom: true }),
    ...maxImpactOf(args),
  };
}

function digestsOf(args: Arguments, files: number): Pick<IngestOptions, 'sha256'> {
  const digests = args.list('sha256').map((digest) => digest.toLowerCase());
  if (digests.length === 0) return {};
  if (digests.length === 1 && digests[0] === 'make') return { sha256: true };
  if (digests.length === files) return { sha256: digests };
  const given = `${plural(files, 'file')}, ${digests.length} given`;
  throw new UsageError(`--sha256 must be given once for each file: ${given}; or once as make`);
}

function replaceOf(args: Arguments): Pick<IngestOptions, 'replace'> {
  const given = (['gte', 'gt', 'lt', 'lte'] as const).flatMap((name) => {
    const text = args.text(name);
    return text === undefined ? [] : [[name, bytesOf(text, args.flag('hex'), `--${name}`)] as const];
  });
  if (args.flag('replace')) return { replace: given.length === 0 ? true : Object.fromEntries(given) };
  const [first] = given;
  if (first !== undefined) throw new UsageError(`--${first[0]} is of the range of --replace; give that too`);
  return {};
}

function maxImpactOf(args: Arguments): { readonly maxImpact?: MaxImpact } {
  const bounds = args.list('max-impact').map((text) => {
    const [, name, bound] = /^(level0Tables|pendingCompactionBytes)=(\d{1,15})$/.exec(text) ?? [];
    if (name !== undefined) return [name, Number(bound)] as const;
    throw new UsageError(
      `--max-impact must be level0Tables=N or pendingCompactionBytes=N; got ${JSON.stringify(text)}`,
    );
  });
  return bounds.length === 0 ? {} : { maxImpact: Object.fromEntries(bounds) };
}
