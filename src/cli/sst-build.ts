import { createReadStream } from 'node:fs';
import { systemError } from '../base/env/system-error.ts';
import { isSluiceError, SluiceError, throwIfAborted } from '../base/errors.ts';
import { type SstFile, SstWriter } from '../ingest/sst-writer.ts';
import { type Arguments, type Command, EXIT_OK, UsageError } from './command.ts';
import { JSON_FLAG } from './database.ts';
import { type Io, Output } from './io.ts';
import { linesOf } from './lines.ts';
import { type ParseLine, parseJsonl, parseTsv } from './records.ts';
import { bytesText, countText, entriesText, shown } from './text.ts';

/** `sluice sst build` */
export const sstBuild: Command = {
  name: 'sst build',
  usage: 'OUT [INPUT]',
  about: 'Make an SST file of sorted lines',
  flags: {
    format: { type: 'string', value: 'tsv|jsonl', about: 'of the input; tsv when absent' },
    key: { type: 'string', value: 'FIELD', about: 'jsonl: the field that is the key' },
    value: {
      type: 'string',
      value: 'FIELD',
      about: 'jsonl: the field that is the value; the whole line when absent',
    },
    compression: { type: 'string', value: 'lz4|none|snappy|zstd', about: 'of blocks; lz4 when absent' },
    hex: { type: 'boolean', about: 'tsv: keys and values are hex digits' },
    json: JSON_FLAG,
  },
  positionals: [1, 2],
  more: `INPUT is a file, or - or nothing for standard input. Keys must ascend strictly, byte by byte, as \`LC_ALL=C sort\`
puts lines without escapes. tsv is KEY<TAB>VALUE with \\\\ \\t \\n \\r \\xNN as escapes, and a value of \\N deletes the key.
jsonl without --key is what scan and sst dump print: {"key","value"}, or keyHex, valueHex, "deleted":true.
Empty lines count for nothing. Nothing is left behind at OUT when the input is wrong.`,

  async run(args, io) {
    const parse = parserOf(args);
    const out = args.at(0, 'OUT');
    const compression = args.choice('compression', ['lz4', 'none', 'snappy', 'zstd']);
    const input = args.positionals[1] ?? '-';
    const started = performance.now();
    await using writer = new SstWriter(out, compression === undefined ? {} : { compression });
    const label = input === '-' ? 'line' : `${input}, line`;
    await addLines(writer, parse, label, input === '-' ? io.stdin : bytesOfFile(input), io.signal);
    await report(await writer.finish(), performance.now() - started, args, io);
    return EXIT_OK;
  },
};

function parserOf(args: Arguments): ParseLine {
  const format = args.choice('format', ['tsv', 'jsonl']) ?? 'tsv';
  const [key, value] = [args.text('key'), args.text('value')];
  if (format === 'jsonl') {
    if (args.flag('hex')) throw new UsageError('--hex is for tsv; in jsonl keyHex and valueHex are hex');
    return parseJsonl(key, value);
  }
  if (key !== undefined || value !== undefined) throw new UsageError('--key and --value need --format jsonl');
  return parseTsv(args.flag('hex'));
}

async function addLines(
  writer: SstWriter,
  parse: ParseLine,
  label: string,
  input: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let number = 0;
  for await (const lines of linesOf(input)) {
    throwIfAborted(signal);
    for (const line of lines) {
      number++;
      if (line.length === 0) continue;
      const { key, value } = parse(line, `${label} ${number}`);
      try {
        if (value === undefined) writer.del(key);
        else writer.put(key, value);
      } catch (error) {
        throw atLine(error, `${label} ${number}`);
      }
    }
  }
}

const OF_THE_LINE: readonly string[] = ['NOT_SORTED', 'INVALID_KEY', 'INVALID_VALUE'];

/** The writer knows keys; the user looks for lines. */
function atLine(error: unknown, where: string): unknown {
  if (!isSluiceError(error) || !OF_THE_LINE.includes(error.code)) return error;
  return new SluiceError(error.code, `${where}: ${error.message}`, { cause: error });
}

async function* bytesOfFile(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) yield chunk as Uint8Array;
  } catch (error) {
    throw isSluiceError(error) ? error : systemError(error, 'read', path);
  }
}

async function report(file: SstFile, ms: number, args: Arguments, io: Io): Promise<void> {
  const out = new Output(io.stdout);
  const [smallest, largest] = [shown(file.smallest, false), shown(file.largest, false)];
  if (args.flag('json')) {
    out.line(JSON.stringify({ ...file, smallest, largest }));
  } else {
    const rate = countText(Math.round((file.entries / Math.max(ms, 1)) * 1000));
    out.line(`${file.path}: ${entriesText(file.entries)}, ${bytesText(file.bytes)}, ${rate} entries/s`);
    out.line(`  keys    ${smallest} … ${largest}`);
    out.line(`  sha256  ${file.sha256}`);
  }
  await out.flush();
}
