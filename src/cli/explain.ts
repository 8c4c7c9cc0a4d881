import { unreachable } from '../base/assert.ts';
import { formatKey } from '../base/bytes.ts';
import type { Blocker } from '../levels/placement.ts';
import { tableName } from '../manifest/directory.ts';
import type { IngestPlan } from '../txn/explain.ts';
import { type Command, EXIT_OK } from './command.ts';
import { HEX_FLAG, JSON_FLAG, READONLY_FLAG, withDatabase } from './database.ts';
import { Output } from './io.ts';
import { PREFIX_FLAGS, prefixOf } from './prefix-flags.ts';
import { bytesText, entriesText, jsonField, plural } from './text.ts';

/** `sluice explain` */
export const explain: Command = {
  name: 'explain',
  usage: 'DB FILE…',
  about: 'Tell where an ingest would put files, and what keeps them from lower levels',
  flags: {
    into: { type: 'string', value: 'KEYSPACE', about: 'where the entries would go; `default` when absent' },
    ...PREFIX_FLAGS,
    hex: HEX_FLAG,
    json: JSON_FLAG,
    readonly: READONLY_FLAG,
  },
  positionals: [2, Number.POSITIVE_INFINITY],
  more: 'Changes nothing. A file goes to the lowest level where no table overlaps its range.',

  async run(args, io) {
    const into = args.text('into');
    const options = {
      ...(into !== undefined && { into }),
      ...prefixOf(args),
      ...(io.signal && { signal: io.signal }),
    };
    const plans = await withDatabase(args, (db) => db.explainIngest(args.positionals.slice(1), options));
    const out = new Output(io.stdout);
    const hex = args.flag('hex');
    if (args.flag('json')) out.line(JSON.stringify(plans.map((plan) => planJson(plan, hex))));
    else for (const plan of plans) for (const line of planLines(plan)) out.line(line);
    await out.flush();
    return EXIT_OK;
  },
};

function planLines(plan: IngestPlan): string[] {
  const { file, level, entries, rangeDeletes, bytes, smallest, largest, blockers } = plan;
  const ranges = rangeDeletes === 0 ? '' : `, ${plural(rangeDeletes, 'range deletion')}`;
  const range = `${formatKey(smallest)} … ${formatKey(largest)}`;
  return [
    `${file}: level ${level}`,
    `  ${entriesText(entries)}${ranges}, ${bytesText(bytes)}, ${range}`,
    ...blockers.map((blocker) => `  not level ${blocker.level}: ${blockerText(blocker)}`),
  ];
}

function blockerText(blocker: Blocker): string {
  switch (blocker.kind) {
    case 'table': {
      const { id, smallest, largest } = blocker.table;
      return `${tableName(id)} has ${formatKey(smallest)} … ${formatKey(largest)}`;
    }
    case 'earlier': {
      const { smallest, largest } = blocker.earlier;
      return `an earlier file of the list has ${formatKey(smallest)} … ${formatKey(largest)}`;
    }
    case 'reservation': {
      const { owner, smallest, largest } = blocker.reservation;
      return `${owner} has ${formatKey(smallest)} … ${formatKey(largest)}`;
    }
    default:
      return unreachable(blocker);
  }
}

function planJson(plan: IngestPlan, hex: boolean): object {
  const { file, keyspace, level, entries, rangeDeletes, bytes, blockers } = plan;
  return {
    file,
    keyspace,
    level,
    entries,
    rangeDeletes,
    bytes,
    ...rangeJson(plan, hex),
    blockers: blockers.map((blocker) => ({
      kind: blocker.kind,
      level: blocker.level,
      ...blockerJson(blocker, hex),
    })),
  };
}

function blockerJson(blocker: Blocker, hex: boolean): object {
  switch (blocker.kind) {
    case 'table':
      return { table: blocker.table.id, ...rangeJson(blocker.table, hex) };
    case 'earlier':
      return rangeJson(blocker.earlier, hex);
    case 'reservation':
      return { owner: blocker.reservation.owner, ...rangeJson(blocker.reservation, hex) };
    default:
      return unreachable(blocker);
  }
}

function rangeJson(range: { smallest: Uint8Array; largest: Uint8Array }, hex: boolean): object {
  return { ...jsonField('smallest', range.smallest, hex), ...jsonField('largest', range.largest, hex) };
}
