import { compareBytes } from '../base/bytes.ts';
import type { Db } from '../db.ts';
import { type Arguments, type Command, EXIT_OK, UsageError } from './command.ts';
import { existingKeyspace, HEX_FLAG, JSON_FLAG, KEYSPACE_FLAG, withWritable } from './database.ts';
import { write } from './io.ts';
import { bytesOf } from './text.ts';

/** `sluice del` */
export const del: Command = {
  name: 'del',
  usage: 'DB KEY | DB --range FROM TO',
  about: 'Delete a key, or all keys of a range; deleting what is not there is fine',
  flags: {
    range: { type: 'boolean', about: 'all keys from FROM up to TO, which stays; the cost is that of one' },
    keyspace: KEYSPACE_FLAG,
    hex: HEX_FLAG,
    json: JSON_FLAG,
  },
  positionals: [2, 3],

  async run(args, io) {
    const version = await withWritable(args, false, deletion(args));
    if (args.flag('json')) await write(io.stdout, `${JSON.stringify({ version })}\n`);
    return EXIT_OK;
  },
};

function deletion(args: Arguments): (db: Db) => Promise<number> {
  const hex = args.flag('hex');
  if (args.flag('range')) {
    const gte = bytesOf(args.at(1, 'FROM'), hex, 'FROM');
    const lt = bytesOf(args.at(2, 'TO'), hex, 'TO');
    if (compareBytes(gte, lt) >= 0) throw new UsageError('FROM must be before TO');
    return (db) => existingKeyspace(db, args).deleteRange({ gte, lt });
  }
  if (args.positionals.length > 2) throw new UsageError('too many arguments; a range needs --range');
  const key = bytesOf(args.at(1, 'KEY'), hex, 'KEY');
  return (db) => existingKeyspace(db, args).del(key);
}
