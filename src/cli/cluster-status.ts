import type { NodeStatus } from '../cluster/api/served-node.ts';
import { clientOf, NODE_FLAGS } from './cluster-flags.ts';
import { type Command, EXIT_NOT_FOUND, EXIT_OK } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { Output } from './io.ts';
import { bytesText, columns, countText, plural } from './text.ts';

/** `sluice cluster status` */
export const clusterStatus: Command = {
  name: 'cluster status',
  usage: '--url URL | --config FILE',
  about: 'Show the nodes of a cluster, as one of them sees it',
  flags: { ...NODE_FLAGS, json: JSON_FLAG },
  positionals: [0, 0],
  more: 'Exit code 1 when a node is halted, or this one is. --json prints what GET /v1/status answers.',

  async run(args, io) {
    await using client = clientOf(args);
    const status = await client.status(io.signal === undefined ? {} : { signal: io.signal });
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify(status));
    else for (const line of statusLines(status)) out.line(line);
    await out.flush();
    const isHalted = status.members.some(({ condition }) => condition === 'halted');
    return isHalted || status.condition === 'halted' ? EXIT_NOT_FOUND : EXIT_OK;
  },
};

function statusLines(status: NodeStatus): string[] {
  const { node, cluster, condition, error, version, lag, files, headRevision } = status;
  const rows = [
    ['node', `${node}, ${condition}${error === undefined ? '' : `: ${error}`}`],
    ['cluster', cluster ?? 'none: a database alone'],
    ['version', countText(version)],
  ];
  if (cluster !== undefined) {
    const behind =
      lag.revisions === undefined
        ? 'the log does not answer'
        : lag.revisions === 0
          ? `all ${countText(headRevision ?? 0)} revisions applied`
          : behindText(lag);
    rows.push(['log', behind]);
    rows.push(['files', `${countText(files.held)} held, ${bytesText(files.bytes)}`]);
  }
  for (const { digest, bytes, received, from } of files.inFlight)
    rows.push(['', `${digest.slice(0, 12)}… ${bytesText(received)} of ${bytesText(bytes)} from ${from}`]);
  if (status.members.length === 0) return columns(rows);
  return [...columns(rows), '', ...memberLines(status.members)];
}

/** A table, with its head. */
export function memberLines(all: NodeStatus['members']): string[] {
  const newest = Math.max(...all.map(({ appliedVersion }) => appliedVersion));
  const members = all.map((member) => [
    member.node,
    member.condition,
    countText(member.appliedRevision),
    countText(member.appliedVersion),
    countText(newest - member.appliedVersion),
    member.url ?? '',
  ]);
  return columns([['node', 'condition', 'revision', 'version', 'behind', 'url'], ...members]);
}

function behindText({ revisions = 0, records, bytes, seconds }: NodeStatus['lag']): string {
  const what =
    records === undefined || bytes === undefined
      ? plural(revisions, 'revision')
      : `${plural(records, 'transaction')} of ${bytesText(bytes)}`;
  return `${what} behind, for ${seconds.toFixed(1)} s`;
}
