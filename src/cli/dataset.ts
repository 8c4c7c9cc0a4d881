import { SluiceError } from '../base/errors.ts';
import type { Db } from '../db.ts';
import type { DatasetVersion } from '../txn/dataset/dataset.ts';
import { type Arguments, type Command, EXIT_OK, type Flag, UsageError } from './command.ts';
import { JSON_FLAG, READONLY_FLAG, withDatabase, withWritable } from './database.ts';
import { type Io, Output } from './io.ts';
import { PREFIX_FLAGS, prefixOf } from './prefix-flags.ts';
import { checkedText, ProgressLine } from './progress-line.ts';
import { bytesText, columns, entriesText, plural } from './text.ts';

const KEEP: Flag = { type: 'string', value: 'N', about: 'drop all but the newest N versions' };

/** `sluice dataset ls` */
export const datasetLs: Command = {
  name: 'dataset ls',
  usage: 'DB [NAME]',
  about: 'List the versions of datasets',
  flags: { json: JSON_FLAG, readonly: READONLY_FLAG },
  positionals: [1, 2],
  more: 'A * marks the version that is live. Sizes count what versions share once in each.',

  async run(args, io) {
    const [, only] = args.positionals;
    const out = new Output(io.stdout);
    await withDatabase(args, async (db) => {
      const names = db.datasets();
      if (only !== undefined && !names.includes(only)) {
        const there = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
        const message = `The database has no dataset ${JSON.stringify(only)}; ${there}`;
        throw new SluiceError('DATASET_VERSION_NOT_FOUND', message);
      }
      const all = names
        .filter((name) => only === undefined || name === only)
        .flatMap((name) =>
          db
            .dataset(name)
            .versions()
            .map((version) => ({ name, version })),
        );
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
  usage: 'DB NAME FILE…',
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
  },
  positionals: [3, Number.POSITIVE_INFINITY],

  async run(args, io) {
    const [, name = '', ...files] = args.positionals;
    const [version, message, keepVersions] = [
      args.count('version'),
      args.text('message'),
      args.count('keep'),
    ];
    const mode = args.choice('mode', ['copy', 'link', 'move']);
    const sha256 = args.list('sha256').map((digest) => digest.toLowerCase());
    const progress = new ProgressLine(io);
    const published = await withWritable(args, true, (db) =>
      db.dataset(name, keepVersions === undefined ? {} : { keepVersions }).publish(files, {
        kind: args.flag('delta') ? 'delta' : 'base',
        ...(version !== undefined && { version }),
        ...(message !== undefined && { message }),
        ...(mode !== undefined && { mode }),
        ...(sha256.length > 0 && { sha256 }),
        ...prefixOf(args),
        ...(args.flag('no-activate') && { activate: false }),
        ...(io.signal && { signal: io.signal }),
        onProgress: ({ bytesDone, bytesTotal }) => progress.show(checkedText(bytesDone, bytesTotal)),
      }),
    ).finally(() => progress.end());
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
  usage: 'DB NAME VERSION',
  about: 'Make a kept version live',
  flags: { json: JSON_FLAG },
  positionals: [3, 3],
  run: (args, io) =>
    makeLive(args, io, async (db) => {
      const version = numberOf(args.at(2, 'VERSION'));
      await db.dataset(args.at(1, 'NAME')).activate(version);
      return version;
    }),
};

/** `sluice dataset rollback` */
export const datasetRollback: Command = {
  name: 'dataset rollback',
  usage: 'DB NAME',
  about: 'Make the version live that was published before the live one',
  flags: { json: JSON_FLAG },
  positionals: [2, 2],
  run: (args, io) => makeLive(args, io, (db) => db.dataset(args.at(1, 'NAME')).rollback()),
};

async function makeLive(args: Arguments, io: Io, act: (db: Db) => Promise<number>): Promise<number> {
  const version = await withWritable(args, false, act);
  const name = args.at(1, 'NAME');
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
  usage: 'DB NAME [VERSION…]',
  about: 'Keep versions no longer',
  flags: { keep: KEEP, json: JSON_FLAG },
  positionals: [2, Number.POSITIVE_INFINITY],
  more: 'The live version is never dropped.',

  async run(args, io) {
    const [, name = '', ...numbers] = args.positionals;
    const versions = numbers.map(numberOf);
    const keep = args.count('keep');
    if ((keep === undefined) === (versions.length === 0))
      throw new UsageError('give either VERSION or --keep N');
    const dropped = await withWritable(args, false, async (db) => {
      const dataset = db.dataset(name);
      if (keep !== undefined) return dataset.retain(keep);
      for (const version of versions) await dataset.drop(version);
      return versions;
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

function cells({ name, version: of }: { name: string; version: DatasetVersion }): string[] {
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

function sizeText({ tables, entries, bytes }: DatasetVersion): string {
  return `${plural(tables, 'table')}, ${entriesText(entries)}, ${bytesText(bytes)}`;
}

function printed(name: string, { files, ...version }: DatasetVersion): object {
  const named = files.map(({ file, bytes, entries, sha256 }) => ({ file, bytes, entries, sha256 }));
  return { dataset: name, ...version, files: named };
}
