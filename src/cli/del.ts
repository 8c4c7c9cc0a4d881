import { type Command, EXIT_OK } from './command.ts';
import { existingKeyspace, HEX_FLAG, JSON_FLAG, KEYSPACE_FLAG, withWritable } from './database.ts';
import { write } from './io.ts';
import { bytesOf } from './text.ts';

/** `sluice del` */
export const del: Command = {
  name: 'del',
  usage: 'DB KEY',
  about: 'Delete a key; deleting what is not there is fine',
  flags: { keyspace: KEYSPACE_FLAG, hex: HEX_FLAG, json: JSON_FLAG },
  positionals: [2, 2],

  async run(args, io) {
    const key = bytesOf(args.at(1, 'KEY'), args.flag('hex'), 'KEY');
    const version = await withWritable(args, false, (db) => existingKeyspace(db, args).del(key));
    if (args.flag('json')) await write(io.stdout, `${JSON.stringify({ version })}\n`);
    return EXIT_OK;
  },
};
