/** One statement: its words after the session's name, up to what is expected of it. */

import type { IngestMode } from '../../ingest/adopt-file.ts';
import type { IngestVerify } from '../../ingest/staging.ts';
import type { IfExists, MaxImpact } from '../../txn/ingest-options.ts';
import { intervalOf, type KeyBudget, keysOf, parseEntries } from './key-parser.ts';
import type { LineScanner } from './line-scanner.ts';
import { parseOptions } from './option-parser.ts';
import type { FileSource, IngestClauses, Interval, Statement } from './syntax.ts';

const LIMIT_MAX = 1_000_000;
const RETRIES_MAX = 20;
const MODES: readonly IngestMode[] = ['copy', 'link', 'move'];
const VERIFIES: readonly IngestVerify[] = ['blocks', 'checksums', 'footer', 'none'];
const IF_EXISTS: readonly IfExists[] = ['overwrite', 'keep', 'fail'];
const BOUNDS: readonly (keyof MaxImpact)[] = ['level0Tables', 'pendingCompactionBytes'];

type Parse = (line: LineScanner, budget: KeyBudget) => Statement;

const STATEMENTS: Readonly<Record<string, Parse>> = {
  put: (line, budget) => {
    const keys = keysOf(line, budget);
    const value = line.token('a value').bytes;
    return { kind: 'put', keys, value, keyspace: keyspaceOf(line) };
  },
  del: (line, budget) => ({ kind: 'del', keys: keysOf(line, budget), keyspace: keyspaceOf(line) }),
  deleteRange: (line) => ({
    kind: 'deleteRange',
    interval: intervalOf(line) ?? line.fail('expected a range: [a, b), (a, b], [a, ), prefix p …'),
    keyspace: keyspaceOf(line),
  }),
  get: parseGet,
  scan: parseScan,
  ingest: parseIngest,
  undo: (line) => ({ kind: 'undo', id: line.token('the id of an ingest').bytes.toString() }),
  file: (line, budget) => {
    const name = line.name('the name of the file');
    return { kind: 'file', file: { name, entries: parseEntries(line, budget) } };
  },
  publish: (line, budget) => {
    const files = parseFiles(line, budget);
    return { kind: 'publish', files, delta: line.tryWord('delta'), dataset: datasetOf(line) };
  },
  activate: (line) => ({ kind: 'activate', version: versionOf(line), dataset: datasetOf(line) }),
  versions: (line) => ({ kind: 'versions', dataset: datasetOf(line) }),
  retain: (line) => ({ kind: 'retain', count: versionOf(line), dataset: datasetOf(line) }),
  diff: (line) => {
    const [before, after] = [versionOf(line), versionOf(line)];
    return { kind: 'diff', before, after, dataset: datasetOf(line) };
  },
  explain: (line, budget) => ({
    kind: 'explain',
    files: parseFiles(line, budget),
    keyspace: keyspaceOf(line),
  }),
  begin: (line) => ({ kind: 'begin', readOnly: line.tryWord('readonly') }),
  savepoint: (line) => ({ kind: 'savepoint', name: line.name('the name of the savepoint') }),
  rollback: (line) => {
    const dataset = keyspaceOf(line);
    if (dataset !== undefined) return { kind: 'revert', dataset };
    if (!line.tryWord('to'))
      line.fail(
        'expected "to" and the name of a savepoint, or "in" and that of a dataset; `abort` undoes everything',
      );
    return { kind: 'rollback', name: line.name('the name of the savepoint') };
  },
  commit: () => ({ kind: 'commit' }),
  abort: () => ({ kind: 'abort' }),
  transaction: (line) => {
    const maxRetries = line.tryWord('maxRetries') ? line.count('maxRetries', RETRIES_MAX) : undefined;
    return { kind: 'transaction', maxRetries, body: [], end: undefined };
  },
  end: () => ({ kind: 'end' }),
  options: (line) => {
    const { place } = line;
    const options = parseOptions(line);
    if (options.readOnly === true) line.fail('readOnly is for reopen: there is nothing to read yet', place);
    return { kind: 'options', options };
  },
  reopen: (line) => ({ kind: 'reopen', options: parseOptions(line) }),
  snapshot: (line) => ({ kind: 'snapshot', name: line.name('the name of the snapshot') }),
  close: (line) => ({ kind: 'close', name: line.name('the name of the snapshot') }),
  create: (line) => ({ kind: 'create', keyspace: line.token('the name of the keyspace').bytes.toString() }),
  drop: (line) => {
    if (line.tryWord('version'))
      return { kind: 'dropVersion', version: versionOf(line), dataset: datasetOf(line) };
    return { kind: 'drop', keyspace: line.token('the name of the keyspace').bytes.toString() };
  },
  keyspaces: () => ({ kind: 'keyspaces' }),
  flush: () => ({ kind: 'flush' }),
  compact: parseCompact,
  levels: (line) => ({ kind: 'levels', keyspace: keyspaceOf(line) }),
  verify: () => ({ kind: 'verify' }),
};

export function parseStatement(line: LineScanner, budget: KeyBudget): Statement {
  const { place } = line;
  const word = line.word('a statement');
  const parse = Object.hasOwn(STATEMENTS, word) ? STATEMENTS[word] : undefined;
  if (parse !== undefined) return parse(line, budget);
  return line.fail(
    `${JSON.stringify(word.slice(0, 40))} is no statement; there are: ${Object.keys(STATEMENTS).join(', ')}`,
    place,
  );
}

function keyspaceOf(line: LineScanner): string | undefined {
  return line.tryWord('in') ? line.token('the name of a keyspace').bytes.toString() : undefined;
}

function datasetOf(line: LineScanner): string {
  return keyspaceOf(line) ?? line.fail('expected "in" and the name of a dataset');
}

function versionOf(line: LineScanner): number {
  return line.count('the version', Number.MAX_SAFE_INTEGER);
}

interface PastRead {
  readonly snapshot: string | undefined;
  readonly version: number | undefined;
}

const NOW: PastRead = { snapshot: undefined, version: undefined };

/** Behind "at". */
function pastOf(line: LineScanner): PastRead {
  if (line.tryWord('version')) return { ...NOW, version: versionOf(line) };
  return { ...NOW, snapshot: line.name('the name of a snapshot, or "version" and one of a dataset') };
}

function parseGet(line: LineScanner, budget: KeyBudget): Statement {
  const keys = [...keysOf(line, budget)];
  let past = NOW;
  let keyspace: string | undefined;
  while (!line.done) {
    if (line.tryWord('at')) past = pastOf(line);
    else if (line.tryWord('in')) keyspace = line.token('the name of a keyspace').bytes.toString();
    else keys.push(...keysOf(line, budget));
  }
  return { kind: 'get', keys, ...past, keyspace };
}

function parseScan(line: LineScanner): Statement {
  const interval = intervalOf(line) ?? {};
  const reverse = line.tryWord('reverse');
  const limit = line.tryWord('limit') ? line.count('the limit', LIMIT_MAX) : -1;
  const past = line.tryWord('at') ? pastOf(line) : NOW;
  return { kind: 'scan', interval, reverse, limit, ...past, keyspace: keyspaceOf(line) };
}

function parseFiles(line: LineScanner, budget: KeyBudget): FileSource[] {
  const files: FileSource[] = [];
  do {
    if (line.tryWord('file')) files.push({ name: line.name('the name of a file'), entries: undefined });
    else {
      const entries = parseEntries(line, budget);
      if (!line.tryWord('as') || !line.tryWord('file')) {
        line.fail('expected "as file" and a name after the entries of a file');
      }
      files.push({ name: line.name('the name of the file'), entries });
    }
  } while (line.trySymbol(','));
  return files;
}

/** Clauses in any order, each once. */
function parseIngest(line: LineScanner, budget: KeyBudget): Statement {
  const files = parseFiles(line, budget);
  let clauses: IngestClauses = {};
  let keyspace: string | undefined;
  while (!line.done) {
    const { place } = line;
    const clause = parseClause(line);
    if (clause === undefined) {
      keyspace =
        keyspaceOf(line) ??
        line.fail(
          'expected mode, verify, id, ifExists, replace, behind, under, requireBottom, maxImpact, undoable or in',
        );
      break;
    }
    const twice = Object.keys(clause).find((name) => name in clauses);
    if (twice !== undefined) line.fail(`${twice} is given twice`, place);
    clauses = { ...clauses, ...clause };
  }
  return { kind: 'ingest', files, clauses, keyspace };
}

function parseClause(line: LineScanner): IngestClauses | undefined {
  if (line.tryWord('mode')) return { mode: choice(line, 'the mode', MODES) };
  if (line.tryWord('verify')) return { verify: choice(line, 'what is verified', VERIFIES) };
  if (line.tryWord('id')) return { id: line.token('an id').bytes.toString() };
  if (line.tryWord('ifExists')) return { ifExists: choice(line, 'ifExists', IF_EXISTS) };
  if (line.tryWord('replace')) return { replace: intervalOf(line) ?? true };
  if (line.tryWord('behind')) return { behind: true };
  if (line.tryWord('under')) {
    const to = line.token('a prefix').bytes;
    return { prefix: line.tryWord('replacing') ? { from: line.token('a prefix').bytes, to } : to };
  }
  if (line.tryWord('requireBottom')) return { requireBottom: true };
  if (line.tryWord('maxImpact')) return { maxImpact: parseImpact(line) };
  if (line.tryWord('undoable')) return { undoable: true };
  return undefined;
}

/** One bound or both. */
function parseImpact(line: LineScanner): MaxImpact {
  let bounds: MaxImpact = {};
  do {
    const name = choice(line, 'the bound', BOUNDS);
    line.symbol('=', `and a number after ${name}`);
    bounds = { ...bounds, [name]: line.count(name, 999_999_999) };
  } while (line.trySymbol(','));
  return bounds;
}

function parseCompact(line: LineScanner): Statement {
  const { place } = line;
  const interval: Interval = intervalOf(line) ?? {};
  if (interval.gt !== undefined || interval.lte !== undefined) {
    line.fail('compact takes ranges of the form [a, b)', place);
  }
  return { kind: 'compact', interval, keyspace: keyspaceOf(line) };
}

function choice<T extends string>(line: LineScanner, what: string, choices: readonly T[]): T {
  const { place } = line;
  const word = line.word(what);
  const found = choices.find((one) => one === word);
  return found ?? line.fail(`${what} must be one of ${choices.join(', ')}`, place);
}
