/** What the code of a file may say: TypeScript at its strictest, no ambient world, short functions. */

import { dottedName, isTypeScriptOfOurs, type Node, parse, walk } from './syntax.ts';
import { type Finding, lineAt, type SourceFile } from './tree.ts';

const FUNCTION_LINES_MAX = 70;

const BANNED_SYNTAX: Record<string, string> = {
  TSAnyKeyword: 'any: say what it is, or unknown and narrow it',
  TSNonNullExpression: 'non-null !: narrow it, or assert with a message',
  TSEnumDeclaration: 'enum: use constants and a union type',
  TSModuleDeclaration: 'namespace: a file is a module',
  TSParameterProperty: 'parameter property: declare the field and assign it',
};

/** Names that reach the ambient world, with the way round it. */
const BANNED_NAMES: [RegExp, string][] = [
  [/^(Date\.now|performance\.now|process\.(hrtime|uptime)\b.*)$/, 'use env.clock'],
  [/^(set|clear)(Timeout|Interval)$/, 'use env.clock.sleep or env.clock.after'],
  [/^Math\.random$/, 'use env.random'],
  [/^(globalThis\.)?crypto\.(randomBytes|randomUUID|randomInt|getRandomValues)$/, 'use env.random'],
  [/^random(Bytes|UUID|Int)$/, 'use env.random'],
  [/^console\.\w+$/, 'throw, return, or call the injected logger'],
  [/^process\.(stdout|stderr)\.write$/, 'throw, return, or call the injected logger'],
  [/^process\.exit$/, 'throw: only the command line ends the process'],
];

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/** The world is reached in these two folders of src only; tests, benchmarks and scripts are outside the engine. */
function mayReachTheWorld(path: string): boolean {
  return !path.startsWith('src/') || /^src\/(base\/env|cli)\//.test(path);
}

/** `describe(…)`, `describe.each(…)(…)`: as long as its tests are many. */
function isSuite(call: unknown): boolean {
  const { type, callee, object } = (call ?? {}) as { type?: string; callee?: unknown; object?: unknown };
  if (type === 'CallExpression') return isSuite(callee);
  if (type === 'MemberExpression') return isSuite(object);
  return dottedName(call) === 'describe';
}

function nameOf(node: Node, parent: Node | undefined): string {
  return dottedName(node['id']) ?? dottedName(parent?.['key']) ?? dottedName(parent?.['id']) ?? 'a function';
}

export function checkSource(file: SourceFile): Finding[] {
  if (!isTypeScriptOfOurs(file.path)) return [];
  const findings: Finding[] = [];
  const report = (node: Node, message: string) => {
    findings.push({ path: file.path, line: lineAt(file.text, node.start), message });
  };
  walk(parse(file), (node, parent) => {
    const banned = BANNED_SYNTAX[node.type];
    if (banned && !(node.type === 'TSModuleDeclaration' && file.path.endsWith('.d.ts'))) report(node, banned);

    if (node.type === 'CallExpression' && !mayReachTheWorld(file.path)) {
      const name = dottedName(node['callee']) ?? '';
      const cure = BANNED_NAMES.find(([pattern]) => pattern.test(name))?.[1];
      if (cure) report(node, `${name}: ${cure}`);
    }
    if (node.type === 'NewExpression' && !mayReachTheWorld(file.path)) {
      const isNow = dottedName(node['callee']) === 'Date' && (node['arguments'] as Node[]).length === 0;
      if (isNow) report(node, 'new Date(): use env.clock.nowMs()');
    }
    if (FUNCTIONS.has(node.type) && !isSuite(parent)) {
      const lines = lineAt(file.text, node.end) - lineAt(file.text, node.start) + 1;
      if (lines > FUNCTION_LINES_MAX) {
        report(node, `${nameOf(node, parent)} has ${lines} lines: split it, ${FUNCTION_LINES_MAX} at most`);
      }
    }
  });
  return findings;
}
