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

function statLines({ version, log, keyspaces, removalsWaiting, poisoned }: DatabaseStats): string[] {
  const rows = [
    ['version', countText(version)],
    ['log', `${plural(log.segments, 'segment')}, ${bytesText(log.bytes)}`],
  ];
  if (removalsWaiting > 0) rows.push(['waiting', `${plural(removalsWaiting, 'file')} to remove, still read`]);
  if (poisoned !== undefined) rows.push(['poisoned', poisoned]);
  return [...columns(rows), ...keyspaces.flatMap((keyspace) => ['', ...drawLevels(keyspace)])];
}
