import { afterDb, asksNode, NODE_FLAGS, withClient } from './cluster-flags.ts';
import { type Arguments, type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withDatabase, withWritable } from './database.ts';
import { Output } from './io.ts';

/** `sluice keyspaces` */
export const keyspaces: Command = {
  name: 'keyspaces',
  usage: '[DB] [ls | make NAME | drop NAME]',
  about: 'List the keyspaces, make one, or drop one',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG, ...NODE_FLAGS },
  positionals: [0, 3],
  more: `Dropping takes the same time whatever the keyspace holds, and cannot be undone.
With --url or --config, in place of DB, those of a cluster.`,

  async run(args, io) {
    const out = new Output(io.stdout);
    const [action = 'ls', name] = afterDb(args, `keyspaces ${keyspaces.usage}`, 0, 2);
    if (action === 'drop' || action === 'make') {
      if (name === undefined) throw new UsageError('NAME is missing');
      if (args.flag('readonly')) throw new UsageError(`${action} writes: it cannot be --readonly`);
      await change(args, action, name);
      const done = action === 'drop' ? 'dropped' : 'made';
      if (args.flag('json')) out.line(JSON.stringify({ [done]: name }));
    } else if (action === 'ls' && name === undefined) {
      const names = asksNode(args)
        ? await withClient(args, (client) => client.keyspaces())
        : await withDatabase(args, async (db) => db.keyspaces());
      if (args.flag('json')) out.line(JSON.stringify(names));
      else for (const one of names) out.line(one);
    } else {
      throw new UsageError(
        `${action} is no action here; the command is: sluice keyspaces ${keyspaces.usage}`,
      );
    }
    await out.flush();
    return EXIT_OK;
  },
};

async function change(args: Arguments, action: 'make' | 'drop', name: string): Promise<void> {
  if (asksNode(args)) {
    await withClient(args, (client) =>
      action === 'drop' ? client.dropKeyspace(name) : client.makeKeyspace(name),
    );
  } else {
    await withWritable(args, false, async (db) => {
      if (action === 'drop') await db.dropKeyspace(name);
      else db.keyspace(name);
    });
  }
}
