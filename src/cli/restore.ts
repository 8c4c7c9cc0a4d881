import { restoreBackup } from '../txn/backup/restore.ts';
import { type Command, EXIT_OK } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { Output } from './io.ts';
import { bytesText } from './text.ts';

/** `sluice restore` */
export const restore: Command = {
  name: 'restore',
  usage: 'DEST DB',
  about: 'Make a database of a backup in the directory DEST',
  flags: {
    backup: {
      type: 'string',
      value: 'N',
      about: 'this one, as `sluice backups` lists them; the newest when absent',
    },
    json: JSON_FLAG,
  },
  positionals: [2, 2],
  more: 'Every file is compared with its digest. DB must not exist; it appears when it is whole.',

  async run(args, io) {
    const backup = args.count('backup');
    const options = { ...(backup !== undefined && { backup }), ...(io.signal && { signal: io.signal }) };
    const made = await restoreBackup(args.at(0, 'DEST'), args.at(1, 'DB'), options);
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify(made));
    else out.line(`${made.path}: backup ${made.backup}, version ${made.version}, ${bytesText(made.bytes)}`);
    await out.flush();
    return EXIT_OK;
  },
};
