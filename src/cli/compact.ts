import type { DatabaseStats } from '../txn/stats.ts';
import { type Command, EXIT_OK } from './command.ts';
import { existingKeyspace, HEX_FLAG, JSON_FLAG, KEYSPACE_FLAG, withWritable } from './database.ts';
import { Output } from './io.ts';
import { bytesOf, bytesText, entriesText, plural } from './text.ts';

/** `sluice compact` */
export const compact: Command = {
  name: 'compact',
  usage: 'DB',
  about: 'Merge all tables into the lowest level, without what is overwritten or deleted',
  flags: {
    keyspace: { ...KEYSPACE_FLAG, about: 'this keyspace only; all of them when absent' },
    gte: { type: 'string', value: 'KEY', about: 'from this key' },
    lt: { type: 'string', value: 'KEY', about: 'to before this key' },
    hex: HEX_FLAG,
    json: JSON_FLAG,
  },
  positionals: [1, 1],
  more: 'Needs as much free space as the tables take. Ctrl-C stops it and loses nothing.',

  async run(args, io) {
    const keyspace = args.text('keyspace');
    const [gte, lt] = [args.text('gte'), args.text('lt')];
    const hex = args.flag('hex');
    const [before, after] = await withWritable(args, false, async (db) => {
      if (keyspace !== undefined) existingKeyspace(db, args);
      const first = db.stats();
      await db.compactRange({
        keyspace,
        gte: gte === undefined ? undefined : bytesOf(gte, hex, '--gte'),
        lt: lt === undefined ? undefined : bytesOf(lt, hex, '--lt'),
        signal: io.signal,
      });
      return [first, db.stats()];
    });
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify({ before: totals(before), after: totals(after) }));
    else out.line(`Compacted ${sizeText(before)} to ${sizeText(after)}`);
    await out.flush();
    return EXIT_OK;
  },
};

interface Totals {
  tables: number;
  bytes: number;
  entries: number;
}

/** Of all keyspaces, memtables not counted. */
function totals({ keyspaces }: DatabaseStats): Totals {
  const sum: Totals = { tables: 0, bytes: 0, entries: 0 };
  for (const { tables, bytes, entries } of keyspaces.flatMap(({ levels }) => levels)) {
    sum.tables += tables;
    sum.bytes += bytes;
    sum.entries += entries;
  }
  return sum;
}

function sizeText(stats: DatabaseStats): string {
  const { tables, bytes, entries } = totals(stats);
  return `${plural(tables, 'table')} (${entriesText(entries)}, ${bytesText(bytes)})`;
}
