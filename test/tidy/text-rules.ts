/** What no file may hold, whatever its language, and the shape of files. */

import { type Finding, lineAt, type SourceFile } from './tree.ts';

const FILE_LINES_MAX = 400;
const LONGER = `Longer than ${FILE_LINES_MAX} lines because`;

interface TextRule {
  readonly files: RegExp;
  readonly pattern: RegExp;
  readonly message: string;
}

const CODE = /\.(ts|mts|mjs|js|cc|h)$/;
const TYPESCRIPT = /^(?!src\/sst\/kernels\/assembly\/).*\.ts$/;
const TESTS = /^test\/.*\.ts$/;
const EVERYTHING = /./;

/** A pattern must not match its own source, as this file is checked too: hence the brackets. */
const RULES: TextRule[] = [
  { files: CODE, pattern: /\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b/, message: 'do it now, or open an issue' },
  { files: TYPESCRIPT, pattern: /@ts-(ignor[e]|nochec[k])/, message: 'fix the type' },
  { files: CODE, pattern: /biome-ignor[e]/, message: 'follow the rule, or change biome.json for all' },
  {
    files: TESTS,
    pattern: /\b(it|test|describe)(\.\w+)*\.(skip|only|todo|skipIf|runIf)\b/,
    message: 'every test runs: a missing tool is a failure that says what to install',
  },
  { files: EVERYTHING, pattern: /passWithNo[T]ests/, message: 'no tests is a failure' },
  {
    files: TESTS,
    pattern: /\bexpect\((tru[e]|1)\)/,
    message: 'a test that cannot fail: expect what the code did',
  },
  { files: CODE, pattern: /\bDESIGN [§]/, message: 'no such page: cite docs/ARCHITECTURE.md "Section"' },
  {
    files: EVERYTHING,
    pattern: /(^|[^\w.])\/(work|root|home\/\w+|Users\/\w+)\//m,
    message: 'a path of one machine: use one relative to the repository',
  },
  {
    files: EVERYTHING,
    pattern: /https?:\/\/[^\s"']*(npmjs|debian)\.org|\.\.\/\.librar[y]/,
    message: 'the host of a package registry: leave it to the configuration of the machine',
  },
];

const BAD_NAMES = /^(utils?|helpers?|types?|common|misc|v\d+|.*[-_]v\d+)$/;

function atOnce(file: SourceFile, message: string): Finding {
  return { path: file.path, line: 1, message };
}

function checkName(file: SourceFile): Finding[] {
  if (!CODE.test(file.path)) return [];
  const bad = file.path.split('/').find((part) => BAD_NAMES.test(part.replace(/(\.test|\.d)?\.\w+$/, '')));
  return bad ? [atOnce(file, `${bad} says nothing: name the file after what it does`)] : [];
}

function checkLength(file: SourceFile): Finding[] {
  if (!CODE.test(file.path) || file.path.endsWith('wasm-bytes.ts')) return [];
  const lines = file.text.split('\n').length - 1;
  const head = /^(#!.*\n)?\s*(\/\*[\s\S]*?\*\/|(\/\/.*\n)+)/.exec(file.text)?.[0] ?? '';
  if (lines <= FILE_LINES_MAX || head.includes(LONGER)) return [];
  return [atOnce(file, `${lines} lines: split by responsibility, or say "${LONGER} …" in the head comment`)];
}

function checkHeading(file: SourceFile): Finding[] {
  if (!file.path.endsWith('.md')) return [];
  const prose = file.text.replace(/^(`{3,}|~{3,})[\s\S]*?^\1/gm, '');
  const count = prose.match(/^# /gm)?.length ?? 0;
  return count === 1 ? [] : [atOnce(file, `${count} first-level headings: exactly one, the title`)];
}

export function checkText(file: SourceFile): Finding[] {
  const findings = [...checkName(file), ...checkLength(file), ...checkHeading(file)];
  for (const { files, pattern, message } of RULES) {
    if (!files.test(file.path)) continue;
    for (const match of file.text.matchAll(new RegExp(pattern, `${pattern.flags.replace('g', '')}g`))) {
      findings.push({
        path: file.path,
        line: lineAt(file.text, match.index + match[0].length - 1),
        message: `${match[0].trim()}: ${message}`,
      });
    }
  }
  return findings;
}
