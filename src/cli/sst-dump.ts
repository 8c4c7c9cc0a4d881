import { EMPTY_BYTES } from '../base/bytes.ts';
import { throwIfAborted } from '../base/errors.ts';
import { TRAILER_BYTES, TYPE_DELETE, TYPE_VALUE, trailerVersion } from '../mvcc/internal-key.ts';
import { entryTypeName, TYPE_RANGE_DELETE } from '../sst/format.ts';
import { readRangeDeletions } from '../sst/range-deletions.ts';
import { readEntries } from '../sst/table-blocks.ts';
import { type Arguments, type Command, EXIT_OK } from './command.ts';
import { HEX_FLAG, JSON_FLAG } from './database.ts';
import { Output } from './io.ts';
import { withTable } from './sst-file.ts';
import { jsonField, shown, TOMBSTONE } from './text.ts';

/** `sluice sst dump` */
export const sstDump: Command = {
  name: 'sst dump',
  usage: 'FILE',
  about: 'Print the entries of an SST file',
  flags: {
    limit: { type: 'string', value: 'N', about: 'at most N entries' },
    hex: HEX_FLAG,
    json: JSON_FLAG,
  },
  positionals: [1, 1],
  more: `Prints what \`sluice sst build\` reads: KEY<TAB>VALUE, \\N as the value where the entry is a delete; with --json
{"key","value"} or {"key","deleted":true}, and "version" where it is not 0. Entries of other types have
"type" in JSON, and \\T(type) before the value in text; range deletions come last, with where they end as
the value. Every block read is checked.`,

  async run(args, io) {
    const limit = args.count('limit') ?? Number.POSITIVE_INFINITY;
    const out = new Output(io.stdout);
    try {
      await withTable(args.at(0, 'FILE'), async (table) => {
        const state = table.openSync();
        let left = limit;
        for (let block = 0; block < state.index.blocks && left > 0; block++) {
          throwIfAborted(io.signal);
          readEntries(state, block, (values) => (keyBytes, keyLength, type, valueStart, valueLength) => {
            if (left-- <= 0) return;
            const user = keyLength - TRAILER_BYTES;
            const value = values.subarray(valueStart, valueStart + valueLength);
            out.line(
              entryLine(args, keyBytes.subarray(0, user), trailerVersion(keyBytes, user), type, value),
            );
          });
          if (out.full) await out.flush();
        }
        for (const { from, to, version } of left > 0 ? readRangeDeletions(state) : []) {
          if (left-- > 0) out.line(entryLine(args, from, version, TYPE_RANGE_DELETE, to ?? EMPTY_BYTES));
        }
      });
    } finally {
      // What could be read before a damaged block is worth having.
      await out.flush();
    }
    return EXIT_OK;
  },
};

function entryLine(
  args: Arguments,
  key: Uint8Array,
  version: number,
  type: number,
  value: Uint8Array,
): string {
  const hex = args.flag('hex');
  const plain = type === TYPE_VALUE || type === TYPE_DELETE;
  if (args.flag('json')) {
    return JSON.stringify({
      ...jsonField('key', key, hex),
      ...(type === TYPE_DELETE ? { deleted: true } : jsonField('value', value, hex)),
      ...(!plain && { type: entryTypeName(type) }),
      ...(version !== 0 && { version }),
    });
  }
  const text = type === TYPE_DELETE ? TOMBSTONE : shown(value, hex);
  return `${shown(key, hex)}\t${plain ? '' : `\\T(${entryTypeName(type)})`}${text}`;
}
