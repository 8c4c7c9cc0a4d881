import { clientOf, NODE_FLAGS } from './cluster-flags.ts';
import { memberLines } from './cluster-status.ts';
import { type Command, EXIT_OK } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { Output } from './io.ts';

/** `sluice cluster members` */
export const clusterMembers: Command = {
  name: 'cluster members',
  usage: '--url URL | --config FILE',
  about: 'List the nodes of a cluster that live, and how far each is',
  flags: { ...NODE_FLAGS, json: JSON_FLAG },
  positionals: [0, 0],

  async run(args, io) {
    await using client = clientOf(args);
    const { members } = await client.status(io.signal === undefined ? {} : { signal: io.signal });
    const out = new Output(io.stdout);
    if (args.flag('json')) for (const member of members) out.line(JSON.stringify(member));
    else if (members.length > 0) for (const line of memberLines(members)) out.line(line);
    await out.flush();
    return EXIT_OK;
  },
};
