import { type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withDatabase } from './database.ts';
import { Output } from './io.ts';
import { bytesText, plural } from './text.ts';

/** `sluice backup` */
export const backup: Command = {
  name: 'backup',
  usage: 'DB DEST',
  about: 'Add a backup of the database to the directory DEST',
  flags: {
    keep: { type: 'string', value: 'N', about: 'then remove all but the newest N; all stay when absent' },
    json: JSON_FLAG,
    readonly: READONLY_FLAG,
  },
  positionals: [2, 2],
  more: `Tables are copied, checked block by block and kept with their SHA-256 digests; those that an earlier backup in DEST has
are not copied again. \`sluice backups DEST\` lists them, \`sluice restore DEST DB\` makes a database of one.`,

  async run(args, io) {
    const dest = args.at(1, 'DEST');
    const keep = args.count('keep');
    if (keep === 0) throw new UsageError('--keep must be 1 at least');
    const options = { ...(keep !== undefined && { keep }), ...(io.signal && { signal: io.signal }) };
    const made = await withDatabase(args, (db) => db.backup(dest, options));
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify(made));
    else {
      const { version, tables, copiedTables, bytes } = made;
      out.line(
        `Backup ${made.backup}: version ${version}, ${plural(tables, 'table')} (${bytesText(bytes)}), ${copiedTables} of them new here`,
      );
    }
    await out.flush();
    return EXIT_OK;
  },
};
