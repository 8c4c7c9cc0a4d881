/** What may import what: layers, cycles, the barrels, libraries and `node:` in their places. */

import { posix } from 'node:path';
import { type Import, importsOf, isTypeScriptOfOurs, parse } from './syntax.ts';
import { type Finding, lineAt, type SourceFile } from './tree.ts';

/** From the top down; parts of one line sit beside each other and do not import each other. */
const LAYERS = [
  ['cli'],
  ['cluster'],
  ['import'],
  ['db.ts'],
  ['txn'],
  ['ingest', 'levels'],
  ['manifest'],
  ['sst'],
  ['mvcc'],
  ['base'],
];

/** One for each entry of the package. */
const BARRELS = ['src/index.ts', 'src/cluster/index.ts'];

/** Functions of their arguments, or threads: not the ambient world that `src/base/env` stands for. */
const PURE_NODE = new Set([
  'node:buffer',
  'node:crypto',
  'node:path',
  'node:url',
  'node:worker_threads',
  'node:zlib',
]);

/** Libraries with one place. */
const HOMES: Record<string, string> = {
  lmdb: 'src/manifest/',
  'fs-native-extensions': 'src/base/env/',
  chokidar: 'src/base/env/',
  etcd3: 'src/cluster/log/etcd/',
};

/** The part of a file of src: its folder, or `db.ts` for the composition root and what lies beside it. */
function partOf(path: string): string {
  const [, folder = '', rest] = path.split('/');
  return rest === undefined ? 'db.ts' : folder;
}

function layerOf(part: string): number {
  return LAYERS.findIndex((layer) => layer.includes(part));
}

function layering(from: string, to: string): string | undefined {
  if (BARRELS.includes(to)) return `imports the barrel ${to}: import from the file that defines the name`;
  if (BARRELS.includes(from)) return undefined;
  const [importer, imported] = [partOf(from), partOf(to)];
  if (importer === imported) return undefined;
  for (const part of [importer, imported]) {
    if (layerOf(part) === -1) return `${part} is no part of docs/ARCHITECTURE.md: put the file into one`;
  }
  if (layerOf(importer) < layerOf(imported)) return undefined;
  return `${importer} may not import ${imported} (${to}): imports go down only; pass it in, or move it down`;
}

function packageRule(
  path: string,
  { specifier, typeOnly }: Import,
  dependencies: Set<string>,
): string | undefined {
  if (specifier.startsWith('node:')) {
    const exempt = typeOnly || PURE_NODE.has(specifier) || /^src\/(base\/env|cli)\//.test(path);
    return exempt ? undefined : `${specifier} outside src/base/env and src/cli: go through Env`;
  }
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  if (!dependencies.has(name)) return `${name} is not among the dependencies of package.json`;
  const home = HOMES[name];
  return home && !path.startsWith(home) ? `${name} belongs to ${home} alone` : undefined;
}

/** The files whose values each file imports. */
type Graph = Map<string, string[]>;

/** One cycle of the graph, as the list of its files; undefined when there is none. */
function findCycle(graph: Graph): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return path.slice(path.indexOf(file));
    if (done.has(file)) return undefined;
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const cycle = visit(file);
    if (cycle) return cycle;
  }
  return undefined;
}

export function checkImports(files: readonly SourceFile[], dependencies: Set<string>): Finding[] {
  const findings: Finding[] = [];
  const graph: Graph = new Map();
  for (const file of files) {
    if (!file.path.startsWith('src/') || !isTypeScriptOfOurs(file.path)) continue;
    const targets: string[] = [];
    for (const one of importsOf(parse(file))) {
      const report = (message: string | undefined) => {
        if (message) findings.push({ path: file.path, line: lineAt(file.text, one.start), message });
      };
      if (one.reExport && !BARRELS.includes(file.path))
        report(`re-exports: only ${BARRELS.join(' and ')} may; import where it is used`);
      if (!one.specifier.startsWith('.')) {
        report(packageRule(file.path, one, dependencies));
        continue;
      }
      const target = posix.join(posix.dirname(file.path), one.specifier);
      if (!/\.(ts|mjs|json)$/.test(target)) report(`${one.specifier}: import with the .ts ending`);
      report(layering(file.path, target));
      // A type-only import is gone at run time: an engine and its parts may name each other's types.
      if (!one.typeOnly) targets.push(target);
    }
    graph.set(file.path, targets);
  }
  const cycle = findCycle(graph);
  if (cycle) {
    const [first = ''] = cycle;
    const message = `imports in a cycle: ${[...cycle, first].join(' → ')}; move what both need into a file of its own`;
    findings.push({ path: first, line: 1, message });
  }
  return findings;
}
