import { type Command, EXIT_NOT_FOUND, EXIT_OK } from './command.ts';
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
import { write } from './io.ts';
import { bytesOf, hexOf, jsonField } from './text.ts';

/** `sluice get` */
export const get: Command = {
  name: 'get',
  usage: 'DB KEY',
  about: 'Print the value of a key',
  flags: {
    keyspace: KEYSPACE_FLAG,
    raw: { type: 'boolean', about: 'the bytes of the value alone, without a newline after them' },
    hex: HEX_FLAG,
    json: JSON_FLAG,
    at: AT_FLAG,
    readonly: READONLY_FLAG,
  },
  positionals: [2, 2],
  more: 'Exits with 1, and prints nothing, when the key has no value. A key that begins with - goes after --.',

  async run(args, io) {
    const hex = args.flag('hex');
    const key = bytesOf(args.at(1, 'KEY'), hex, 'KEY');
    const value = await withDatabase(args, (db) => {
      const options = readOptionsOf(db, args);
      return existingKeyspace(db, args, options).get(key, options);
    });
    if (args.flag('json')) {
      const found =
        value === undefined ? { found: false } : { found: true, ...jsonField('value', value, hex) };
      await write(io.stdout, `${JSON.stringify({ ...jsonField('key', key, hex), ...found })}\n`);
    } else if (value !== undefined) {
      await write(io.stdout, hex ? hexOf(value) : value);
      if (!args.flag('raw')) await write(io.stdout, '\n');
    }
    return value === undefined ? EXIT_NOT_FOUND : EXIT_OK;
  },
};
