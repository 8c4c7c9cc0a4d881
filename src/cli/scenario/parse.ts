/** The text of a scenario to scenes and steps. Everything that can be wrong with the text is found here. */

import { KeyBudget } from './key-parser.ts';
import { LineScanner } from './line-scanner.ts';
import { Names } from './names.ts';
import { parseStatement } from './statement-parser.ts';
import {
  type Place,
  type Scenario,
  ScenarioError,
  type Scene,
  type Statement,
  type Step,
  type TransactionBlock,
} from './syntax.ts';

const STATEMENTS_MAX = 10_000;
const SESSION = /^\s*(?:(every)\s+)?(?:([A-Za-z]\w{0,63}):)?/;
/** Statements of a session only, of the database only; all others are for both. */
const OF_SESSIONS: readonly Statement['kind'][] = [
  'begin',
  'savepoint',
  'rollback',
  'commit',
  'abort',
  'transaction',
  'end',
];
const OF_BOTH: readonly Statement['kind'][] = [
  'put',
  'del',
  'deleteRange',
  'get',
  'scan',
  'ingest',
  'undo',
  'activate',
];

/** @throws ScenarioError with the place of the first thing that is wrong. */
export function parseScenario(text: string): Scenario {
  const lines = text.split(/\r?\n/);
  const parser = new Parser();
  for (const [i, line] of lines.entries()) parser.line(line, i + 1);
  return { lines, scenes: parser.finish() };
}

class Parser {
  readonly #scenes: Scene[] = [];
  readonly #budget = new KeyBudget();
  #names = new Names();
  #block: { readonly step: Step; readonly statement: TransactionBlock } | undefined;
  /** What the next `|` line belongs to. */
  #last: Step | undefined;
  #statements = 0;

  line(text: string, line: number): void {
    const trimmed = text.trim();
    const place = { line, column: text.length - text.trimStart().length + 1 };
    if (trimmed === '' || trimmed.startsWith('#')) this.#last = undefined;
    else if (trimmed.startsWith('|')) this.#expectLine(trimmed.slice(1).trim(), place);
    else if (trimmed.startsWith('==')) this.#beginScene(trimmed.slice(2).trim(), place);
    else this.#step(text, line);
  }

  finish(): Scene[] {
    this.#checkBlockEnded();
    return this.#scenes;
  }

  #beginScene(title: string, place: Place): void {
    this.#checkBlockEnded();
    this.#names = new Names();
    this.#last = undefined;
    this.#scenes.push({ title, place, steps: [] });
  }

  #expectLine(text: string, place: Place): void {
    if (this.#last === undefined) {
      throw new ScenarioError(place, 'a line of output must follow the statement that gives it');
    }
    this.#last.expected.lines.push(text);
  }

  #step(text: string, line: number): void {
    const step = this.#parse(text, line);
    if (++this.#statements > STATEMENTS_MAX) {
      throw new ScenarioError(step.place, `a scenario has at most ${STATEMENTS_MAX} statements`);
    }
    if (this.#scenes.length === 0) this.#beginScene('', step.place);
    const steps = this.#scenes.at(-1)?.steps ?? [];
    const { statement } = step;
    if (statement.kind === 'options' && steps.length > 0) {
      throw new ScenarioError(step.place, 'options must be the first statement of a scene');
    }
    this.#checkPlace(step);
    this.#names.follow(step, this.#block?.step.session);
    if (statement.kind === 'transaction') {
      steps.push(step);
      this.#block = { step, statement };
    } else if (this.#block === undefined) steps.push(step);
    else if (statement.kind === 'end') {
      this.#block.statement.end = step;
      this.#block = undefined;
    } else this.#block.statement.body.push(step);
    this.#last = step;
  }

  #parse(text: string, line: number): Step {
    const scanner = new LineScanner(text, line);
    const [prefix = '', every, session] = SESSION.exec(text) ?? [];
    const place = { line, column: text.length - text.trimStart().length + 1 };
    scanner.skip(prefix.length);
    const statement = parseStatement(scanner, this.#budget);
    const statementEnd = scanner.at;
    const { expectationAt, commentAt } = scanner.tail();
    const end = commentAt === -1 ? text.length : commentAt;
    const inline = expectationAt === -1 ? '' : text.slice(expectationAt, end).trim();
    const expected = { inline, lines: [] };
    const at = { statementEnd, expectationAt, commentAt };
    return { place, session, every: every !== undefined, statement, expected, ...at };
  }

  #checkPlace({ place, session, every, statement }: Step): void {
    const { kind } = statement;
    const fail = (message: string): never => {
      throw new ScenarioError(place, message);
    };
    if (OF_SESSIONS.includes(kind) && session === undefined) {
      fail(`${kind} is a statement of a session: write T1: ${kind}`);
    }
    if (!OF_SESSIONS.includes(kind) && !OF_BOTH.includes(kind) && session !== undefined) {
      fail(`${kind} is a statement of the database, not of ${session}`);
    }
    const block = this.#block?.step.session;
    if (every && (block === undefined || session === block)) {
      fail('"every" is for statements of others within a transaction … end');
    }
    if (kind === 'end' && session !== block) fail('there is no transaction of this session to end');
    if (kind === 'transaction' && block !== undefined) fail('a transaction function within another');
    if (kind === 'reopen' && block !== undefined) fail('reopen within a transaction function');
  }

  #checkBlockEnded(): void {
    if (this.#block === undefined) return;
    const { place, session } = this.#block.step;
    throw new ScenarioError(place, `this transaction has no "${session ?? ''}: end"`);
  }
}
