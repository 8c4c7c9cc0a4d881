import { SluiceError } from '../base/errors.ts';
import { afterDb, asksNode, NODE_FLAGS } from './cluster-flags.ts';
import { type Arguments, type Command, EXIT_OK, type Flag, UsageError } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withWritable } from './database.ts';
import { type DatasetDoor, type ListedVersion, publishAt, withDatasets } from './dataset-door.ts';
import { type Io, Output } from './io.ts';
import { PREFIX_FLAGS, prefixOf } from './prefix-flags.ts';
import { checkedText, ProgressLine } from './progress-line.ts';
import { bytesText, columns, entriesText, plural } from './text.ts';

const KEEP: Flag = { type: 'string', value: 'N', about: 'drop all but the newest N versions' };

/** `sluice dataset ls` */
export const datasetLs: Command = {
  name: 'dataset ls',
  usage: '[DB] [NAME]',
  about: 'List the versions of datasets',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG, ...NODE_FLAGS },
  positionals: [0, 2],
  more: 'A * marks the version that is live. Sizes count what versions share once in each.',

  async run(args, io) {
    const [only] = afterDb(args, `dataset ls ${datasetLs.usage}`, 0, 1);
    const out = new Output(io.stdout);
    await withDatasets(args, false, async (door) => {
      const datasets = await door.list();
      const names = [...datasets.keys()];
      if (only !== undefined && !names.includes(only)) {
        const there = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
        const message = `The database has no dataset ${JSON.stringify(only)}; ${there}`;
        throw new SluiceError('DATASET_VERSION_NOT_FOUND', message);
      }
      const all = names
        .filter((name) => only === undefined || name === only)
        .flatMap((name) => (datasets.get(name) ?? []).map((version) => ({ name, version })));
      if (args.flag('json'))
        for (const { name, version } of all) out.line(JSON.stringify(printed(name, version)));
      else for (const line of columns(all.map(cells), [2])) out.line(line);
    });
    await out.flush();
    return EXIT_OK;
  },
};

/** `sluice dataset publish` */
export const datasetPublish: Command = {
  name: 'dataset publish',
  usage: '[DB] NAME FILE…',
  about: 'Load SST files as a new version, and make it live in one commit',
  flags: {
    delta: { type: 'boolean', about: 'over the live version; without it the files are all there is' },
    version: { type: 'string', value: 'N', about: 'its number; the next when absent' },
    message: { type: 'string', short: 'm', about: 'what it is' },
    'no-activate': { type: 'boolean', about: 'keep it only; `dataset activate` makes it live later' },
    keep: KEEP,
    mode: { type: 'string', value: 'copy|link|move', about: 'how the files get there; copy when absent' },
    sha256: {
      type: 'string',
      value: 'HEX',
      multiple: true,
      about: 'digest of a file; once for each, in order',
    },
    ...PREFIX_FLAGS,
    json: JSON_FLAG,
    ...NODE_FLAGS,
  },
  positionals: [2, Number.POSITIVE_INFINITY],
  more: 'With --url or --config, in place of DB, the files are sent to that node and published by it.',

  async run(args, io) {
    const usage = `dataset publish ${datasetPublish.usage}`;
    const [name = '', ...files] = afterDb(args, usage, 2, Number.POSITIVE_INFINITY);
    const [version, message, keepVersions] = [
      args.count('version'),
      args.text('message'),
      args.count('keep'),
    ];
    const mode = args.choice('mode', ['copy', 'link', 'move']);
    const sha256 = args.list('sha256').map((digest) => digest.toLowerCase());
    const progress = new ProgressLine(io);
    const options = {
      kind: args.flag('delta') ? ('delta' as const) : ('base' as const),
      ...(version !== undefined && { version }),
      ...(message !== undefined && { message }),
      ...(sha256.length > 0 && { sha256 }),
      ...(args.flag('no-activate') && { activate: false }),
    };
    let published: ListedVersion;
    if (asksNode(args)) {
      if (mode !== undefined || prefixOf(args).prefix !== undefined)
        throw new UsageError('--mode and prefixes are of files of DB: a node is sent them as they are');
      const kept = keepVersions === undefined ? {} : { keepVersions };
      published = await publishAt(args, name, files, { ...options, ...kept }, io.signal);
    } else {
      published = await withWritable(args, true, (db) =>
        db.dataset(name, keepVersions === undefined ? {} : { keepVersions }).publish(files, {
          ...options,
          ...(mode !== undefined && { mode }),
          ...prefixOf(args),
          ...(io.signal && { signal: io.signal }),
          onProgress: ({ bytesDone, bytesTotal }) => progress.show(checkedText(bytesDone, bytesTotal)),
        }),
      ).finally(() => progress.end());
    }
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify(printed(name, published)));
    else {
      const state = published.live ? 'live' : 'kept, and not live';
      out.line(`Version ${published.version} of ${name} is ${state}: ${sizeText(published)}`);
    }
    await out.flush();
    return EXIT_OK;
  },
};

/** `sluice dataset activate` */
export const datasetActivate: Command = {
  name: 'dataset activate',
  usage: '[DB] NAME VERSION',
  about: 'Make a kept version live',
  flags: { json: JSON_FLAG, ...NODE_FLAGS },
  positionals: [2, 3],
  run: (args, io) => {
    const [name = '', text = ''] = afterDb(args, `dataset activate ${datasetActivate.usage}`, 2, 2);
    const version = numberOf(text);
    return makeLive(args, io, name, async (door) => {
      await door.dataset(name).activate(version);
      return version;
    });
  },
};

/** `sluice dataset rollback` */
export const datasetRollback: Command = {
  name: 'dataset rollback',
  usage: '[DB] NAME',
  about: 'Make the version live that was published before the live one',
  flags: { json: JSON_FLAG, ...NODE_FLAGS },
  positionals: [1, 2],
  run: (args, io) => {
    const [name = ''] = afterDb(args, `dataset rollback ${datasetRollback.usage}`, 1, 1);
    return makeLive(args, io, name, (door) => door.dataset(name).rollback());
  },
};

async function makeLive(
  args: Arguments,
  io: Io,
  name: string,
  act: (door: DatasetDoor) => Promise<number>,
): Promise<number> {
  const version = await withDatasets(args, true, act);
  const out = new Output(io.stdout);
  out.line(
    args.flag('json') ? JSON.stringify({ dataset: name, version }) : `Version ${version} of ${name} is live`,
  );
  await out.flush();
  return EXIT_OK;
}

/** `sluice dataset drop` */
export const datasetDrop: Command = {
  name: 'dataset drop',
  usage: '[DB] NAME [VERSION…]',
  about: 'Keep versions no longer',
  flags: { keep: KEEP, json: JSON_FLAG, ...NODE_FLAGS },
  positionals: [1, Number.POSITIVE_INFINITY],
  more: 'The live version is never dropped.',

  async run(args, io) {
    const usage = `dataset drop ${datasetDrop.usage}`;
    const [name = '', ...numbers] = afterDb(args, usage, 1, Number.POSITIVE_INFINITY);
    const versions = numbers.map(numberOf);
    const keep = args.count('keep');
    if ((keep === undefined) === (versions.length === 0))
      throw new UsageError('give either VERSION or --keep N');
    const dropped = await withDatasets(args, true, (door) => {
      const dataset = door.dataset(name);
      return keep === undefined ? dataset.drop(versions) : dataset.retain(keep);
    });
    const out = new Output(io.stdout);
    if (args.flag('json')) out.line(JSON.stringify({ dataset: name, dropped }));
    else out.line(dropped.length === 0 ? 'Nothing to drop' : `Dropped ${dropped.join(', ')}`);
    await out.flush();
    return EXIT_OK;
  },
};

export function numberOf(text: string): number {
  if (/^[1-9]\d*$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new UsageError(`a version is a positive whole number; got ${JSON.stringify(text)}`);
}

function cells({ name, version: of }: { name: string; version: ListedVersion }): string[] {
  const kind = of.base === undefined ? 'base' : `delta on ${of.base}`;
  return [
    name,
    of.live ? '*' : '',
    String(of.version),
    of.time.toISOString(),
    kind,
    sizeText(of),
    of.message ?? '',
  ];
}

function sizeText({ tables, entries, bytes }: ListedVersion): string {
  return `${plural(tables, 'table')}, ${entriesText(entries)}, ${bytesText(bytes)}`;
}

function printed(name: string, { files, ...version }: ListedVersion): object {
  const named = files.map(({ file, bytes, entries, sha256 }) => ({ file, bytes, entries, sha256 }));
  return { dataset: name, ...version, files: named };
}
