import { type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withDatabase, withWritable } from './database.ts';
import { Output } from './io.ts';

/** `sluice keyspaces` */
export const keyspaces: Command = {
  name: 'keyspaces',
  usage: 'DB [ls | drop NAME]',
  about: 'List the keyspaces, or drop one',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG },
  positionals: [1, 3],
  more: 'Dropping takes the same time whatever the keyspace holds, and cannot be undone.',

  async run(args, io) {
    const out = new Output(io.stdout);
    const [, action = 'ls'] = args.positionals;
    if (action === 'drop') {
      const name = args.at(2, 'NAME');
      if (args.flag('readonly')) throw new UsageError('drop writes: it cannot be --readonly');
      await withWritable(args, false, (db) => db.dropKeyspace(name));
      if (args.flag('json')) out.line(JSON.stringify({ dropped: name }));
    } else if (action === 'ls' && args.positionals.length < 3) {
      const names = await withDatabase(args, async (db) => db.keyspaces());
      if (args.flag('json')) out.line(JSON.stringify(names));
      else for (const name of names) out.line(name);
    } else {
      throw new UsageError(
        `${action} is no action here; the command is: sluice keyspaces ${keyspaces.usage}`,
      );
    }
    await out.flush();
    return EXIT_OK;
  },
};
