/** `options NAME=VALUE …`: those options of `open` that change what a scenario shows. */

import { resolveOptions } from '../../db-options.ts';
import type { LineScanner } from './line-scanner.ts';
import type { ScenarioOptions } from './syntax.ts';

const COUNTS = [
  'blockBytes',
  'conflictWindowBytes',
  'filterBitsPerKey',
  'keepVersions',
  'level0Trigger',
  'levelBaseBytes',
  'levelMultiplier',
  'memtableBytes',
  'targetFileBytes',
] as const;
const CHOICES = {
  compaction: ['auto', 'off'],
  compression: ['lz4', 'none', 'snappy', 'zstd'],
  durability: ['fsync', 'os'],
  readOnly: ['true', 'false'],
} as const;
const NAMES = [...COUNTS, ...Object.keys(CHOICES)].sort();

export function parseOptions(line: LineScanner): ScenarioOptions {
  let options: ScenarioOptions = {};
  while (!line.done) {
    const { place } = line;
    options = { ...options, ...parseOption(line) };
    try {
      resolveOptions('.', options);
    } catch (error) {
      // A number, but none that `open` takes.
      if (!(error instanceof TypeError)) throw error;
      line.fail(error.message, place);
    }
  }
  return options;
}

function parseOption(line: LineScanner): ScenarioOptions {
  const { place } = line;
  const name = line.word('an option');
  line.symbol('=', `and a value after ${JSON.stringify(name.slice(0, 40))}`);
  const count = COUNTS.find((one) => one === name);
  if (count !== undefined) return { [count]: line.count(name, 999_999_999) };
  switch (name) {
    case 'compaction':
      return { compaction: choice(line, name) };
    case 'compression':
      return { compression: choice(line, name) };
    case 'durability':
      return { durability: choice(line, name) };
    case 'readOnly':
      return { readOnly: choice(line, name) === 'true' };
    default:
      return line.fail(
        `there is no option ${JSON.stringify(name.slice(0, 40))}; there are: ${NAMES.join(', ')}`,
        place,
      );
  }
}

function choice<N extends keyof typeof CHOICES>(line: LineScanner, name: N): (typeof CHOICES)[N][number] {
  const { place } = line;
  const word = line.word(`a value of ${name}`);
  const choices: readonly (typeof CHOICES)[N][number][] = CHOICES[name];
  return (
    choices.find((one) => one === word) ?? line.fail(`${name} must be one of ${choices.join(', ')}`, place)
  );
}
