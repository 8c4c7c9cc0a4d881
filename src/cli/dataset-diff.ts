import { afterDb, NODE_FLAGS } from './cluster-flags.ts';
import { type Command, EXIT_OK } from './command.ts';
import { HEX_FLAG, JSON_FLAG, READONLY_FLAG } from './database.ts';
import { numberOf } from './dataset.ts';
import { type Change, withDatasets } from './dataset-door.ts';
import { Output } from './io.ts';
import { jsonField, shown } from './text.ts';

const SIGNS = { added: '+', changed: '~', removed: '-' } as const;

/** `sluice dataset diff` */
export const datasetDiff: Command = {
  name: 'dataset diff',
  usage: '[DB] NAME BEFORE AFTER',
  about: 'Print what changed between two versions, in key order',
  flags: {
    'keys-only': { type: 'boolean', about: 'without values' },
    hex: HEX_FLAG,
    json: JSON_FLAG,
    readonly: READONLY_FLAG,
    ...NODE_FLAGS,
  },
  positionals: [3, 4],
  more: `One line a key, after + (added), ~ (changed) or - (removed): the key, and tab-separated the new value, of what was
changed or removed the old one before it.`,

  async run(args, io) {
    const given = afterDb(args, `dataset diff ${datasetDiff.usage}`, 3, 3);
    const [name = '', from = '', to = ''] = given;
    const [before, after] = [numberOf(from), numberOf(to)];
    const line = args.flag('json') ? jsonLine : textLine;
    const [hex, values] = [args.flag('hex'), !args.flag('keys-only')];
    const out = new Output(io.stdout);
    await withDatasets(args, false, async (door) => {
      for await (const change of door.dataset(name).diff(before, after, io.signal)) {
        out.line(line(change, values, hex));
        if (out.full) await out.flush();
      }
    });
    await out.flush();
    return EXIT_OK;
  },
};

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
