import type { Db } from '../db.ts';
import type { IngestRecord } from '../txn/ingests.ts';
import { type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withDatabase, withWritable } from './database.ts';
import { Output } from './io.ts';
import { columns, entriesText, plural } from './text.ts';

/** `sluice ingests` */
export const ingests: Command = {
  name: 'ingests',
  usage: 'DB [ls | undo ID | release ID]',
  about: 'List what was ingested from where; undo an ingest',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG },
  positionals: [1, 3],
  more: `undo gives every key that an ingest changed the value that it had before, in one transaction, or none if any was
changed since. It takes an ingest made with --undoable, for which the old values are kept until it is undone or released.`,

  async run(args, io) {
    const out = new Output(io.stdout);
    const [, action = 'ls'] = args.positionals;
    if (action === 'undo' || action === 'release') {
      const id = args.at(2, 'ID');
      if (args.flag('readonly')) throw new UsageError(`${action} writes: it cannot be --readonly`);
      const version = await withWritable(args, false, (db) => change(db, action, id));
      if (args.flag('json')) out.line(JSON.stringify({ id, version }));
      else out.line(action === 'undo' ? `Undone at version ${version}` : 'Released');
    } else if (action === 'ls' && args.positionals.length < 3) {
      const records = await withDatabase(args, async (db) => db.ingests());
      if (args.flag('json')) for (const record of records) out.line(JSON.stringify(printed(record)));
      else for (const line of columns(records.map(cells), [0])) out.line(line);
    } else {
      throw new UsageError(`${action} is no action here; the command is: sluice ingests ${ingests.usage}`);
    }
    await out.flush();
    return EXIT_OK;
  },
};

async function change(db: Db, action: 'undo' | 'release', id: string): Promise<number> {
  if (action === 'undo') return db.undoIngest(id);
  db.releaseIngest(id);
  return db.version;
}

function cells({ id, version, time, keyspace, files, undoable, undoneAt, undoes }: IngestRecord): string[] {
  const entries = files.reduce((sum, file) => sum + file.entries, 0);
  const state =
    undoneAt !== undefined
      ? `undone at ${undoneAt}`
      : undoes !== undefined
        ? `undoes ${undoes}`
        : undoable
          ? 'undoable'
          : '';
  const what = `${plural(files.length, 'file')}, ${entriesText(entries)}`;
  return [String(version), time.toISOString(), id, keyspace, what, state];
}

/** Keys as text would lose bytes. */
function printed(record: IngestRecord): object {
  const files = record.files.map(({ smallest, largest, prefix, ...file }) => ({
    ...file,
    smallestHex: smallest.toString('hex'),
    largestHex: largest.toString('hex'),
    ...(prefix && { prefix: { fromHex: prefix.from.toString('hex'), toHex: prefix.to.toString('hex') } }),
  }));
  return { ...record, files };
}
