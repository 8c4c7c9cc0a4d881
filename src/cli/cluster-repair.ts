import { nodeEnv } from '../base/env/node-env.ts';
import { type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { Output } from './io.ts';
import { isClusterConfig, readConfig } from './serve-config.ts';
import { plural } from './text.ts';

/** `sluice cluster repair` */
export const clusterRepair: Command = {
  name: 'cluster repair',
  usage: '--config FILE',
  about: 'Make a node’s replica anew, from the log or from another node; it must not run',
  flags: {
    config: { type: 'string', value: 'FILE', about: 'as for sluice serve' },
    json: JSON_FLAG,
  },
  positionals: [0, 0],
  more: 'What the node had is kept until the new replica has caught up, and is there again where that fails.',

  async run(args, io) {
    const path = args.text('config');
    if (path === undefined) throw new UsageError('--config FILE is missing');
    const { options } = readConfig(path);
    if (!isClusterConfig(options)) throw new UsageError(`${path} is of a database alone: it has no peers`);
    const [{ openNode }, { repairReplica }] = await Promise.all([
      import('../cluster/open-node.ts'),
      import('../cluster/repair.ts'),
    ]);
    let version = 0;
    const { damagedFiles } = await repairReplica(nodeEnv, options.dir, async () => {
      const node = await openNode(options);
      try {
        await node.db.caughtUp();
        version = node.db.version;
      } finally {
        await node.close();
      }
    });
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify({ version, damagedFiles }));
    else {
      const files =
        damagedFiles.length === 0 ? '' : `; ${plural(damagedFiles.length, 'damaged file')} removed`;
      out.line(`${options.node} is at version ${version}${files}`);
    }
    await out.flush();
    return EXIT_OK;
  },
};
