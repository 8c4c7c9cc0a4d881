import type { RunningNode } from '../cluster/open-node.ts';
import type { Db } from '../db.ts';
import type { Logger } from '../txn/engine.ts';
import { type Command, EXIT_OK, UsageError } from './command.ts';
import { Output } from './io.ts';
import { isClusterConfig, type LogLevel, readConfig, type ServeConfig } from './serve-config.ts';

/** `sluice serve` */
export const serve: Command = {
  name: 'serve',
  usage: '--config FILE',
  about: 'Serve a database over HTTP, alone or as a node of a cluster, until Ctrl-C or SIGTERM',
  flags: {
    config: { type: 'string', value: 'FILE', about: 'the configuration, as JSON' },
    check: { type: 'boolean', about: 'look at the configuration, and no more' },
  },
  positionals: [0, 0],
  more: `FILE: { "dir": "data", "node": "a", "listen": "127.0.0.1:7001", "tokenFile": "token",
"cluster": { "name": "prod", "etcd": { "hosts": ["http://127.0.0.1:2379"] } } }
Without "cluster" it is a database alone. docs/cluster.md tells all fields. Logs are JSON lines on standard error.`,

  async run(args, io) {
    const path = args.text('config');
    if (path === undefined) throw new UsageError('--config FILE is missing');
    const config = readConfig(path);
    const out = new Output(io.stdout);
    if (args.flag('check')) {
      out.line(`${path}: ${isClusterConfig(config.options) ? 'a node of a cluster' : 'a database alone'}`);
      await out.flush();
      return EXIT_OK;
    }
    const ending = untilTold(io.signal);
    const logger = await makeLogger(config.logLevel);
    const node = await openServed(config, logger);
    logger.info({ url: node.url, node: config.options.node }, 'serving');
    out.line(`${config.options.node} serves at ${node.url}`);
    await out.flush();
    const why = await ending;
    logger.info({ why }, 'closing');
    await node.close(config.graceMs);
    logger.info({}, 'closed');
    return EXIT_OK;
  },
};

/** What a cluster needs is loaded only here: other commands start without it. */
async function openServed({ options }: ServeConfig, logger: Logger): Promise<RunningNode<Db>> {
  const { openAlone, openNode } = await import('../cluster/open-node.ts');
  try {
    return isClusterConfig(options)
      ? await openNode({ ...options, logger })
      : await openAlone({ ...options, logger });
  } catch (error) {
    // What the configuration says, and only its taker could check.
    if (error instanceof TypeError) throw new UsageError(`the configuration is wrong: ${error.message}`);
    throw error;
  }
}

async function makeLogger(level: LogLevel): Promise<Logger> {
  const { pino } = await import('pino');
  // In order and at once: the last lines before an end are those that are wanted.
  const logger: Logger = pino({ level }, pino.destination({ fd: 2, sync: true }));
  return logger;
}

/** Resolves with the name of the signal. A second one ends the process at once, as it does without this. */
function untilTold(interrupt: AbortSignal | undefined): Promise<string> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve('SIGTERM'));
    interrupt?.addEventListener('abort', () => resolve('SIGINT'), { once: true });
    if (interrupt?.aborted === true) resolve('SIGINT');
  });
}
