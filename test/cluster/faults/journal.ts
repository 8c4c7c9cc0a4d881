/**
 * What a node's clients did, in a file that outlives the node's process: a line before each commit, and one after it. What has only the first
 * was under way when the process was killed: its outcome is unknown.
 */

import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { RecordedTransaction } from '../../history/history.ts';
import type { Journal } from '../../history/recorder.ts';

/** Fields that are undefined are left out, and so undefined when it is read. */
const encode = (transaction: RecordedTransaction): string => `${JSON.stringify(transaction)}\n`;

export class FileJournal implements Journal {
  readonly #file: number;
  readonly #marksBeginWith: string;
  readonly #node: { caughtUp(): Promise<void> };
  readonly #beforeCommitted: () => void;
  #marks = 0;

  /** `marksBeginWith`: as those of no other journal; `beforeCommitted`: called when a commit is known that nobody was told of. */
  constructor(
    path: string,
    marksBeginWith: string,
    node: { caughtUp(): Promise<void> },
    beforeCommitted: () => void,
  ) {
    this.#file = openSync(path, 'a');
    this.#marksBeginWith = marksBeginWith;
    this.#node = node;
    this.#beforeCommitted = beforeCommitted;
  }

  intends(transaction: RecordedTransaction): void {
    writeSync(this.#file, encode(transaction));
  }

  ended(transaction: RecordedTransaction): void {
    if (transaction.version !== undefined) this.#beforeCommitted();
    writeSync(this.#file, encode(transaction));
  }

  catchUp(): Promise<void> {
    return this.#node.caughtUp();
  }

  nextMark(): string {
    return `${this.#marksBeginWith}${++this.#marks}`;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Of one journal; ids begin after `id`. */
export function readJournal(path: string, id: number): RecordedTransaction[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.pop(); // what follows the last line's end: nothing, or the line that was being written
  const byBegin = new Map<string, RecordedTransaction>();
  for (const line of lines) {
    const transaction = JSON.parse(line) as RecordedTransaction;
    byBegin.set(`${transaction.process} ${transaction.beganAt}`, transaction);
  }
  return [...byBegin.values()].map((transaction, index) => ({ ...transaction, id: id + index + 1 }));
}
