import { listBackups } from '../txn/backup/restore.ts';
import { type Command, EXIT_NOT_FOUND, EXIT_OK } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { Output } from './io.ts';
import { bytesText, columns, plural } from './text.ts';

/** `sluice backups` */
export const backups: Command = {
  name: 'backups',
  usage: 'DEST',
  about: 'List the backups in a directory',
  flags: {
    full: { type: 'boolean', about: 'read every byte, and compare it with its digest' },
    json: JSON_FLAG,
  },
  positionals: [1, 1],
  more: 'Exits with 1 when there is none, or --full finds damage; each line names the file and what is wrong with it.',

  async run(args, io) {
    const full = args.flag('full');
    const list = await listBackups(args.at(0, 'DEST'), { full, ...(io.signal && { signal: io.signal }) });
    const out = new Output(io.stdout);
    const problems = list.flatMap((backup) => backup.problems ?? []);
    if (args.flag('json')) for (const backup of list) out.line(JSON.stringify(backup));
    else {
      for (const problem of new Set(problems)) out.line(problem);
      const rows = list.map(({ backup, createdMs, version, tables, bytes, problems: found }) => [
        `${backup}`,
        new Date(createdMs).toISOString(),
        `version ${version}`,
        plural(tables, 'table'),
        bytesText(bytes),
        found === undefined ? '' : found.length === 0 ? 'no damage found' : 'damaged',
      ]);
      for (const row of columns(rows, [0])) out.line(row);
    }
    await out.flush();
    return list.length === 0 || problems.length > 0 ? EXIT_NOT_FOUND : EXIT_OK;
  },
};
