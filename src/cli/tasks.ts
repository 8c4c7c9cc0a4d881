import { isSluiceError } from '../base/errors.ts';
import type { Db } from '../db.ts';
import { open } from '../import/open.ts';
import type { ImportTask, ImportTaskInfo } from '../import-options.ts';
import { type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG, READONLY_FLAG } from './database.ts';
import { Output } from './io.ts';
import { columns, plural } from './text.ts';

/** `sluice tasks` */
export const tasks: Command = {
  name: 'tasks',
  usage: 'DB [ls | cancel ID]',
  about: 'List imports; cancel one',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG },
  positionals: [1, 3],
  more: `An import that is paused, has failed or was ended by a crash goes on with \`sluice import DB --resume ID\`. cancel leaves nothing of it.`,

  async run(args, io) {
    const [, action = 'ls'] = args.positionals;
    const cancels = action === 'cancel';
    if (!cancels && (action !== 'ls' || args.positionals.length > 2))
      throw new UsageError(`${action} is no action here; the command is: sluice tasks ${tasks.usage}`);
    const readOnly = args.flag('readonly');
    if (cancels && readOnly) throw new UsageError('cancel writes: it cannot be --readonly');
    const out = new Output(io.stdout);
    const db = await open(args.at(0, 'DB'), { compaction: 'off', createIfMissing: false, readOnly });
    try {
      if (cancels) {
        const id = args.at(2, 'ID');
        await cancel(db, id);
        out.line(args.flag('json') ? JSON.stringify({ id, state: 'cancelled' }) : `Cancelled ${id}`);
      } else if (args.flag('json')) for (const task of db.tasks()) out.line(JSON.stringify(task));
      else for (const line of columns(db.tasks().map(cells))) out.line(line);
    } finally {
      await db.close();
    }
    await out.flush();
    return EXIT_OK;
  },
};

async function cancel(db: Db, id: string): Promise<void> {
  const known = db.tasks().find((task) => task.id === id);
  if (known?.state === 'imported')
    throw new UsageError(`the import ${id} is done; \`sluice ingests undo\` may undo it`);
  let task: ImportTask;
  try {
    task = db.resumeImport(id);
  } catch (error) {
    // It reads a stream: it is given an empty one, of which nothing will be read.
    if (!isSluiceError(error, 'SOURCE_GONE')) throw error;
    task = db.resumeImport(id, { source: nothing() });
  }
  await task.cancel();
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function cells({
  id,
  state,
  into,
  dataset,
  format,
  sources,
  started,
  rowsRead,
  rowsBad,
  error,
  result,
}: ImportTaskInfo): string[] {
  const [first = 'a stream', ...more] = sources;
  const from = more.length === 0 ? first : `${first} and ${plural(more.length, 'more source')}`;
  const rows = plural(result?.rowsRead ?? rowsRead, 'row');
  const bad = (result?.rowsBad ?? rowsBad) === 0 ? '' : `, ${plural(result?.rowsBad ?? rowsBad, 'bad row')}`;
  const where = dataset === undefined ? into : `dataset ${dataset}`;
  return [id, state, started.toISOString(), `${rows}${bad}`, where, `${format} ${from}`, error ?? ''];
}
