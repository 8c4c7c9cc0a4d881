import type { DatabaseStats } from '../txn/stats.ts';
import { type Command, EXIT_OK } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withDatabase } from './database.ts';
import { Output } from './io.ts';
import { drawLevels } from './levels-drawing.ts';
import { bytesText, columns, countText, plural } from './text.ts';

/** `sluice stat` */
export const stat: Command = {
  name: 'stat',
  usage: 'DB',
  about: 'Show keyspaces, levels, log and caches',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG },
  positionals: [1, 1],
  more: '--json prints what db.stats() returns.',

  async run(args, io) {
    const stats = await withDatabase(args, async (db) => db.stats());
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify(stats));
    else for (const line of statLines(stats)) out.line(line);
    await out.flush();
    return EXIT_OK;
  },
};

function statLines(stats: DatabaseStats): string[] {
  const { version, log, keyspaces, replica, removalsWaiting, poisoned } = stats;
  const rows = [
    ['version', countText(version)],
    ['log', `${plural(log.segments, 'segment')}, ${bytesText(log.bytes)}`],
  ];
  if (replica !== undefined)
    rows.push([
      'replica',
      `${plural(replica.tables, 'table')}, ${bytesText(replica.bytes)} of its place in the log`,
    ]);
  const work = backgroundText(stats);
  if (work !== '') rows.push(['compaction', work]);
  if (removalsWaiting > 0) rows.push(['waiting', `${plural(removalsWaiting, 'file')} to remove`]);
  if (poisoned !== undefined) rows.push(['poisoned', poisoned]);
  return [...columns(rows), ...keyspaces.flatMap((keyspace) => ['', ...drawLevels(keyspace)])];
}

/** Empty while there is nothing to tell: a command that has just opened the database mostly finds it so. */
function backgroundText({ compaction, stall }: DatabaseStats): string {
  const { running, merges, moves, bytesWritten, lastError } = compaction;
  const parts: string[] = [];
  if (running > 0) parts.push(`${running} running`);
  if (merges + moves > 0)
    parts.push(`${plural(merges, 'merge')}, ${plural(moves, 'move')}, ${bytesText(bytesWritten)} written`);
  if (lastError !== undefined) parts.push(`failing: ${lastError}`);
  if (stall.state !== 'none') parts.push(`writers ${stall.state}: ${stall.reason}`);
  return parts.join('; ');
}
