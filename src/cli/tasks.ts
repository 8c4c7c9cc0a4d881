import { isSluiceError } from '../base/errors.ts';
import type { ImportStatus } from '../cluster/api/import-routes.ts';
import type { Db } from '../db.ts';
import { open } from '../import/open.ts';
import type { ImportTask, ImportTaskInfo } from '../import-options.ts';
import { clientOf, NODE_FLAGS } from './cluster-flags.ts';
import { type Arguments, type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG, READONLY_FLAG } from './database.ts';
import { type Io, Output } from './io.ts';
import { columns, plural } from './text.ts';

/** `sluice tasks` */
export const tasks: Command = {
  name: 'tasks',
  usage: '[DB] [ls | cancel ID]',
  about: 'List imports of a database, or of a cluster; cancel one',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG, ...NODE_FLAGS },
  positionals: [0, 3],
  more: `An import that is paused, has failed or was ended by a crash goes on with \`sluice import DB --resume ID\`. cancel leaves nothing of it.
With --url or --config, in place of DB, the imports of all nodes of a cluster: of one that no node runs it says so.`,

  async run(args, io) {
    if (args.list('url').length > 0 || args.text('config') !== undefined) return ofCluster(args, io);
    const db = args.at(0, 'DB');
    const cancels = doesCancel(args.positionals.slice(1));
    const readOnly = args.flag('readonly');
    if (cancels && readOnly) throw new UsageError('cancel writes: it cannot be --readonly');
    const out = new Output(io.stdout);
    const opened = await open(db, { compaction: 'off', createIfMissing: false, readOnly });
    try {
      if (cancels) {
        const id = args.at(2, 'ID');
        await cancel(opened, id);
        out.line(args.flag('json') ? JSON.stringify({ id, state: 'cancelled' }) : `Cancelled ${id}`);
      } else if (args.flag('json')) for (const task of opened.tasks()) out.line(JSON.stringify(task));
      else for (const line of columns(opened.tasks().map(cells))) out.line(line);
    } finally {
      await opened.close();
    }
    await out.flush();
    return EXIT_OK;
  },
};

/** @throws UsageError */
function doesCancel(actions: readonly string[]): boolean {
  const [action = 'ls', , ...more] = actions;
  if (action === 'cancel' && more.length === 0) return true;
  if (action === 'ls' && actions.length <= 1) return false;
  throw new UsageError(`${action} is no action here; the command is: sluice tasks ${tasks.usage}`);
}

async function ofCluster(args: Arguments, io: Io): Promise<number> {
  const cancels = doesCancel(args.positionals);
  await using client = clientOf(args);
  const call = io.signal === undefined ? {} : { signal: io.signal };
  const out = new Output(io.stdout);
  if (cancels) {
    const status = await client.changeImport(args.at(1, 'ID'), 'cancel', call);
    out.line(args.flag('json') ? JSON.stringify(status) : `Cancelled ${status.id}`);
  } else {
    const imports = await client.imports(call);
    if (args.flag('json')) for (const one of imports) out.line(JSON.stringify(one));
    else for (const line of columns(imports.map(nodeCells))) out.line(line);
  }
  await out.flush();
  return EXIT_OK;
}

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

function nodeCells({
  id,
  state,
  node,
  running,
  started,
  into,
  sources = [],
  error,
  ...status
}: ImportStatus): string[] {
  const isOver = state === 'imported' || state === 'cancelled' || state === 'failed';
  const [first = 'a stream', ...more] = sources;
  const from = more.length === 0 ? first : `${first} and ${plural(more.length, 'more source')}`;
  const rows = plural(status.result?.rowsRead ?? status.rowsRead ?? 0, 'row');
  const told = running || isOver ? state : `${state}, and nobody is at it`;
  return [id, told, node ?? '', started ?? '', rows, into ?? '', from, error?.message ?? ''];
}
