import type { DatasetChange } from '../txn/dataset/diff.ts';
import { type Command, EXIT_OK } from './command.ts';
import { HEX_FLAG, JSON_FLAG, READONLY_FLAG, withDatabase } from './database.ts';
import { numberOf } from './dataset.ts';
import { Output } from './io.ts';
import { jsonField, shown } from './text.ts';

const SIGNS = { added: '+', changed: '~', removed: '-' } as const;

/** `sluice dataset diff` */
export const datasetDiff: Command = {
  name: 'dataset diff',
  usage: 'DB NAME BEFORE AFTER',
  about: 'Print what changed between two versions, in key order',
  flags: {
    'keys-only': { type: 'boolean', about: 'without values' },
    hex: HEX_FLAG,
    json: JSON_FLAG,
    readonly: READONLY_FLAG,
  },
  positionals: [4, 4],
  more: `One line a key, after + (added), ~ (changed) or - (removed): the key, and tab-separated the new value, of what was
changed or removed the old one before it.`,

  async run(args, io) {
    const [before, after] = [numberOf(args.at(2, 'BEFORE')), numberOf(args.at(3, 'AFTER'))];
    const line = args.flag('json') ? jsonLine : textLine;
    const [hex, values] = [args.flag('hex'), !args.flag('keys-only')];
    const out = new Output(io.stdout);
    await withDatabase(args, async (db) => {
      const options = io.signal === undefined ? {} : { signal: io.signal };
      for await (const change of db.dataset(args.at(1, 'NAME')).diff(before, after, options)) {
        out.line(line(change, values, hex));
        if (out.full) await out.flush();
      }
    });
    await out.flush();
    return EXIT_OK;
  },
};

type Change = DatasetChange<'buffer', 'buffer'>;

function textLine({ type, key, before, value }: Change, values: boolean, hex: boolean): string {
  const fields = [key, ...(values ? [before, value] : [])].filter((bytes) => bytes !== undefined);
  return `${SIGNS[type]} ${fields.map((bytes) => shown(bytes, hex)).join('\t')}`;
}

function jsonLine({ type, key, before, value }: Change, values: boolean, hex: boolean): string {
  return JSON.stringify({
    type,
    ...jsonField('key', key, hex),
    ...(values && before !== undefined && jsonField('before', before, hex)),
    ...(values && value !== undefined && jsonField('value', value, hex)),
  });
}
