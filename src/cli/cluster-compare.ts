import type { ContentComparison } from '../cluster/contents.ts';
import { clientOf, NODE_FLAGS } from './cluster-flags.ts';
import { type Command, EXIT_NOT_FOUND, EXIT_OK } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { Output } from './io.ts';
import { columns, countText } from './text.ts';

/** `sluice cluster compare` */
export const clusterCompare: Command = {
  name: 'cluster compare',
  usage: '--url URL | --config FILE',
  about: 'Have all nodes compute what they hold at one version, and compare',
  flags: { ...NODE_FLAGS, json: JSON_FLAG },
  positionals: [0, 0],
  more: 'Each node reads all that it has. Exit code 1 when they differ: what does not agree with a majority halts, and sluice cluster repair makes it anew.',

  async run(args, io) {
    await using client = clientOf(args);
    const comparison = await client.compareContents(io.signal === undefined ? {} : { signal: io.signal });
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify(comparison));
    else for (const line of comparisonLines(comparison)) out.line(line);
    await out.flush();
    return comparison.same ? EXIT_OK : EXIT_NOT_FOUND;
  },
};

function comparisonLines({ version, same, nodes }: ContentComparison): string[] {
  const told = same ? 'all that could tell hold the same' : 'the nodes do not hold the same';
  const rows = nodes.map(({ node, condition, digest = 'could not tell' }) => [node, condition, digest]);
  return [
    `at version ${countText(version)} ${told}`,
    '',
    ...columns([['node', 'condition', 'sha256'], ...rows]),
  ];
}
