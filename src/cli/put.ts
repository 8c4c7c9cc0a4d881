import { type Command, EXIT_OK } from './command.ts';
import { HEX_FLAG, JSON_FLAG, KEYSPACE_FLAG, withWritable } from './database.ts';
import { write } from './io.ts';
import { bytesOf } from './text.ts';

/** `sluice put` */
export const put: Command = {
  name: 'put',
  usage: 'DB KEY VALUE',
  about: 'Set a key; makes the database and the keyspace where there is none',
  flags: { keyspace: KEYSPACE_FLAG, hex: HEX_FLAG, json: JSON_FLAG },
  positionals: [3, 3],
  more: 'The write is on disk when the command ends with 0. A key or value that begins with - goes after --.',

  async run(args, io) {
    const hex = args.flag('hex');
    const key = bytesOf(args.at(1, 'KEY'), hex, 'KEY');
    const value = bytesOf(args.positionals[2] ?? '', hex, 'VALUE');
    const name = args.text('keyspace');
    const version = await withWritable(args, true, (db) =>
      (name === undefined ? db : db.keyspace(name)).put(key, value),
    );
    if (args.flag('json')) await write(io.stdout, `${JSON.stringify({ version })}\n`);
    return EXIT_OK;
  },
};
