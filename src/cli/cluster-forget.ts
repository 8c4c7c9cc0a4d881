import { clientOf, NODE_FLAGS } from './cluster-flags.ts';
import { type Command, EXIT_OK } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { Output } from './io.ts';

/** `sluice cluster forget` */
export const clusterForget: Command = {
  name: 'cluster forget',
  usage: 'NODE --url URL | --config FILE',
  about: 'Count no more on what a node has that is gone for good',
  flags: { ...NODE_FLAGS, json: JSON_FLAG },
  positionals: [1, 1],
  more: `The files that NODE said it holds count for no majority any more. It must not live; nothing else waits for it, so it need not be done.
One that comes back under the name is welcome, and tells what it holds again.`,

  async run(args, io) {
    const node = args.at(0, 'NODE');
    await using client = clientOf(args);
    await client.forgetNode(node, io.signal === undefined ? {} : { signal: io.signal });
    const out = new Output(io.stdout);
    out.line(args.flag('json') ? JSON.stringify({ forgotten: node }) : `${node} is forgotten`);
    await out.flush();
    return EXIT_OK;
  },
};
