/**
 * Hostile scenarios: those of test/scenarios/ with lines and words changed, taken away, doubled and mixed with others. Each is
 * told to be wrong at a place in it, or played, whatever it says: its database is sound in the end, and it can be rewritten.
 */

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { parseScenario } from '../../src/cli/scenario/parse.ts';
import { playScenario } from '../../src/cli/scenario/play.ts';
import { rewriteScenario } from '../../src/cli/scenario/rewrite.ts';
import { type Scenario, ScenarioError } from '../../src/cli/scenario/syntax.ts';
import { makeMemoryDirectory } from '../base/database.ts';
import { Dice } from './dice.ts';
import { scramble } from './table-lies.ts';

const FOLDER = new URL('../scenarios/', import.meta.url);
const LINE = /\r?\n/;

/** The lines of each scene. */
let scenes: readonly (readonly string[])[] | undefined;
let parent: string | undefined;

function allScenes(): readonly (readonly string[])[] {
  if (scenes !== undefined) return scenes;
  const names = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.txt'))
    .sort();
  scenes = names.flatMap((name) =>
    readFileSync(new URL(name, FOLDER), 'utf8')
      .split(/^== .*$/m)
      .slice(1)
      .map((scene) => scene.split(LINE).filter((line) => line.trim() !== '')),
  );
  return scenes;
}

const WORDS = [
  ...[
    '',
    ' ',
    '"',
    '"\\x00"',
    '"\\xff\\xff"',
    '\\',
    '\0',
    '\u{1f600}',
    '\u2028',
    '..',
    ':',
    ',',
    '|',
    '==',
    '#',
    '->',
    '!!',
  ],
  ...[
    '[',
    ')',
    '{',
    '}',
    '[, )',
    '[z, a)',
    'prefix x',
    'k000..k999',
    'k00000..k99999',
    'k9..k1',
    'k1..k9 by 0',
    'every',
  ],
  ...[
    'limit 0',
    'limit 999999',
    'limit -1',
    'limit 1e9',
    '4294967296',
    '9007199254740993',
    '-1',
    'NaN',
    'x'.repeat(5000),
  ],
  ...[
    'T1:',
    'T2:',
    'T9999:',
    'default',
    'nobody',
    'f',
    'deleted',
    'in',
    'at',
    'S1',
    'mode move',
    'id i',
    'replace',
    'undoable',
  ],
];

/** One word of the line by another. */
function otherWord(line: string, dice: Dice): string {
  const words = line.split(' ');
  const donor = dice.pick(dice.pick(allScenes())).split(' ');
  words[dice.below(words.length)] = dice.chance(0.5) ? dice.pick(WORDS) : dice.pick(donor);
  return words.join(' ');
}

function change(lines: string[], dice: Dice): void {
  const at = dice.below(lines.length);
  const line = lines[at] ?? '';
  const kind = dice.below(8);
  if (kind === 0) lines.splice(at, 1);
  else if (kind === 1) lines.splice(dice.below(lines.length), 0, line);
  else if (kind === 2) lines.splice(dice.below(lines.length), 0, ...lines.splice(at, 1));
  else if (kind === 3) lines.splice(at, 0, dice.pick(dice.pick(allScenes())));
  else if (kind === 4) lines[at] = Buffer.from(scramble(Buffer.from(line), dice)).toString('utf8');
  else lines[at] = otherWord(line, dice);
}

export function makeScenario(seed: number): Uint8Array {
  const dice = new Dice(seed);
  const lines = [...dice.pick(allScenes())];
  for (let n = dice.pick([0, 1, 1, 2, 4]); n > 0 && lines.length > 0; n--) change(lines, dice);
  return Buffer.from(lines.join(dice.pick(['\n', '\n', '\r\n'])));
}

/** 'ok' when it was played, 'USAGE' when it was told to be wrong. */
export async function tryScenario(bytes: Uint8Array): Promise<string> {
  const text = Buffer.from(bytes).toString('utf8');
  try {
    await play(parseScenario(text));
    return 'ok';
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    const { line } = error.place;
    if (!(line >= 1 && line <= text.split('\n').length))
      throw new Error(`wrong in line ${line}, which it has not`);
    return 'USAGE';
  }
}

async function play(scenario: Scenario): Promise<void> {
  parent ??= temporaryParent();
  const played = await playScenario(scenario, { parent });
  if (played.problems.length > 0) throw new Error(played.problems.join('; '));
  const rewritten = rewriteScenario(scenario, played);
  try {
    parseScenario(rewritten);
  } catch (cause) {
    throw new Error(`what it is rewritten to is no scenario:\n${rewritten}`, { cause });
  }
}

function temporaryParent(): string {
  const dir = makeMemoryDirectory();
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
