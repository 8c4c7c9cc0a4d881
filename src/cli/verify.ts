import { type Command, EXIT_NOT_FOUND, EXIT_OK } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withDatabase } from './database.ts';
import { Output } from './io.ts';
import { bytesText, entriesText, plural } from './text.ts';

/** `sluice verify` */
export const verify: Command = {
  name: 'verify',
  usage: 'DB',
  about: 'Check the tables against the manifest and against themselves',
  flags: {
    full: { type: 'boolean', about: 'read and check every block, not only indexes and both ends' },
    json: JSON_FLAG,
    readonly: READONLY_FLAG,
  },
  positionals: [1, 1],
  more: 'Exits with 1 when it finds damage; each line names the file and what is wrong with it.',

  async run(args, io) {
    const full = args.flag('full');
    const report = await withDatabase(args, (db) =>
      db.verify({ full, ...(io.signal && { signal: io.signal }) }),
    );
    const out = new Output(io.stdout);
    if (args.flag('json')) {
      out.line(JSON.stringify({ ...report, full }));
    } else {
      for (const problem of report.problems) out.line(problem);
      const what = `${plural(report.tables, 'table')}, ${entriesText(report.entries)}, ${bytesText(report.bytes)}`;
      const depth = full ? 'every block read' : 'indexes and ends read; --full reads every block';
      out.line(
        `${report.ok ? 'No damage found' : plural(report.problems.length, 'problem')}: ${what} (${depth})`,
      );
    }
    await out.flush();
    return report.ok ? EXIT_OK : EXIT_NOT_FOUND;
  },
};
