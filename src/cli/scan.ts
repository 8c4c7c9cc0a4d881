import type { RangeOptions } from '../txn/readable.ts';
import { type Arguments, type Command, EXIT_OK, UsageError } from './command.ts';
import {
  AT_FLAG,
  existingKeyspace,
  HEX_FLAG,
  JSON_FLAG,
  KEYSPACE_FLAG,
  READONLY_FLAG,
  readOptionsOf,
  withDatabase,
} from './database.ts';
import { Output } from './io.ts';
import { bytesOf, jsonField, shown } from './text.ts';

const BATCH = 512;

/** `sluice scan` */
export const scan: Command = {
  name: 'scan',
  usage: 'DB',
  about: 'Print entries in key order',
  flags: {
    keyspace: KEYSPACE_FLAG,
    gte: { type: 'string', value: 'KEY', about: 'from this key' },
    gt: { type: 'string', value: 'KEY', about: 'from after this key' },
    lt: { type: 'string', value: 'KEY', about: 'to before this key' },
    lte: { type: 'string', value: 'KEY', about: 'to this key' },
    prefix: { type: 'string', value: 'TEXT', about: 'only keys that begin with this' },
    limit: { type: 'string', value: 'N', about: 'at most N entries' },
    reverse: { type: 'boolean', about: 'from the last key to the first' },
    'keys-only': { type: 'boolean', about: 'without values' },
    hex: HEX_FLAG,
    json: JSON_FLAG,
    at: AT_FLAG,
    readonly: READONLY_FLAG,
  },
  positionals: [1, 1],
  more: `Prints KEY<TAB>VALUE, one line an entry, as of one moment. Backslash, tab and newline are printed as \\\\ \\t \\n,
bytes that are not text as \\xNN; \`sluice sst build\` reads that back. With --json {"key","value"} a line, or keyHex and
valueHex where the bytes are not UTF-8.`,

  async run(args, io) {
    const range = rangeOf(args);
    const limit = args.count('limit');
    const given = {
      ...range,
      reverse: args.flag('reverse'),
      ...(limit !== undefined && { limit }),
      ...(io.signal && { signal: io.signal }),
    };
    const out = new Output(io.stdout);
    await withDatabase(args, async (db) => {
      const past = readOptionsOf(db, args);
      const keyspace = existingKeyspace(db, args, past);
      const options = { ...given, ...past };
      if (args.flag('keys-only'))
        await print(keyspace.keys(options), (key) => lineOf(args, key, undefined), out);
      else await print(keyspace.iterator(options), ([key, value]) => lineOf(args, key, value), out);
    });
    return EXIT_OK;
  },
};

interface Batches<T> {
  nextv(size: number): Promise<T[]>;
  close(): void;
}

async function print<T>(entries: Batches<T>, line: (entry: T) => string, out: Output): Promise<void> {
  try {
    for (;;) {
      const batch = await entries.nextv(BATCH);
      if (batch.length === 0) break;
      for (const entry of batch) out.line(line(entry));
      if (out.full) await out.flush();
    }
    await out.flush();
  } finally {
    entries.close();
  }
}

function lineOf(args: Arguments, key: Uint8Array, value: Uint8Array | undefined): string {
  const hex = args.flag('hex');
  if (args.flag('json')) {
    return JSON.stringify({ ...jsonField('key', key, hex), ...(value && jsonField('value', value, hex)) });
  }
  return value === undefined ? shown(key, hex) : `${shown(key, hex)}\t${shown(value, hex)}`;
}

function rangeOf(args: Arguments): RangeOptions<'buffer'> {
  const hex = args.flag('hex');
  const range: Record<string, Buffer> = {};
  for (const name of ['gte', 'gt', 'lt', 'lte']) {
    const text = args.text(name);
    if (text !== undefined) range[name] = bytesOf(text, hex, `--${name}`);
  }
  const prefix = args.text('prefix');
  if (prefix === undefined || prefix === '') return range;
  if (Object.keys(range).length > 0)
    throw new UsageError('--prefix and --gte, --gt, --lt, --lte exclude each other');
  const from = bytesOf(prefix, hex, '--prefix');
  const end = afterPrefix(from);
  return end === undefined ? { gte: from } : { gte: from, lt: end };
}

/** The first key after all that begin with `prefix`; undefined when there is none: the prefix is all 0xff. */
export function afterPrefix(prefix: Uint8Array): Buffer | undefined {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] as number;
    if (byte === 0xff) continue;
    end[i] = byte + 1;
    return end.subarray(0, i + 1);
  }
  return undefined;
}
