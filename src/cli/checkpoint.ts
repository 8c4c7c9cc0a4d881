import { type Command, EXIT_OK } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withDatabase } from './database.ts';
import { Output } from './io.ts';
import { bytesText, plural } from './text.ts';

/** `sluice checkpoint` */
export const checkpoint: Command = {
  name: 'checkpoint',
  usage: 'DB DIR',
  about: 'Make another database at DIR with what DB holds now',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG },
  positionals: [2, 2],
  more: `Tables are hard links where DIR is on the same file system, so it takes as long for a terabyte as for little; else they are
copied. DIR must not exist; it appears when it is whole. For another disk or host see \`sluice backup\`.`,

  async run(args, io) {
    const dir = args.at(1, 'DIR');
    const made = await withDatabase(args, (db) =>
      db.checkpoint(dir, { ...(io.signal && { signal: io.signal }) }),
    );
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify(made));
    else {
      const { path, version, tables, linkedTables, bytes } = made;
      const copied = linkedTables === tables ? '' : `, ${tables - linkedTables} of them copied`;
      out.line(`${path}: version ${version}, ${plural(tables, 'table')} (${bytesText(bytes)})${copied}`);
    }
    await out.flush();
    return EXIT_OK;
  },
};
