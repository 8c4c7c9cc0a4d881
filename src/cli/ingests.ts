import type { IngestStatus } from '../cluster/api/ingest-record-routes.ts';
import type { Db } from '../db.ts';
import type { IngestRecord } from '../txn/ingests.ts';
import { afterDb, asksNode, clientOf, NODE_FLAGS } from './cluster-flags.ts';
import { type Arguments, type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withDatabase, withWritable } from './database.ts';
import { Output } from './io.ts';
import { columns, entriesText, plural } from './text.ts';

/** `sluice ingests` */
export const ingests: Command = {
  name: 'ingests',
  usage: '[DB] [ls | undo ID | release ID]',
  about: 'List what was ingested from where; undo an ingest',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG, ...NODE_FLAGS },
  positionals: [0, 3],
  more: `undo gives every key that an ingest changed the value that it had before, in one transaction, or none if any was
changed since. It takes an ingest made with --undoable, for which the old values are kept until it is undone or released. With --url or --config, in place of DB, those of a cluster.`,

  async run(args, io) {
    const out = new Output(io.stdout);
    const [action = 'ls', id] = afterDb(args, `ingests ${ingests.usage}`, 0, 2);
    if (action === 'undo' || action === 'release') {
      if (id === undefined) throw new UsageError('ID is missing');
      if (args.flag('readonly')) throw new UsageError(`${action} writes: it cannot be --readonly`);
      const version = asksNode(args)
        ? await changeAt(args, action, id)
        : await withWritable(args, false, (db) => change(db, action, id));
      if (args.flag('json')) out.line(JSON.stringify({ id, version }));
      else out.line(action === 'undo' ? `Undone at version ${version}` : 'Released');
    } else if (action === 'ls' && id === undefined && asksNode(args)) {
      await using client = clientOf(args);
      const records = await client.ingests();
      if (args.flag('json')) for (const record of records) out.line(JSON.stringify(record));
      else for (const line of columns(records.map(nodeCells), [0])) out.line(line);
    } else if (action === 'ls' && id === undefined) {
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

async function changeAt(args: Arguments, action: 'undo' | 'release', id: string): Promise<number> {
  await using client = clientOf(args);
  if (action === 'undo') return await client.undoIngest(id);
  await client.releaseIngest(id);
  return (await client.status()).version;
}

function nodeCells({ time, undoneAt, undoes, ...ingest }: IngestStatus): string[] {
  return cells({ ...ingest, time: new Date(time), undoneAt, undoes });
}

type Listed = Pick<IngestRecord, 'id' | 'time' | 'keyspace' | 'undoable' | 'undoes'> & {
  readonly version: number;
  readonly undoneAt: number | undefined;
  readonly files: readonly Pick<IngestRecord['files'][number], 'entries'>[];
};

function cells({ id, version, time, keyspace, files, undoable, undoneAt, undoes }: Listed): string[] {
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
