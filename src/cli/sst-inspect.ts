import { formatKey } from '../base/bytes.ts';
import { tableBlocks } from '../sst/table-blocks.ts';
import type { TableFacts } from '../sst/table-facts.ts';
import type { TableState } from '../sst/table-state.ts';
import { type Command, EXIT_OK } from './command.ts';
import { HEX_FLAG, JSON_FLAG } from './database.ts';
import { Output } from './io.ts';
import { propertyValue } from './properties.ts';
import { withTable } from './sst-file.ts';
import { bytesText, columns, countText, entriesText, hexOf, jsonField } from './text.ts';

/** `sluice sst inspect` */
export const sstInspect: Command = {
  name: 'sst inspect',
  usage: 'FILE',
  about: 'Show what an SST file says of itself: properties, key range, blocks',
  flags: {
    blocks: { type: 'boolean', about: 'one line for each block: kind, offset, bytes, last key' },
    hex: HEX_FLAG,
    json: JSON_FLAG,
  },
  positionals: [1, 1],
  more: `Reads footer, index, properties and both ends; \`sluice sst dump\` reads all entries. Keys are as the file has them: a
table of a database may be read under another prefix, as \`sluice ingests --json\` tells.`,

  async run(args, io) {
    await withTable(args.at(0, 'FILE'), async (table) => {
      const out = new Output(io.stdout);
      const { facts } = table;
      const state = table.openSync();
      const [hex, blocks] = [args.flag('hex'), args.flag('blocks')];
      if (args.flag('json')) {
        out.line(JSON.stringify(factsJson(facts, blocks ? [...blockRows(state, hex)] : undefined, hex)));
      } else {
        for (const line of factLines(facts, hex)) out.line(line);
        if (blocks) for (const line of blockLines(state, hex)) out.line(line);
      }
      await out.flush();
    });
    return EXIT_OK;
  },
};

const INDEX_NAMES = ['binary search', 'hash search', 'two levels', 'binary search with first keys'];

function factLines(facts: TableFacts, hex: boolean): string[] {
  const { path, bytes, entries, deletes, blocks, smallest, largest, filter } = facts;
  const keyText = (key: Uint8Array | undefined): string =>
    key === undefined ? 'none' : hex ? hexOf(key) : formatKey(key);
  const rows = [
    ['file', `${path}, ${bytesText(bytes)}`],
    [
      'format',
      `version ${facts.formatVersion}, checksum ${facts.checksum}, ${facts.compression || 'compression not said'}`,
    ],
    [
      'made by',
      facts.own ? 'SluiceDB' : facts.externalVersion === undefined ? 'a database' : 'SstFileWriter',
    ],
    ['entries', `${entriesText(entries)}, ${countText(deletes)} of them deletes`],
    ...facts.rangeTombstones.map(({ from, to, version }, i) => [
      i === 0 ? 'deletes' : '',
      `${keyText(from)} up to ${keyText(to)}${version === 0 ? '' : `, version ${version}`}`,
    ]),
    ['smallest', keyText(smallest)],
    ['largest', keyText(largest)],
    ['keys', `${bytesText(facts.rawKeyBytes)} as added; values ${bytesText(facts.rawValueBytes)}`],
    ['blocks', `${countText(blocks)} of data; index: ${INDEX_NAMES[facts.indexType] ?? facts.indexType}`],
    ['filter', filter === 'none' ? 'none' : `${filter}, ${bytesText(facts.filterBytes)}`],
  ];
  const properties = [...facts.properties].map(([name, value]) => [
    `  ${name}`,
    String(propertyValue(name, value)),
  ]);
  return [...columns(rows), '', 'properties', ...columns(properties)];
}

interface BlockRow {
  readonly kind: string;
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  /** Data blocks: at or after every key of the block. */
  readonly separator: Uint8Array | undefined;
}

function* blockRows(state: TableState, hex: boolean): Generator<object, void, undefined> {
  for (const { kind, name, offset, bytes, separator } of rowsOf(state)) {
    yield {
      kind,
      ...(name !== '' && { name }),
      offset,
      bytes,
      ...(separator && jsonField('separator', separator, hex)),
    };
  }
}

function* rowsOf(state: TableState): Generator<BlockRow, void, undefined> {
  const { index } = state;
  let data = 0;
  for (const { kind, name, offset, bytes } of tableBlocks(state)) {
    const separator =
      kind === 'data' ? index.keys.subarray(index.keyStart(data), index.keyEnds[data++]) : undefined;
    yield { kind, name, offset, bytes, separator };
  }
}

function blockLines(state: TableState, hex: boolean): string[] {
  const rows = [...rowsOf(state)].map(({ kind, name, offset, bytes, separator }) => {
    const last = separator === undefined ? name : `≤ ${hex ? hexOf(separator) : formatKey(separator)}`;
    return [`  ${kind}`, countText(offset), countText(bytes), last];
  });
  return ['', 'blocks: kind, offset, bytes', ...columns(rows, [1, 2])];
}

function factsJson(facts: TableFacts, blocks: readonly object[] | undefined, hex: boolean): object {
  const { properties, smallest, largest, rangeTombstones, blocks: dataBlocks, ...rest } = facts;
  return {
    ...rest,
    ...(smallest && jsonField('smallest', smallest, hex)),
    ...(largest && jsonField('largest', largest, hex)),
    rangeTombstones: rangeTombstones.map(({ from, to, version }) => ({
      ...jsonField('from', from, hex),
      ...(to && jsonField('to', to, hex)),
      version,
    })),
    dataBlocks,
    properties: Object.fromEntries(
      [...properties].map(([name, value]) => [name, propertyValue(name, value)]),
    ),
    ...(blocks && { blocks }),
  };
}
